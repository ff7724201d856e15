"""Runs whose job is in a container, with a real engine: what it sees, may, and what becomes of it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from job_runs import log_of, until, wait
from scratch import copy_of


@pytest.fixture
def submit(workspace: Callable[..., Workspace], base_image: str, tmp_path: Path) -> Callable[..., Run]:
    """Submits a job in a container of the base image."""
    experiment = Experiment(workspace(), "exp")
    environment = {"name": "base", "docker": {"base_image": base_image}}
    (tmp_path / "project").mkdir()

    def submitted(**fields: Any) -> Run:
        config = {"environment": environment, "docker": {"network": "none"}, **fields}
        if "entry_script" in config:
            config.setdefault("source_directory", str(tmp_path / "project"))
        return experiment.submit(ScriptRunConfig(**config))

    return submitted


def containers_of(engine: Any, run: Run) -> Any:
    # (a list of what is known of each would look at each, and one may be gone by then)
    return engine.api.containers(all=True, filters={"label": f"espalier.run={run.id}"})


def test_a_command(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(command="echo out; echo err >&2; echo kept > outputs/a; exit 3")
    details = wait(run)
    assert (details["status"], details["exitCode"]) == ("Failed", 3)
    assert log_of(run) == "out\nerr\n"
    assert Path(run.run_dir, "outputs", "a").read_text() == "kept\n"
    until(lambda: containers_of(engine, run) == [])


def test_what_is_written_down(submit: Callable[..., Run], tmp_path: Path) -> None:
    run = submit(command="true")
    details = wait(run)
    spec = details["runDefinition"]
    assert (details["status"], spec["target"]) == ("Completed", "docker")
    asked = spec["environment"]
    assert (asked["how"], asked["name"], asked["version"]) == ("image", "base", "1")
    assert asked["definition_digest"].startswith("sha256:")
    made = json.loads(Path(RunPaths(run.run_dir).environment_record).read_text())
    assert made["image"].startswith("sha256:") and made["found"] in ("built", "local")
    again = submit(command="true")
    assert wait(again)["status"] == "Completed"
    known = json.loads(Path(RunPaths(again.run_dir).environment_record).read_text())
    assert (known["image"], known["key"]) == (made["image"], made["key"])
    assert not os.path.exists(RunPaths(again.run_dir).build_log), "nothing was to be done"
    assert again.get_details()["runDefinition"]["reuse_key"] == spec["reuse_key"]


def test_python_finds_the_core(submit: Callable[..., Run], tmp_path: Path) -> None:
    script = "from espalier import Run\nrun = Run.get_context()\nrun.log('a', 1.5)\nprint('logged', flush=True)\n"
    (tmp_path / "project" / "train.py").write_text(script)
    run = submit(entry_script="train.py")
    assert wait(run)["status"] == "Completed", log_of(run)
    assert run.get_metrics() == {"a": 1.5}


def test_packages_of_the_environment_are_found(submit: Callable[..., Run], base_image: str, cran: Any, tmp_path: Path) -> None:
    (tmp_path / "project" / "train.R").write_text("stopifnot(nzchar(linking::linking()))\n")
    r = {"cran": [{"name": "linking"}], "repositories": {"CRAN": cran.url}}
    environment = {"name": "packages", "r": r, "docker": {"base_image": base_image}}
    details = wait(run := submit(entry_script="train.R", environment=environment))
    assert details["status"] == "Completed", log_of(run)


def test_what_it_sees(submit: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its run's folder, what it reads, and what was declared; the variables of the list."""
    declared, other = tmp_path / "declared", tmp_path / "other"
    for folder in (declared, other):
        folder.mkdir()
        (folder / "file").write_text("text")
    big = tmp_path / "big"
    big.mkdir()
    (big / "file").write_text("big")
    os.symlink(other, big / "link")  # so that it is read where it lies
    monkeypatch.setenv("OTHER_THING", "secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/host/lib")
    script = f"""
    cat {declared}/file || exit 1
    cat "$ESPALIER_INPUT_BIG/file" || exit 2
    test ! -e {other} || exit 3
    test ! -e /var/run/docker.sock || exit 4
    if touch {declared}/new 2>/dev/null; then exit 5; fi
    if touch "$ESPALIER_INPUT_BIG/new" 2>/dev/null; then exit 6; fi
    if touch "$ESPALIER_RUN_DIR/.job/new" 2>/dev/null; then exit 7; fi
    test -z "$OTHER_THING" || exit 8
    test -z "$LD_LIBRARY_PATH" || exit 9
    test "$MINE" = "a b" || exit 10
    touch "$HOME/new" || exit 11
    test "$PWD" = "$ESPALIER_WORK_DIR" || exit 12
    test "$OMP_NUM_THREADS" = 1 || exit 13
    grep -q NoNewPrivs:.1 /proc/self/status || exit 14
    grep -q 'CapEff:.0000000000000000' /proc/self/status || exit 15
    test "$(cat /proc/1/comm)" != sh || exit 16
    case "$(mktemp)" in "$TMPDIR"/*) ;; *) exit 17 ;; esac
    case "$TMPDIR $PWD" in *"$ESPALIER_RUN_DIR"*) exit 18 ;; esac
    test ! -e "$PWD/../run.json" || exit 19
    """
    run = submit(
        command=script,
        inputs={"big": str(big)},
        docker={"network": "none", "mounts": [str(declared)]},
        environment_variables={"MINE": "a b"},
    )
    details = wait(run)
    assert (details["status"], details["exitCode"]) == ("Completed", 0), log_of(run)


