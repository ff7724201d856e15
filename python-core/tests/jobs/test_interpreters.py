"""Which Python runs a Python script: the user's, by one rule."""

import os
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import Experiment, ScriptRunConfig
from espalier.base.config import Session
from espalier.jobs.surroundings import Interpreter, python_for_scripts, python_record

OWN = "/espaliers/own/bin/python"


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], str]:
    def make(name: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_the_order(tmp_path: Path, python: Callable[[str], str]) -> None:
    found: List[str] = []

    def choice(session: Session) -> str:
        return python_for_scripts(session, str(tmp_path / "source"), str(tmp_path / "bin"), OWN).path

    variables: Any = {}
    session = Session(rscript="/Rscript", environment=variables)
    assert choice(session) == OWN
    found.append(python("bin/python"))
    assert choice(session) == found[-1]
    found.append(python("bin/python3"))
    assert choice(session) == found[-1]
    found.append(python("source/.venv/bin/python"))
    assert choice(session) == found[-1]
    found.append(python("conda/bin/python"))
    variables["CONDA_PREFIX"] = str(tmp_path / "conda")
    assert choice(session) == found[-1]
    found.append(python("active/bin/python"))
    variables["VIRTUAL_ENV"] = str(tmp_path / "active")
    assert choice(session) == found[-1]
    found.append(python("chosen/python"))
    session = Session(rscript="/Rscript", environment=variables, reticulate=found[-1])
    assert choice(session) == found[-1]
    found.append(python("named/python"))
    variables["RETICULATE_PYTHON"] = found[-1]
    assert choice(session) == found[-1]
    assert choice(Session(rscript="/Rscript", environment=variables, python="/asked")) == "/asked"
    python("venv/bin/python")
    folder = str(tmp_path / "venv")
    assert choice(Session(rscript="/Rscript", environment=variables, python=folder)) == f"{folder}/bin/python"
    for useless in ("managed", "", str(tmp_path), "/no/such"):
        variables["RETICULATE_PYTHON"] = useless
        assert choice(session) == found[-2]


def test_the_private_environment_serves_only_where_there_is_no_other(tmp_path: Path, python: Callable[[str], str]) -> None:
    python("py/py3.11-x/bin/python3")
    (tmp_path / "py" / "py3.11-x" / ".ok").touch()
    private = str(tmp_path / "py" / "py3.11-x" / "bin")
    session = Session(rscript="/Rscript", environment={})
    choice = python_for_scripts(session, None, private, OWN)
    assert choice.path == OWN
    assert choice.notes == [
        f"The PATH has no Python. Python scripts run on espalier's own, {OWN}, which has few packages."
    ]
    other = python("bin/python3")
    assert python_for_scripts(session, None, f"{private}:{tmp_path}/bin", OWN) == (other, [])


def test_plain_python_runs_its_scripts_on_itself(
    experiment: Experiment, project: Path, ended: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETICULATE_PYTHON", "/no/such")
    (project / "a.py").write_text("import sys; print(sys.executable)")
    run = experiment.submit(ScriptRunConfig(str(project), entry_script="a.py"))
    assert ended(run)["status"] == "Completed"
    assert Path(run.run_dir, "user_logs", "std_log.txt").read_text().strip() == os.path.normpath(sys.executable)


@pytest.mark.parametrize("imports", [False, True])
def test_behind_a_shim_the_interpreter_is_named_that_ran(
    imports: bool, experiment: Experiment, project: Path, tmp_path: Path, ended: Any
) -> None:
    """As pyenv's: a script that chooses an interpreter, also by a file of the project."""
    shim = tmp_path / "shims" / "python3"
    shim.parent.mkdir()
    shim.write_text('#!/bin/sh\nexec "$(cat .python-version)" "$@"\n')
    shim.chmod(0o755)
    real = os.path.normpath(sys.executable)
    (project / ".python-version").write_text(real)
    (project / "a.py").write_text("from espalier import Run\nRun.get_context().log('a', 1)\n" if imports else "x = 1\n")
    config = ScriptRunConfig(str(project), "a.py", session=Session(python=str(shim)))
    run = experiment.submit(config)
    details = ended(run)
    assert details["runDefinition"]["environment"]["python"] == {"interpreter": str(shim), "executable": real}
    assert details["runDefinition"]["command"][0] == str(shim), "started as by hand"
    assert [session["interpreter"] for session in details["provenance"]["sessions"]] == [real] * imports


def test_a_shim_that_answers_nothing_is_recorded_as_it_is(tmp_path: Path, python: Callable[[str], str]) -> None:
    shim = Interpreter(python("shims/python3"), [])
    assert python_record(shim, str(tmp_path), {"PATH": os.defpath}) == {"interpreter": shim.path}
    assert python_record(Interpreter(sys.executable, []), None, {}) == {"interpreter": sys.executable}
