"""Whole command lines as processes: what is on which stream, and the exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier import Workspace
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths

from .conftest import Shell, surroundings  # type: ignore[attr-defined]

COMMAND = [sys.executable, "-m", "espalier.cli"]


def done(result: "subprocess.CompletedProcess[str]", code: int = 0) -> "subprocess.CompletedProcess[str]":
    assert result.returncode == code, result.stdout + result.stderr
    return result


def test_version(espalier: Shell) -> None:
    import espalier as core

    for option in ("--version", "-V"):
        assert done(espalier(option)).stdout == f"espalier {core.__version__}\n"


def test_run_submits_and_follows(espalier: Shell, forest: Path) -> None:
    result = done(espalier("run", "train.py", "--tag", "stage=test", "-e", "trees", "--", "0.9", "--trees", "200"))
    found = json.loads(result.stdout)
    assert found["status"] == "Completed" and found["metrics"] == {"AUC": 0.9}
    assert "Created workspace forest in" in result.stderr
    assert f"Submitted {found['run_id']}.\ntrees --trees 200\n" in result.stderr
    assert (forest / ".espalier" / "forest").is_dir()
    (row,) = json.loads(done(espalier("runs", "list", "-o", "json")).stdout)
    assert (row["run_id"], row["experiment"], row["tag_stage"]) == (found["run_id"], "trees", "test")
    assert done(espalier("runs", "logs", "latest")).stdout == "trees --trees 200\n"
    assert done(espalier("runs", "logs", found["run_id"][-8:], "-f")).stdout == "trees --trees 200\n"


def test_a_failed_run(espalier: Shell, main: Workspace) -> None:
    result = done(espalier("run", "fail.sh", "--query", "run_id", "-o", "tsv"), 1)
    run_id = result.stdout.strip()
    assert "before\n" in result.stderr and f"Error: Run {run_id} failed:" in result.stderr
    assert json.loads(done(espalier("runs", "show", "latest")).stdout)["exitCode"] == 7
    assert done(espalier("runs", "logs", "latest", "-f"), 1).stdout == "before\n"
    assert done(espalier("runs", "status", "latest", "-o", "tsv")).stdout == "Failed\n"


def test_detach_then_cancel(espalier: Shell, main: Workspace) -> None:
    run_id = json.loads(done(espalier("run", "wait.sh", "--detach")).stdout)["run_id"]
    canceled = done(espalier("runs", "cancel", run_id))
    assert (canceled.stdout, canceled.stderr) == ("true\n", f"Asked {run_id} to stop.\n")
    result = done(espalier("runs", "logs", run_id, "-f"), 1)
    assert f"Run {run_id} was canceled." in result.stderr
    canceled = done(espalier("runs", "cancel", "latest"))
    assert (canceled.stdout, canceled.stderr) == ("false\n", f"{run_id} had ended.\n")


def test_interrupting_detaches(espalier: Shell, main: Workspace, forest: Path, reach: Any) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", "wait.sh"], cwd=forest, env=surroundings(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    lines = [process.stderr.readline(), process.stderr.readline()]
    assert lines[1] == "started\n"
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    run_id = lines[0].split()[1].rstrip(".")
    assert process.returncode == 130
    assert f"Come back with `espalier runs logs {run_id} -f`" in errors
    assert json.loads(out)["status"] == "Running"
    assert main.runs.get(run_id).get_status() == "Running"
    main.runs.get(run_id).cancel()


def test_dry_runs_change_nothing(espalier: Shell, main: Workspace, forest: Path) -> None:
    shown = json.loads(done(espalier("run", "train.py", "--dry-run", "--cpus", "2", "--", "1")).stdout)
    assert (shown["entry_script"], shown["arguments"], shown["cpus"]) == ("train.py", ["1"], 2)
    assert json.loads(done(espalier("workspace", "delete", "--dry-run")).stdout) == {"path": main.path, "runs": 0}
    hidden = json.loads(done(espalier("secrets", "set", "KEY=very secret", "--dry-run")).stdout)
    assert (hidden["command"], hidden["secrets"]) == ("secrets set", {"KEY": "***"})
    chosen = done(espalier("run", "train.py", "--dry-run", "--query", "entry_script", "-o", "tsv"))
    assert chosen.stdout == "train.py\n"
    assert os.path.isdir(main.path) and main.runs.list().columns["run_id"] == []


def test_deleting_asks_and_refuses_without_a_terminal(espalier: Shell, main: Workspace) -> None:
    result = done(espalier("workspace", "delete"), 4)
    assert "this isn't a terminal" in result.stderr and "--yes" in result.stderr
    assert os.path.isdir(main.path)
    done(espalier("images", "prune"), 4)
    run = main.experiments.get("exp").start_logging()
    run.complete()
    done(espalier("housekeeping", "delete-runs", run.id), 4)
    (row,) = json.loads(done(espalier("housekeeping", "delete-runs", run.id, "--dry-run", "-o", "json")).stdout)
    assert row["deleted"] is False and main.runs.list().columns["run_id"] == [run.id]
    done(espalier("housekeeping", "delete-runs", run.id, "--yes"))
    assert main.runs.list().columns["run_id"] == []
    assert done(espalier("workspace", "delete", "--yes")).stdout == ""
    assert not os.path.exists(main.path)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, ["nope"]), (2, ["runs", "lisst"]), (2, ["runs", "list", "--nope"]), (2, ["runs", "list", "-n", "many"]),
        (2, ["runs", "list", "--filter", "metrics.auc >"]), (2, ["runs", "list", "--query", "["]), (2, ["runs", "show"]),
        (2, ["runs", "tag", "latest", "no-equals"]), (2, ["runs", "list", "-o", "xml"]), (2, ["workspace", "create", "../up"]),
        (3, ["runs", "show", "nope_1_abcdef01"]), (3, ["runs", "show", "latest"]), (3, ["runs", "list", "-w", "nope"]),
        (3, ["run", "missing.R"]), (3, ["environments", "versions", "nope"]), (3, ["images", "log", "nope"]),
        (4, ["workspace", "create", "main"]), (4, ["secrets", "delete", "A"]),
    ],
)  # fmt: skip
def test_exit_codes(espalier: Shell, main: Workspace, code: int, words: "list[str]") -> None:
    result = done(espalier(*words), code)
    assert result.stdout == "" and "Error: " in result.stderr and "Traceback" not in result.stderr


def test_other_exit_codes(espalier: Shell) -> None:
    assert done(espalier("runs", "list"), 3).stderr.startswith("Error: Can't find a workspace in ")
    alone = espalier()  # (some versions of click take it for a request of help, others for a wrong usage)
    assert (alone.stdout + alone.stderr).startswith("Usage: espalier [OPTIONS] COMMAND")
    assert "runs" in done(espalier("--help")).stdout


def test_secrets_are_read_from_stdin(espalier: Shell, main: Workspace) -> None:
    done(espalier("secrets", "set", "PASSWORD", input="correct horse\n"))
    assert json.loads(done(espalier("secrets", "get", "PASSWORD")).stdout) == {"PASSWORD": "correct horse"}
    assert done(espalier("secrets", "list", "--query", "[].name", "-o", "tsv")).stdout == "PASSWORD\n"
    assert done(espalier("secrets", "delete", "PASSWORD", "-y", "-o", "tsv")).stdout == "PASSWORD\n"


def test_lists_have_pages_filters_and_an_order(espalier: Shell, main: Workspace, submit: Any, ended: Any) -> None:
    where = ["-w", main.path]
    runs = []
    for value in ("0.5", "0.9", "0.7"):
        runs.append(json.loads(done(espalier("run", "train.py", *where, "--", value)).stdout)["run_id"])
    ids = ["--query", "[].run_id", "-o", "tsv"]
    assert done(espalier("runs", "list", "--sort=-metrics.AUC", *ids)).stdout.split() == [runs[1], runs[2], runs[0]]
    assert done(espalier("runs", "list", "--sort", "metrics.AUC", "-n", "1", *ids)).stdout.split() == [runs[0]]
    assert done(espalier("runs", "list", "--filter", "metrics.AUC > 0.8", *ids)).stdout.split() == [runs[1]]
    assert len(done(espalier("runs", "list", "-e", "forest", *ids)).stdout.split()) == 3
    assert done(espalier("runs", "list", "-e", "other", *ids)).stdout == ""
    assert len(done(espalier("experiments", "runs", "forest", *ids)).stdout.split()) == 3
    assert json.loads(done(espalier("runs", "best", "AUC")).stdout)["run_id"] == runs[1]
    refused = done(espalier("runs", "list", "--filter", "x' OR 1=1; DROP TABLE runs --\x1b[2J"), 2)
    assert "\x1b" not in refused.stderr


def test_environments_by_file_and_name(espalier: Shell, main: Workspace, forest: Path) -> None:
    (forest / "env.yml").write_text("name: tiny\npython:\n  pip: [pyyaml]\n")
    registered = json.loads(done(espalier("environments", "register", "env.yml")).stdout)
    assert (registered["name"], registered["version"]) == ("tiny", "1")
    for word in ("tiny", "tiny:1", "./env.yml"):
        assert "FROM" in done(espalier("images", "dockerfile", word, "-o", "tsv")).stdout
    assert done(espalier("environments", "packages", "tiny:7"), 3).stdout == ""


def test_a_reader_that_has_seen_enough(main: Workspace, forest: Path) -> None:
    (forest / "data").mkdir()
    for number in range(3000):
        (forest / "data" / f"{number:05}-{'x' * 50}.csv").touch()
    line = f"{sys.executable} -m espalier.cli snapshots preview . -o json | head -n 2; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", line], cwd=forest, env=surroundings(), capture_output=True, encoding="utf-8")
    assert result.stderr == "" and result.stdout.splitlines()[-1] == "0"


PLACES: Dict[str, Dict[str, str]] = {
    "LANG=C": {"LANG": "C", "LC_ALL": "C"},
    "POSIX, by force": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "Latin 1": {"PYTHONIOENCODING": "latin-1"},
}


@pytest.mark.parametrize("place", PLACES)
def test_other_character_sets(espalier: Shell, main: Workspace, forest: Path, place: str) -> None:
    (forest / "say.py").write_text("import sys; sys.stdout.buffer.write('日本 é\\n'.encode())")
    settings = {"env": surroundings(**PLACES[place]), "encoding": "utf-8" if place == "LANG=C" else "latin-1"}
    done(espalier("run", "say.py", "--name", "日", **settings))
    shown = "日本" if place == "LANG=C" else "\\u65e5\\u672c"
    assert shown in done(espalier("runs", "logs", "latest", **settings)).stdout
    (row,) = json.loads(done(espalier("runs", "list", **settings)).stdout)
    assert row["display_name"] == "日" or place == "POSIX, by force"


def test_no_home(espalier: Shell, main: Workspace) -> None:
    env = {name: value for name, value in surroundings().items() if name != "HOME"}
    assert json.loads(done(espalier("runs", "list", env=env)).stdout) == []


def test_control_characters_of_runs(espalier: Shell, main: Workspace, forest: Path) -> None:
    (forest / "evil.py").write_text("print('\\x1b]0;owned\\x07 \\x1b[31mred\\x1b[0m \\x9b')")
    result = done(espalier("run", "evil.py", "--name", "a\x1b[2Jb", "--tag", "t=\x1b[31m\u202e"))
    shown = [result.stdout, result.stderr]
    for form in ("table", "tsv", "yaml", "json"):
        shown.append(done(espalier("runs", "list", "-o", form)).stdout)
    shown.append(done(espalier("runs", "logs", "latest")).stdout)
    assert not any(sign in text for text in shown for sign in "\x1b\x07\x9b\u202e")
    assert "a\\x1b[2Jb" in shown[3]


def test_a_defect_has_its_traceback(espalier: Shell, main: Workspace, forest: Path) -> None:
    (forest / "sitecustomize.py").write_text(
        "import espalier.api.dispatch as d\ndef broken(self, request): raise ZeroDivisionError('x')\n"
        "d.Dispatcher.prepared = broken\n"
    )
    result = done(espalier("runs", "list", env=surroundings(PYTHONPATH=str(forest))), 4)
    assert "Traceback" in result.stderr and "This is a defect in espalier" in result.stderr


def test_without_click(espalier: Shell, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(\"No module named 'click'\", name='click')\n")
    env = surroundings(PYTHONPATH=str(tmp_path))
    result = done(espalier("runs", "list", env=env), 4)
    assert result.stderr.startswith("Error: Can't start the command line: the package click is missing.\ni Install it")
    assert done(espalier("--version", env=env)).stderr == ""


def test_busy(espalier: Shell, main: Workspace) -> None:
    from espalier.base.errors import EspalierError
    from espalier.cli.problems import exit_code

    assert exit_code(EspalierError("too_many_processes", "x")) == 5
    set_capacity(queue_paths(), cpus=1)


def test_jobs_in_files(espalier: Shell, main: Workspace, forest: Path) -> None:
    (forest / "job.yml").write_text("script: train.py\narguments: ['0.5']\ntags: {stage: test}\n")
    shown = json.loads(done(espalier("job", "submit", "job.yml", "--dry-run", "--set", "arguments.0=0.25")).stdout)
    assert (shown["config"]["arguments"], shown["experiment"]) == (["0.25"], "forest")
    result = done(espalier("job", "submit", "job.yml", "--set", "arguments.0=0.25", "--tag", "who=me", "-f"))
    assert json.loads(result.stdout)["metrics"] == {"AUC": 0.25}
    assert json.loads(done(espalier("runs", "tags", "latest")).stdout) == {"stage": "test", "who": "me"}
    detached = json.loads(done(espalier("job", "submit", "job.yml", "-e", "other")).stdout)
    assert detached["run_id"].startswith("other_")
    wrong = done(espalier("job", "submit", "job.yml", "--set", "argments=1\x1b"), 2)
    assert "arguments" in wrong.stderr and "\x1b" not in wrong.stderr
    assert done(espalier("job", "submit", "nope.yml"), 3).stdout == ""


def test_downloads_replace_nothing_unless_asked(espalier: Shell, main: Workspace, forest: Path) -> None:
    (forest / "write.sh").write_text("mkdir -p outputs; echo new > outputs/model.rds; echo 1 > outputs/a")
    done(espalier("run", "write.sh"))
    (forest / "model.rds").write_text("mine")
    download = ["runs", "download", "latest", "outputs/model.rds"]
    refused = done(espalier(*download), 4)
    assert f"{forest}/model.rds would be replaced" in refused.stderr and "--overwrite" in refused.stderr
    assert (forest / "model.rds").read_text() == "mine"
    done(espalier(*download, "--overwrite"))
    assert (forest / "model.rds").read_text() == "new\n"
    done(espalier(*download, "--to", "other.rds"))
    (forest / "outputs").mkdir()
    (forest / "outputs" / "a").write_text("mine")
    every = ["runs", "download-all", "latest", "--prefix", "outputs/"]
    assert "outputs/a would be replaced" in done(espalier(*every), 4).stderr
    assert not (forest / "outputs" / "model.rds").exists() and (forest / "outputs" / "a").read_text() == "mine"
    done(espalier(*every, "--overwrite"))
    assert (forest / "outputs" / "a").read_text() == "1\n"


def test_deletions_list_what_would_go(espalier: Shell, main: Workspace) -> None:
    run_id = json.loads(done(espalier("run", "train.py", "-e", "trees", "--", "1")).stdout)["run_id"]
    done(espalier("secrets", "set", "PASSWORD=correct horse"))
    kept = json.loads(done(espalier("snapshots", "take", ".", "--query", "snapshot_id || id || @")).stdout)
    kept = kept if isinstance(kept, str) else main.snapshots.list().columns["id"][0]
    lines = {
        ("housekeeping", "delete-experiment", "trees"): run_id, ("housekeeping", "delete-runs", "latest"): run_id,
        ("housekeeping", "prune", "--keep-last", "0"): run_id, ("secrets", "delete", "PASSWORD"): "PASSWORD",
        ("snapshots", "delete", kept): kept, ("workspace", "delete"): main.path,
        ("snapshots", "collect-garbage"): "", ("images", "prune"): "",
    }  # fmt: skip
    for words, named in lines.items():
        assert "Add --yes" in done(espalier(*words), 4).stderr
        assert named in done(espalier(*words, "--dry-run")).stdout, words
    assert main.runs.list().columns["run_id"] == [run_id] and main.snapshots.list().columns["id"] == [kept]
    for words in lines:
        if words[0] != "workspace":
            done(espalier(*words, "--yes"), 3 if words[1] == "delete-runs" else 0)
    assert main.runs.list().columns["run_id"] == [] and main.snapshots.list().columns["id"] == []


def test_empty_results_say_so(espalier: Shell, main: Workspace) -> None:
    done(espalier("run", "train.py", "-e", "trees", "--", "1"))
    for words, text in {
        "workspace verify": "Nothing is damaged.",
        "runs tags latest": "There are no tags.",
        "runs list --filter metrics.AUC>5": "There are no runs.",
        "runs list -e treees": 'Can\'t find the experiment "treees". Did you mean "trees"?',
    }.items():
        result = done(espalier(*words.split()))
        assert text in result.stderr and result.stdout in ("[]\n", "{}\n")


def test_columns_are_chosen(espalier: Shell, main: Workspace) -> None:
    for value in ("0.5", "0.25"):
        done(espalier("run", "train.py", "-e", "trees", "--param", "n=3", "--tag", "x=y", "--", value))
    listed = done(espalier("runs", "list", "--columns", "metrics.AUC,tags.x,param_n", "-o", "tsv")).stdout
    assert listed == "metric_AUC\ttag_x\tparam_n\n0.25\ty\t3\n0.5\ty\t3\n"
    assert done(espalier("runs", "list", "--columns", "status", "-o", "tsv", "--no-header")).stdout == "Completed\n" * 2
    wide = {"env": surroundings(COLUMNS="60")}
    rows = done(espalier("runs", "list", "-o", "table", **wide)).stdout.splitlines()
    assert rows[0].split()[:3] == ["run_id", "status", "metric_AUC"]
    rows = done(espalier("runs", "list", "-o", "table", "--sort", "min(metrics.AUC)", **wide)).stdout.splitlines()
    assert rows[0].split()[2] == "min(metric_AUC)"
    details = json.loads(done(espalier("runs", "show", "latest")).stdout)
    assert details["run_id"] == details["runId"]
    table = done(espalier("runs", "metrics", "latest", "-o", "table")).stdout
    assert [line.split() for line in table.splitlines()] == [["name", "last", "values"], ["AUC", "0.25", "1"]]
    assert json.loads(done(espalier("runs", "metrics", "latest")).stdout) == {"AUC": 0.25}
    assert json.loads(done(espalier("runs", "best", "AUC", "--minimize")).stdout)["run_id"] == details["run_id"]


def test_secret_variables_are_hidden(espalier: Shell, main: Workspace, forest: Path) -> None:
    (forest / "job.yml").write_text("script: train.py\nenvironment_variables: {API_TOKEN: hidden-one, MODE: fast}\n")
    for words in (["job", "read", "job.yml"], ["job", "submit", "job.yml", "--dry-run"]):
        shown = json.loads(done(espalier(*words)).stdout)["config"]["environment_variables"]
        assert shown == {"API_TOKEN": "***", "MODE": "fast"}


def test_workspaces_are_listed(espalier: Shell, main: Workspace, forest: Path) -> None:
    other = Workspace.create("other", str(forest / ".espalier"))
    assert json.loads(done(espalier("workspace", "list")).stdout) == [
        {"name": each.name, "path": each.path} for each in (main, other)
    ]
    assert "Can't choose among the workspaces" in done(espalier("runs", "list"), 2).stderr


@pytest.mark.parametrize(
    ("line", "code"), [("runs show nope 2>&-", 3), ("runs show nope 2>/dev/full", 3), ("workspace show >/dev/full", 4)]
)
def test_streams_that_take_nothing(main: Workspace, forest: Path, line: str, code: int) -> None:
    script = f"{sys.executable} -m espalier.cli {line}"
    done = subprocess.run(["sh", "-c", script], cwd=forest, env=surroundings(), capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_options_of_the_script_follow_dashes(espalier: Any, main: Any) -> None:
    done = espalier("run", "train.py", "--lr", "0.1")
    assert done.returncode == 2
    assert "Write options of the script after --: espalier run train.py -- --lr 0.1" in done.stderr


def test_numbers_of_rows_and_missing_secrets(espalier: Any, main: Any) -> None:
    assert espalier("runs", "list", "-n", "0").returncode == 2
    assert espalier("secrets", "get", "nope").returncode == 3


def test_a_file_of_requirements_is_an_environment(forest: Any) -> None:
    from espalier.cli.parameters import environment_value

    file = forest / "requirements.txt"
    file.write_text("numpy>=1\n")
    assert '"numpy>=1"' in environment_value(str(file), None)["definition"]


def test_python_m_espalier_is_the_command_line() -> None:
    import subprocess
    import sys

    import espalier as package

    done = subprocess.run([sys.executable, "-m", "espalier", "--version"], capture_output=True, text=True)
    assert done.stdout == f"espalier {package.__version__}\n"