def test_never_the_engines_socket(submit: Callable[..., Run], engine: Any, tmp_path: Path) -> None:
    """Neither at submit, nor when what is mounted becomes the socket's folder while the run waits."""
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")[len("unix://") :]
    for mounts in ({"/": "/host"}, [os.path.dirname(socket)], [socket], ["/:/host"]):
        with pytest.raises(EspalierError) as caught:
            submit(command="true", docker={"network": "none", "mounts": mounts})
        assert caught.value.code == "bad_argument"
    (tmp_path / "data").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data", target_is_directory=True)
    first = submit(command="until test -e outputs/go; do sleep 0.05; done")
    run = submit(
        command="test -e /data/a || touch outputs/seen",
        docker={"network": "none", "mounts": {str(link): "/data"}},
        depends_on=[first.id],
    )
    link.unlink()
    link.symlink_to(os.path.dirname(socket), target_is_directory=True)
    until(lambda: first.get_status() == "Running")
    until(lambda: (copy_of(first) / "outputs").is_dir())
    (copy_of(first) / "outputs" / "go").touch()
    details = wait(run)
    assert details["error"]["code"] == "prepare_failed" and "Can't mount" in details["error"]["message"]
    assert not containers_of(engine, run)


@pytest.mark.parametrize("keep", [False, True])
def test_its_working_copy(submit: Callable[..., Run], tmp_path: Path, keep: bool) -> None:
    """It looks like the project it is a copy of, and what is written anywhere in it is kept."""
    project = tmp_path / "project"
    (project / "sub").mkdir()
    (project / "sub" / "data").write_text("old\n")
    for command in (["init"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "a"]):
        subprocess.run(["git", *command], cwd=project, check=True, capture_output=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True).stdout
    script = "ls -A ..; cat ../.git/HEAD; echo a > ../top; mkdir deep; echo b > deep/file; echo new > data; cd outputs; echo c > a; echo d > ../logs/b"
    run = submit(command=script, source_directory=str(project / "sub"), keep_workdir=keep)
    assert wait(run)["status"] == "Completed", log_of(run)
    assert log_of(run) == ".git\n.here\nsub\n" + head
    names = ["logs/b", "outputs/a", "workdir/sub/data", "workdir/sub/deep/file", "workdir/top"]
    assert [name for name in run.get_file_names() if name.partition("/")[0] in ("logs", "outputs", "workdir")] == names
    assert Path(run.run_dir, "workdir", "sub", "data").read_text() == "new\n"
    until(lambda: not copy_of(run).parent.exists())
    assert Path(run.run_dir, "work", "sub", "deep", "file").exists() == keep


def test_files_belong_to_who_submits(submit: Callable[..., Run]) -> None:
    run = submit(command="id -u; id -g; echo a > outputs/a", docker={"network": "none", "user": "1234:4321"})
    # (root's folder takes no files of others: that they are somebody else's is seen by the refusal)
    details = wait(run)
    assert details["status"] == "Failed" and log_of(run).startswith("1234\n4321\n")
    run = submit(command="id -u; id -g; echo a > outputs/a")
    assert wait(run)["status"] == "Completed"
    seen = os.stat(os.path.join(run.run_dir, "outputs", "a"))
    assert (seen.st_uid, seen.st_gid) == (os.getuid(), os.getgid())


def test_its_output_is_whole_and_live(submit: Callable[..., Run]) -> None:
    run = submit(command="printf 'caf\\351 '; seq 1 200000; until test -e outputs/go; do sleep 0.05; done; printf end")
    log = RunPaths(run.run_dir).log
    until(lambda: os.path.exists(log) and Path(log).read_bytes().endswith(b"200000\n"))
    (copy_of(run) / "outputs" / "go").touch()
    assert wait(run)["status"] == "Completed"
    expected = b"caf\xe9 " + b"".join(b"%d\n" % i for i in range(1, 200001)) + b"end"
    assert Path(log).read_bytes() == expected


