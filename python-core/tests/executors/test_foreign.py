"""Executors of other packages that fail, hang, lie or disappear: their runs fail, with an error that names them; their
place in the queue is free, and others go on."""

import os
import shutil
import signal
import sys
import types
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.lifecycle.status import read_status
from espalier.queue.capacity import set_capacity
from espalier.queue.home import queue_paths
from espalier.testing.executor_contract import runner_of

HEAD = """
import os, time
from espalier.executors.contract import Capabilities, Executor, Reconciled
from espalier.executors.start import start_job

def start(job, run):
    return start_job(run, job.scratch.job, job.command(), job.variables())

class Bad(Executor):
    name = "bad"
    launch_seconds = 0.5
    def launch(self, job, run):
        return start(job, run)
"""
Register = Callable[[str, str], Path]
Bad = Callable[..., Path]
Ended = Callable[..., Dict[str, Any]]
Reach = Callable[..., None]


@pytest.fixture
def bad(register: Register) -> Bad:
    """An executor with further lines in its class."""

    def made(*lines: str) -> Path:
        (register("bad", "bad:Bad") / "bad.py").write_text(HEAD + "".join(f"    {line}\n" for line in lines))
        return Path("bad.py")

    return made


def submit_bad(experiment: Experiment, command: str = "true", **fields: Any) -> Run:
    return experiment.submit(ScriptRunConfig(command=command, compute_target="bad", **fields))


def failed(experiment: Experiment, ended: Ended, run: Run) -> str:
    """What the error of a run says, whose executor failed; another run has its place after it."""
    ended(run)
    status = read_status(RunPaths(run.run_dir))
    assert status.state == "Failed" and status.error is not None
    error = status.error
    assert any(name in ("espalier_error_executor_failed", "espalier_error_executor_missing") for name in error["class"])
    assert "'bad'" in error["message"]
    ended(experiment.submit(ScriptRunConfig(command="true")))
    return str(error["message"])


@pytest.mark.parametrize(
    "lines, said",
    [
        (["def check(self, config): raise ValueError('no')"], "its `check` raised ValueError: no"),
        (["def check(self, config): pass"], "its `check` returned None, not a list of texts"),
        (["def check(self, config): return 'text'"], "its `check` returned 'text', not a list of texts"),
        (["def check(self, config): return [1]"], "its `check` returned [1], not a list of texts"),
        (["def inherits(self, variables): return variables[1]"], "its `inherits` raised KeyError"),
        (["def inherits(self, variables): pass"], "its `inherits` returned None, not a dict of variables"),
        (["capabilities = 5"], "its `capabilities` are 5, not Capabilities"),
        (["launch_seconds = 'long'"], "its `launch_seconds` is 'long', not a number above 0"),
        (["name = 'other'"], "its `name` is 'other', and its entry point's 'bad'"),
        (["launch = Executor.launch"], "it has no method `launch`"),
        (["launch_seconds = 0"], "its `launch_seconds` is 0"),
        (["launch_seconds = None"], "its `launch_seconds` is None"),
        (["launch_seconds = float('nan')"], "its `launch_seconds` is nan"),
        (["launch_seconds = 1e9"], "its `launch_seconds` is 1000000000.0"),
        (["def __init__(self): 1 / 0"], "it can't be made, ZeroDivisionError"),
        (["def __init__(self): raise SystemExit(3)"], "it can't be made, SystemExit: 3"),
        (["raise SystemExit(3)"], "its module can't be imported, SystemExit: 3"),
    ],
)
def test_one_that_fails_at_submit(experiment: Experiment, bad: Bad, lines: "list[str]", said: str) -> None:
    bad(*lines)
    with pytest.raises(EspalierError) as caught:
        submit_bad(experiment)
    assert caught.value.code == "executor_failed" and said in caught.value.message and "'bad'" in caught.value.message
    assert experiment.get_runs() == []


