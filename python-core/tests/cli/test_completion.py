"""Tab in bash, zsh and fish: commands, options and ids of runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import Experiment, Workspace

from .conftest import surroundings  # type: ignore[attr-defined]

Offered = Callable[..., List[str]]
COMMAND = [sys.executable, "-m", "espalier.cli"]


@pytest.fixture
def offered(forest: Path) -> Offered:
    """What Tab offers after a line, as the shell's script asks for it."""

    def asked(line: str, **variables: str) -> List[str]:
        words = line.split(" ")
        asks = {"_ESPALIER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        env = surroundings(**asks, **variables)
        done = subprocess.run(COMMAND, cwd=forest, env=env, capture_output=True, encoding="utf-8", check=True)
        assert done.stderr == ""
        return [each.partition(",")[2] for each in done.stdout.splitlines()]

    return asked


def test_commands_and_options(offered: Offered) -> None:
    assert offered("espalier run") == ["run", "runs"]
    assert "list" in offered("espalier runs ")
    assert offered("espalier runs list --fil") == ["--filter"]
    assert offered("espalier runs list -o ") == ["json", "table", "tsv", "yaml"]


def test_names_of_what_there_is(offered: Offered, main: Workspace, submit: Any, tmp_path: Path) -> None:
    runs = [Experiment(main, name).start_logging().id for name in ("alpha", "beta")]
    assert sorted(offered("espalier runs show ")) == sorted(["latest", *runs])
    assert offered("espalier runs show alp") == [runs[0]]
    assert offered("espalier runs logs la") == ["latest"]
    assert offered("espalier runs list -e ") == ["alpha", "beta"]
    assert offered("espalier runs list -w ") == ["main"]
    elsewhere = Workspace.create("far", str(tmp_path / "far"))
    assert offered(f"espalier runs show -w {elsewhere.path} ") == ["latest"]
    assert offered("espalier runs show ", ESPALIER_WORKSPACE="/nowhere") == ["latest"]


def test_metrics_orders_and_files(offered: Offered, main: Workspace) -> None:
    run = Experiment(main, "alpha").start_logging()
    file = Path(main.path).parent.parent / "a.txt"
    file.write_text("x")
    run.upload_file("outputs/a.txt", str(file))
    run.log("AUC", 1)
    run.log("loss", 1)
    run.complete()
    main.runs.list()
    assert offered("espalier runs best ") == ["AUC", "loss"]
    assert offered("espalier runs list --sort metrics.A") == ["metrics.AUC"]
    assert offered("espalier runs list --sort dur") == ["duration_seconds"]
    assert offered(f"espalier runs download {run.id} out") == ["outputs/a.txt"]
    assert offered("espalier runs download latest out") == ["outputs/a.txt"]


BASH = """
set -eu
export PATH="$PWD/bin:$PATH"
source <(espalier completion bash)
COMP_WORDS=(espalier runs show alp) COMP_CWORD=3
_espalier_completion espalier
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
export PATH="$PWD/bin:$PATH"
compdef() {}; compadd() { :; }; _describe() { :; }
source <(espalier completion zsh)
words=(espalier runs show alp) CURRENT=4
compadd() { print -l -- "${completions[@]}" }
_espalier_completion
"""
FISH = """
set -x PATH $PWD/bin $PATH
espalier completion fish | source
complete -C'espalier runs show alp'
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_scripts_of_shells(shell: str, script: str, main: Workspace, forest: Path) -> None:
    """Read by the shell itself, and asked for the id of a run."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    run_id = Experiment(main, "alpha").start_logging().id
    (forest / "bin").mkdir()
    launcher = forest / "bin" / "espalier"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m espalier.cli "$@"\n')
    launcher.chmod(0o755)
    options = ["-f"] if shell == "zsh" else []
    env = surroundings(HOME=str(forest), XDG_CONFIG_HOME=str(forest))
    done = subprocess.run(
        [shell, *options, "-c", script], cwd=forest, env=env, capture_output=True, encoding="utf-8", timeout=60
    )
    assert run_id in done.stdout.split(), done.stdout + done.stderr


def test_an_unknown_shell(espalier: Any) -> None:
    done = espalier("completion", "csh")
    assert done.returncode == 2 and "'bash', 'zsh', 'fish'" in done.stderr


def test_closed_shards_offer_what_can_be_read(offered: Offered, main: Workspace) -> None:
    os.makedirs(os.path.join(main.path, "runs"), exist_ok=True)
    Path(main.path, "runs", "zz").write_text("not a folder")
    assert offered("espalier runs show ") == ["latest"]