def test_out_of_memory_is_told_apart_from_a_kill(submit: Callable[..., Run]) -> None:
    hungry = "python3 -c 'x = bytearray(300 << 20); print(len(x))'"
    details = wait(submit(command=hungry, memory="64 MB"))
    assert (details["status"], details["error"]["code"]) == ("Failed", "job_out_of_memory")
    assert wait(submit(command=hungry, memory="600 MB"))["status"] == "Completed"
    details = wait(submit(command="kill -9 $$"))
    assert (details["status"], details["error"]["code"]) == ("Failed", "job_killed")


def test_cancel(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(command="trap 'echo told; exit 7' TERM; echo ready; while true; do sleep 0.1; done")
    until(lambda: os.path.exists(RunPaths(run.run_dir).log) and "ready" in log_of(run))
    run.cancel()
    details = wait(run)
    assert (details["status"], details["exitCode"]) == ("Canceled", 7)
    assert log_of(run) == "ready\ntold\n"
    until(lambda: containers_of(engine, run) == [])


R_CLEANS_UP = """
.Last <- function() cat("last\\n")
f <- function() { on.exit(cat("on.exit\\n")); tryCatch({ cat("ready\\n"); WAIT }, finally = { Sys.sleep(1); cat("finally\\n") }) }
f()
"""


@pytest.mark.parametrize("wait_in_r", ["Sys.sleep(60)", "system('sleep 60'); Sys.sleep(60)"])
@pytest.mark.parametrize("command", [None, "Rscript a.R; echo on"])
@pytest.mark.parametrize("limit", [None, 4])
def test_r_cleans_up(submit: Callable[..., Run], tmp_path: Path, wait_in_r: str, command: Any, limit: Any) -> None:
    (tmp_path / "project" / "a.R").write_text(R_CLEANS_UP.replace("WAIT", wait_in_r))
    what = {"entry_script": "a.R"} if command is None else {"command": command, "source_directory": str(tmp_path / "project")}
    run = submit(**what, max_run_duration_seconds=limit)
    until(lambda: os.path.exists(RunPaths(run.run_dir).log) and "ready" in log_of(run))
    if limit is None:
        run.cancel()
    assert wait(run)["status"] == "Canceled"
    seen = log_of(run).split()
    assert seen[:3] == ["ready", "finally", "on.exit"] and ("last" in seen or command is not None)


def test_one_deaf_to_term_is_killed(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(command="trap '' TERM; echo ready; while true; do sleep 1; done")
    until(lambda: os.path.exists(RunPaths(run.run_dir).log) and "ready" in log_of(run))
    run.cancel()
    assert wait(run)["status"] == "Canceled"
    until(lambda: containers_of(engine, run) == [])


def test_time_limit(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(command="sleep 60", max_run_duration_seconds=1)
    details = wait(run)
    assert (details["status"], details["error"]["code"]) == ("Canceled", "timed_out")
    until(lambda: containers_of(engine, run) == [])


def test_what_it_used(submit: Callable[..., Run]) -> None:
    burn = "import time\nx = bytearray(100 << 20)\nwhile time.process_time() < 1.5: pass\n"
    run = submit(command=["python3", "-c", burn])
    details = wait(run)
    assert details["status"] == "Completed"
    assert 1.0 < details["usage"]["cpu_seconds"] < 3.0
    assert 100 << 20 < details["usage"]["max_memory_bytes"] < 300 << 20
    assert len(run.get_usage().columns["seconds"]) >= 1


def test_no_such_program(submit: Callable[..., Run]) -> None:
    details = wait(submit(command=["no-such-program"]))
    assert (details["status"], details["exitCode"]) == ("Failed", 127)
    assert "no-such-program" in details["error"]["log_tail"][-1]


def test_no_such_network(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(command="true", docker={"network": "nowhere"})
    details = wait(run)
    assert details["status"] == "Failed" and "nowhere" in details["error"]["message"]
    until(lambda: containers_of(engine, run) == [])


def test_an_image_that_does_not_exist(submit: Callable[..., Run]) -> None:
    missing = {"name": "none", "docker": {"base_image": "localhost:1/no/such:image"}}
    details = wait(submit(command="true", environment=missing))
    assert (details["status"], details["error"]["code"]) == ("Failed", "prepare_failed")
    assert details["error"]["class"][0] in ("espalier_error_image_missing", "espalier_error_registry_failed")


def test_an_image_that_was_deleted_is_made_anew(submit: Callable[..., Run], engine: Any) -> None:
    first = submit(command="true")
    assert wait(first)["status"] == "Completed"
    made = json.loads(Path(RunPaths(first.run_dir).environment_record).read_text())
    engine.images.remove(made["tag"], force=True)
    again = submit(command="echo there")
    assert wait(again)["status"] == "Completed", wait(again)["error"]
    assert log_of(again) == "there\n"