@pytest.mark.parametrize(
    "lines, said",
    [
        (["def prepare(self, job): raise ValueError('no')"], "its `prepare` raised ValueError: no"),
        (["def prepare(self, job): return 5"], "its `prepare` returned 5"),
        (["def launch(self, job, run): raise ValueError('no')"], "its `launch` raised ValueError: no"),
        (["def launch(self, job, run): raise SystemExit(0)"], "its `launch` raised SystemExit"),
        (["def launch(self, job, run): time.sleep(600)"], "its `launch` took longer than 0.5 seconds"),
        (["def launch(self, job, run):", "    while True:", "        pass"], "its `launch` took longer than 0.5 seconds"),
        (["def launch(self, job, run): return 1"], "its `launch` returned 1, not a child process of the runner"),
        (["def launch(self, job, run): return None"], "its `launch` returned None, not a child process of the runner"),
        (["def outcome(self, run, ended): raise ValueError('no')"], "its `outcome` raised ValueError: no"),
        (["def outcome(self, run, ended): return 0"], "its `outcome` returned 0"),
        (["def outcome(self, run, ended): return ended._replace(exit_code=3)"], "it reports exit status 3"),
        (["def outcome(self, run, ended): return ended._replace(exit_code='0')"], "its `outcome` returned"),
        (["def outcome(self, run, ended): return ended._replace(cause=5)"], "its `outcome` returned"),
        (["def outcome(self, run, ended): return ended._replace(warnings=None)"], "its `outcome` returned"),
        (["def outcome(self, run, ended):", "    class Odd:", "        def __repr__(self): 1 / 0", "    return Odd()"], "its `outcome` returned a Odd, not"),
    ],
)
def test_one_that_fails_in_the_runner(
    experiment: Experiment, bad: Bad, ended: Ended, lines: "list[str]", said: str
) -> None:
    bad(*lines)
    assert said in failed(experiment, ended, submit_bad(experiment))


SWALLOWS = ("    while True:", "        try: time.sleep(600)", "        except: pass")


@pytest.mark.parametrize("may_outlive", [False, True])
def test_one_that_swallows_its_interruption(experiment: Experiment, bad: Bad, ended: Ended, may_outlive: bool) -> None:
    bad(f"capabilities = Capabilities(may_outlive={may_outlive})", "def launch(self, job, run):", *SWALLOWS)
    assert "its `launch` took longer than 0.5 seconds" in failed(experiment, ended, submit_bad(experiment))


@pytest.mark.parametrize("may_outlive", [False, True])
def test_so_it_does_before_its_job_starts(experiment: Experiment, bad: Bad, ended: Ended, may_outlive: bool) -> None:
    bad(f"capabilities = Capabilities(may_outlive={may_outlive})", "def prepare(self, job):", *SWALLOWS)
    run = submit_bad(experiment, prepare_timeout_seconds=0.1)
    assert "its `prepare` goes on when it is interrupted" in failed(experiment, ended, run)
    status = read_status(RunPaths(run.run_dir))
    assert status.error is not None and status.error["code"] == "prepare_failed" and status.runners == 1


def test_and_where_it_is_canceled(experiment: Experiment, bad: Bad, ended: Ended, reach: Reach, tmp_path: Path) -> None:
    bad("def prepare(self, job):", f"    open({str(tmp_path / 'begun')!r}, 'w').close()", *SWALLOWS)
    run = submit_bad(experiment)
    reach((tmp_path / "begun").exists)
    run.cancel()
    assert ended(run)["status"] == "Canceled"


def test_a_launch_is_canceled(experiment: Experiment, bad: Bad, ended: Ended, reach: Reach) -> None:
    bad("launch_seconds = 600", "def launch(self, job, run): time.sleep(600)")
    run = submit_bad(experiment)
    reach(run, "Running")
    run.cancel()
    assert ended(run)["status"] == "Canceled"


def test_a_launch_takes_no_longer_than_its_run_may(experiment: Experiment, bad: Bad, ended: Ended) -> None:
    bad("launch_seconds = 600", "def launch(self, job, run): time.sleep(600)")
    run = submit_bad(experiment, max_run_duration_seconds=1)
    assert "its `launch` took longer than 1 seconds" in failed(experiment, ended, run)


def test_what_it_had_started_is_ended(experiment: Experiment, bad: Bad, ended: Ended, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    bad("def launch(self, job, run):", "    start(job, run)", "    time.sleep(600)")
    run = submit_bad(experiment, f"sleep 600 > {tmp_path}/held")
    with open(tmp_path / "held", "rb") as held:
        assert "took longer" in failed(experiment, ended, run)
        assert held.read() == b"", "what it started has ended"


@pytest.mark.parametrize("act", ["prepare(self, job)", "launch(self, job, run)"])
def test_what_it_had_started_elsewhere_is_ended(
    experiment: Experiment, bad: Bad, ended: Ended, tmp_path: Path, act: str
) -> None:
    bad(
        "capabilities = Capabilities(may_outlive=True)",
        f"def {act}: raise ValueError('no')",
        f"def reconcile(self, run, status): open({str(tmp_path / 'asked')!r}, 'w').close(); return Reconciled()",
    )
    assert "raised ValueError" in failed(experiment, ended, submit_bad(experiment))
    assert (tmp_path / "asked").exists()


@pytest.mark.parametrize("act", ["prepare(self, job)", "launch(self, job, run)", "outcome(self, run, ended)"])
def test_the_error_of_a_run_holds_the_traceback(experiment: Experiment, bad: Bad, ended: Ended, act: str) -> None:
    bad(f"def {act}:", "    self.fail()", "def fail(self):", "    raise ValueError('no')")
    run = submit_bad(experiment)
    failed(experiment, ended, run)
    lines = run.get_traceback()
    assert lines[-1] == "ValueError: no" and lines[-2].strip() == "raise ValueError('no')" and "in fail" in lines[-3]
    assert not any("foreign.py" in line for line in lines)


def test_or_the_method_that_returned_what_it_must_not(experiment: Experiment, bad: Bad, ended: Ended) -> None:
    bad("def launch(self, job, run):", "    pass")
    run = submit_bad(experiment)
    failed(experiment, ended, run)
    place, what = run.get_traceback()
    assert place.endswith(", in launch") and "bad.py" in place
    assert what == "Its `launch` returned None, not a child process of the runner"


def test_its_errors_hide_the_secrets_of_the_job(experiment: Experiment, bad: Bad, ended: Ended) -> None:
    experiment.workspace.get_default_keyvault().set_secrets({"mine": "a secret of some length"})
    bad(
        "capabilities = Capabilities(secrets=True)",
        "def launch(self, job, run):",
        "    raise ValueError('a secret of ' + 'some length')",
    )
    run = submit_bad(experiment, secrets=["mine"])
    assert "raised ValueError: ***" in failed(experiment, ended, run)
    assert run.get_traceback()[-1] == "ValueError: ***"
    files = [path for path in Path(run.run_dir).rglob("*") if path.is_file()]
    assert not any(b"a secret of some length" in path.read_bytes() for path in files)


@pytest.mark.parametrize("act", ["prepare(self, job)", "launch(self, job, run)"])
def test_an_error_of_espaliers_kind_names_it(experiment: Experiment, bad: Bad, ended: Ended, act: str) -> None:
    bad(
        f"def {act}:",
        "    from espalier import EspalierError",
        "    raise EspalierError('not_supported', 'No daemon.', 'Start it.')",
    )
    run = submit_bad(experiment)
    ended(run)
    error = run.get_details()["error"]
    assert error["message"] == f"The executor 'bad' failed in `{act.split('(')[0]}`: No daemon. Start it."
    assert error["class"] == ["espalier_error_not_supported"]


def test_a_failing_measure_fails_nothing(experiment: Experiment, bad: Bad, ended: Ended) -> None:
    bad("capabilities = Capabilities(may_outlive=True)", "def measure(self, run): raise ValueError")
    run = submit_bad(experiment)
    assert ended(run)["status"] == "Completed"


@pytest.mark.parametrize(
    "lines, said",
    [
        (["    raise ValueError('no')"], "raised ValueError: no"),
        (["    return 5"], "returned 5, not a function or None"),
        (["    def wait(run): raise ValueError('no')", "    return wait"], "raised ValueError: no"),
    ],
)
def test_a_failing_release_is_a_warning_of_the_run(
    experiment: Experiment, bad: Bad, ended: Ended, lines: "list[str]", said: str
) -> None:
    bad("def release(self, run):", *lines)
    run = submit_bad(experiment)
    assert ended(run)["status"] == "Completed"
    warning = f"Can't use the executor 'bad' of another package: its `release` {said}."
    assert list(read_status(RunPaths(run.run_dir)).warnings) == [warning]
    if "def wait" not in lines[0]:  # (a log that is empty at the end goes with it)
        assert f"its `release` {said}." in Path(RunPaths(run.run_dir).runner_log).read_text()


def test_a_failing_meter_ends_no_job(experiment: Experiment, bad: Bad, ended: Ended) -> None:
    bad("def measure(self, run):", "    from espalier.executors.meter import Meter", "    class Mine(Meter):", "        def sample(self, now): raise ValueError", "    return Mine")
    run = submit_bad(experiment, "sleep 1.2")
    assert ended(run)["status"] == "Completed"


@pytest.mark.parametrize(
    "act, said",
    [
        ("raise ValueError('no')", "its `reconcile` raised ValueError: no"),
        ("raise KeyboardInterrupt", "its `reconcile` raised KeyboardInterrupt"),
        ("return 0", "its `reconcile` returned 0"),
        ("return Reconciled(exit_code=1 << 99)", "exit_code=6338"),
        ("return Reconciled(exit_code=0, ended_at='2026-01-01')", "ended_at='2026-01-01'"),
        ("return Reconciled(exit_code=0, ended_at=float('nan'))", "ended_at=nan"),
        ("return Reconciled(cause='no')", "cause='no'"),
        ("return Reconciled(cause=('lost', ''))", "cause=('lost', '')"),
        ("return Reconciled(hint=None)", "hint=None"),
        ("os._exit(3)", "its `reconcile` ended the process that asked it, 3 times."),
    ],
)
def test_one_that_can_not_reconcile(
    experiment: Experiment, bad: Bad, ended: Ended, reach: Reach, act: str, said: str
) -> None:
    bad("capabilities = Capabilities(may_outlive=True)", f"def reconcile(self, run, status): {act}")
    run = submit_bad(experiment, "sleep 600")
    reach(run, "Running")
    for pid in runner_of(run):
        os.kill(pid, signal.SIGKILL)
    assert said in failed(experiment, ended, run)


def test_one_that_has_disappeared_when_its_run_is_reconciled(
    experiment: Experiment, bad: Bad, ended: Ended, reach: Reach, site: Path
) -> None:
    bad("capabilities = Capabilities(may_outlive=True)")
    run = submit_bad(experiment, "sleep 600")
    reach(run, "Running")
    (site / "bad.py").unlink()
    for pid in runner_of(run):
        os.kill(pid, signal.SIGKILL)
    assert f"Can't find the executor 'bad' in {site}" in failed(experiment, ended, run)


class Waiting(NamedTuple):
    """A run that waits for its turn, and what has the place."""

    run: Run
    before: Run

    def fails(self, ended: Ended) -> "dict[str, Any]":
        """Its turn comes; returns its error."""
        self.before.cancel()
        ended(self.run)
        error = dict(read_status(RunPaths(self.run.run_dir)).error or {})
        return error


@pytest.fixture
def waiting(experiment: Experiment, bad: Bad, reach: Reach) -> Waiting:
    bad()
    set_capacity(queue_paths(), cpus=1)
    before = experiment.submit(ScriptRunConfig(command="sleep 600"))
    run = submit_bad(experiment)
    reach(before, "Running")
    assert run.get_status() == "Queued"
    return Waiting(run, before)


def test_one_that_disappears_before_the_run_starts(waiting: Waiting, ended: Ended, site: Path) -> None:
    (site / "bad.py").unlink()
    error = waiting.fails(ended)
    assert error["class"] == ["espalier_error_executor_missing"]
    assert error["message"].startswith(f"Can't find the executor 'bad' in {site}, where it was at submit.")


def test_one_whose_folder_disappears(waiting: Waiting, ended: Ended, site: Path) -> None:
    shutil.rmtree(site)
    error = waiting.fails(ended)
    assert error["class"] == ["espalier_error_executor_missing"]
    assert error["message"].startswith(f"Can't find the executor 'bad' on this machine, which was in {site}")


def test_one_that_others_can_change_is_not_executed(waiting: Waiting, ended: Ended, site: Path) -> None:
    (site / "bad.py").chmod(0o666)
    assert waiting.fails(ended)["class"] == ["espalier_error_writable_by_others"]


def test_one_that_others_can_change_is_refused_at_submit(experiment: Experiment, bad: Bad, site: Path) -> None:
    bad()
    (site / "bad.py").chmod(0o666)
    with pytest.raises(EspalierError) as caught:
        submit_bad(experiment)
    assert caught.value.code == "writable_by_others"


@pytest.mark.parametrize("what", ["a helper", "bytecode", "a link", "a link to a package", "too many"])
def test_no_file_of_its_package_can_be_changed_by_others(
    experiment: Experiment, register: Register, tmp_path: Path, what: str
) -> None:
    package = register("bad", "bad.main:Bad") / "bad"
    (package / "__pycache__").mkdir(mode=0o755, parents=True)
    package.chmod(0o755)
    for name, text in (("__init__.py", ""), ("main.py", HEAD), ("helper.py", ""), ("__pycache__/helper.pyc", "")):
        (package / name).write_text(text)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if what == "a helper":
        (package / "helper.py").chmod(0o666)
    elif what == "bytecode":
        (package / "__pycache__" / "helper.pyc").chmod(0o666)
    elif what == "a link":
        (package / "main.py").rename(elsewhere / "main.py").chmod(0o666)
        (package / "main.py").symlink_to(elsewhere / "main.py")
    elif what == "a link to a package":
        package.rename(elsewhere / "bad")
        package.symlink_to(elsewhere / "bad")
        elsewhere.chmod(0o777)
    else:
        for number in range(2001):
            os.mkfifo(package / str(number))
    with pytest.raises(EspalierError) as caught:
        experiment.submit(ScriptRunConfig(command="true", compute_target="bad"))
    assert caught.value.code == "writable_by_others"


def test_bytecode_of_a_module_in_no_package(experiment: Experiment, bad: Bad, site: Path) -> None:
    bad()
    (site / "__pycache__").mkdir(mode=0o755)
    (site / "__pycache__" / "bad.cpython-311.pyc").touch()
    (site / "__pycache__" / "bad.cpython-311.pyc").chmod(0o666)
    with pytest.raises(EspalierError) as caught:
        submit_bad(experiment)
    assert caught.value.code == "writable_by_others"


def test_a_run_names_where_the_code_is(experiment: Experiment, bad: Bad, ended: Ended, site: Path) -> None:
    bad()
    run = submit_bad(experiment)
    spec = read_as(JobSpec, RunPaths(run.run_dir).spec)
    assert spec.target == "bad" and spec.executor is not None
    assert (spec.executor.object, spec.executor.folder) == ("bad:Bad", str(site))
    assert ended(run)["status"] == "Completed"


def test_a_changed_place_is_not_executed(waiting: Waiting, ended: Ended, site: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(site, other)
    (other / "bad.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    path = Path(RunPaths(waiting.run.run_dir).spec)
    path.write_text(path.read_text().replace(str(site), str(other)))
    assert waiting.fails(ended)["class"] == ["espalier_error_record_changed"]
    assert not (tmp_path / "executed").exists()


def test_names_that_there_are_not(experiment: Experiment, far: None) -> None:
    with pytest.raises(EspalierError) as caught:
        experiment.submit(ScriptRunConfig(command="true", compute_target="fat"))
    assert caught.value.code == "not_supported"
    assert str(caught.value) == (
        "Can't find the compute target 'fat'.\n"
        'Use "local" or "docker" or "far", or install the package that provides it.'
    )


def test_a_built_in_one_is_not_replaced(experiment: Experiment, register: Register, ended: Ended) -> None:
    register("local", "nowhere:Nothing")
    run = experiment.submit(ScriptRunConfig(command="true"))
    assert ended(run)["status"] == "Completed"


def test_the_working_directory_is_no_place_for_packages(
    experiment: Experiment, bad: Bad, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad()
    monkeypatch.setattr(sys, "path", ["", *(folder for folder in sys.path if folder != str(site))])
    monkeypatch.chdir(site)
    with pytest.raises(EspalierError) as caught:
        submit_bad(experiment)
    assert caught.value.code == "not_supported"


def test_a_module_of_the_project_is_not_taken_for_that_of_the_package(
    experiment: Experiment, bad: Bad, ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad()
    project = tmp_path / "project"
    project.mkdir()
    (project / "bad.py").write_text("raise SystemExit('code of the project')")
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", ["", str(project), *sys.path])
    assert ended(submit_bad(experiment))["status"] == "Completed"


@pytest.mark.parametrize("way", ["cwd", "script"])
def test_a_distribution_in_the_project_is_not_believed(
    experiment: Experiment, bad: Bad, site: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    bad()
    if way == "cwd":
        monkeypatch.chdir(site)
    else:
        script = types.ModuleType("__main__")
        script.__file__ = str(site / "script.py")
        monkeypatch.setitem(sys.modules, "__main__", script)
    with pytest.raises(EspalierError) as caught:
        submit_bad(experiment)
    assert caught.value.code == "not_supported"


def test_one_that_is_installed_as_editable(
    experiment: Experiment, bad: Bad, ended: Ended, site: Path, tmp_path: Path
) -> None:
    bad()
    source = tmp_path / "source"
    source.mkdir(mode=0o755)
    (site / "bad.py").rename(source / "bad.py")
    (site / "bad.pth").write_text(f"{source}\n")
    (site / "bad-1.0.dist-info" / "RECORD").write_text("bad.pth,,\n")
    assert ended(submit_bad(experiment))["status"] == "Completed"


@pytest.mark.parametrize("text", [b"[console_scripts]\nx = \xff\xfe\n", b"[console_scripts]\nx\n[x\n"])
def test_a_broken_distribution_hides_no_other(experiment: Experiment, bad: Bad, ended: Ended, site: Path, text: bytes) -> None:
    bad()
    broken = site / "abroken-1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Name: abroken\n")
    (broken / "entry_points.txt").write_bytes(text)
    assert ended(submit_bad(experiment))["status"] == "Completed"


def test_docker_options_are_for_docker() -> None:
    with pytest.raises(EspalierError) as caught:
        ScriptRunConfig(command="true", compute_target="far", docker=True, environment={"name": "e"})
    assert caught.value.code == "bad_argument" and "'far'" in caught.value.message
