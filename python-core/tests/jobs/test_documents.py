import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier.api.experiment import Experiment
from espalier.base.config import ScriptRunConfig, Session
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode
from espalier.base.model.job import Input, JobEnvironment, JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.model.words import literal
from espalier.base.scripts import language_of
from espalier.jobs.documents import other_command, refuse_missing_tools
from espalier.jobs.program import program, quarto_words, script_words


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    def write(name: str, text: str = "x\n", mode: int = 0o644) -> str:
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
        return str(tmp_path)

    return write


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.R", "r"), ("a.r", "r"), ("a.Rscript", "r"), ("a.RMD", "r"), ("a.rmarkdown", "r"), ("a.py", "python"), ("a.ipynb", "python"), ("a.qmd", "other"), ("a.sh", "other"), (None, "other")],
)
def test_language(name: Any, language: str) -> None:
    assert language_of(name) == language


@pytest.mark.parametrize(
    ("name", "text", "mode", "command"),
    [
        ("a.sh", "echo x\n", 0o644, ["/bin/sh", "a.sh"]),
        ("a.SH", "echo x\n", 0o644, ["/bin/sh", "a.SH"]),
        ("-a.sh", "echo x\n", 0o644, ["/bin/sh", "./-a.sh"]),
        ("a.sh", "#!/bin/bash -eu\n", 0o644, ["/bin/bash", "-eu", "./a.sh"]),
        ("a.sh", "#!/bin/bash\n", 0o755, ["./a.sh"]),
        ("a.pl", "#!/usr/bin/env -S perl -w\n", 0o644, ["/usr/bin/env", "-S perl -w", "./a.pl"]),
        ("tool", "#!/bin/sh\n", 0o755, ["./tool"]),
    ],
)
def test_scripts_of_other_languages(script: Any, name: str, text: str, mode: int, command: Any) -> None:
    found = other_command(script(name, text, mode), name, os.defpath)
    assert shown_command(JobSpec(command=tuple(found))) == command and encode(found)[-1] == {"script": command[-1]}


@pytest.mark.parametrize(
    ("name", "text", "mode", "found"),
    [
        ("tool", "x\n", 0o644, "a file without ending"),
        ("tool", "x\n", 0o755, "a file without ending"),
        ("tool", "#!/bin/sh\n", 0o644, "chmod +x tool"),
        ("notes.txt", "x\n", 0o755, r'command = c("<program>", "notes.txt")'),
        ("model.sas", "x\n", 0o644, ".sas"),
    ],
)
def test_what_nothing_can_execute_is_refused(script: Any, name: str, text: str, mode: int, found: str) -> None:
    with pytest.raises(EspalierError) as caught:
        other_command(script(name, text, mode), name, os.defpath)
    assert caught.value.code == "script_missing" and found in str(caught.value) and name in caught.value.message


def test_a_missing_interpreter_is_named(script: Any) -> None:
    with pytest.raises(EspalierError, match="julia was not found") as caught:
        other_command(script("a.jl"), "a.jl", "/nowhere")
    assert caught.value.code == "interpreter_missing"
    assert other_command(script("a.jl"), "a.jl", None)[0] == literal("julia")  # (a container has its own)


def test_submit_refuses_before_anything_is_written(experiment: Experiment, project: Path) -> None:
    (project / "odd.xyz").write_text("x")
    with pytest.raises(EspalierError) as caught:
        experiment.submit(ScriptRunConfig(str(project), "odd.xyz"))
    assert caught.value.code == "script_missing"


def test_programs_of_documents() -> None:
    environment = JobEnvironment(r={"rscript": "/bin/true"}, python={"interpreter": sys.executable})
    r = program(ScriptRunConfig(".", "a.Rmd"), [], os.defpath, environment)
    start, option, code, document = encode(r.command)
    assert (start, option, document) == ({"interpreter": "r"}, "-e", {"script": "a.Rmd"}) and "render.R" in code
    notebook = program(ScriptRunConfig(".", "a.ipynb", script_params={"x": 1}), [], os.defpath, environment)
    assert encode(notebook.command)[1:4] == ["-m", "espalier.runner.notebook", {"script": "a.ipynb"}]
    inputs = [Input("data", "/d")]
    config = ScriptRunConfig(".", "a.qmd", arguments=["--to", "pdf"], script_params={"x": 1})
    quarto = program(config, inputs, os.defpath, environment)
    shown = shown_command(JobSpec(entry_script="a.qmd", command=tuple(quarto.command), params=quarto.params, inputs=tuple(inputs)))
    assert shown[3:] == ["sh", "a.qmd", "--to", "pdf", "-P", "x:1", "--data", "/d"]
    assert quarto.params == {"x": {"kind": "integer", "value": 1}}


def test_parameters_of_quarto() -> None:
    params = {"n": 3, "lr": 1e-5, "flag": True, "alone": None, "name": "it's", "sizes": [1, 2], "--old": False}
    record = script_words(params, "a.qmd")[1]
    assert shown_command(JobSpec(entry_script="a.qmd", command=tuple(quarto_words(record)), params=record))[1::2] == [
        "n:3", "lr:1e-05", "flag:true", "alone:true", "name:it's", "sizes:[1, 2]", "old:false",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "variables", "found"),
    [
        ("a.Rmd", {"PATH": "/nowhere"}, "without pandoc"),
        ("a.Rmd", {"PATH": "/nowhere", "R_LIBS": "/none"}, "rmarkdown"),
        ("a.qmd", {"PATH": "/nowhere"}, "without quarto"),
        ("a.ipynb", {"PATH": "/nowhere"}, "-m pip install nbclient ipykernel"),
    ],
)
def test_missing_tools_are_named(tmp_path: Path, name: str, variables: Dict[str, str], found: str) -> None:
    (tmp_path / "lib" / "rmarkdown").mkdir(parents=True)
    session = Session(library_paths=[str(tmp_path / ("none" if "R_LIBS" in variables else "lib"))])
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(EspalierError) as caught:
        refuse_missing_tools(name, session, str(python), variables)
    assert caught.value.code == "interpreter_missing" and found in str(caught.value)
    (tmp_path / "pandoc").touch(0o755)
    refuse_missing_tools("a.Rmd", Session(library_paths=[str(tmp_path / "lib")]), "", {"RSTUDIO_PANDOC": str(tmp_path)})


@pytest.mark.parametrize("status", [0, 3])
def test_quarto_is_called_by_its_own_conventions(
    experiment: Experiment, project: Path, ended: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """There is no quarto here: a program stands for it that writes down its arguments beside the document."""
    quarto = project.parent / "quarto"
    quarto.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > docs/report.html\nexit {status}\n')
    quarto.chmod(0o755)
    monkeypatch.setenv("QUARTO_PATH", str(quarto))
    (project / "docs").mkdir()
    (project / "docs" / "report.qmd").write_text("---\nparams:\n  data: none\n  x: 1\n---\n")
    (project / "data file.csv").write_text("")
    inputs = {"data": str(project / "data file.csv"), "other": str(project / "data file.csv")}
    run = experiment.submit(ScriptRunConfig(str(project), "docs/report.qmd", script_params={"x": -0.5}, inputs=inputs))
    details = ended(run)
    assert details["status"] == ("Failed" if status else "Completed")
    if not status:
        lines = Path(run._paths.outputs, "report.html").read_text().splitlines()
        assert lines[:4] == ["render", "docs/report.qmd", "-P", "x:-0.5"] and lines[4] == "-P"
        assert lines[5].startswith("data:/") and len(lines) == 6


def notebook_python() -> str:
    """A Python that has nbclient and ipykernel."""
    python = os.environ.get("ESPALIER_TEST_NOTEBOOK_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import nbclient, ipykernel"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no Python with nbclient and ipykernel; name one in ESPALIER_TEST_NOTEBOOK_PYTHON")
    return python


NOTEBOOK = """{"cells": [
 {"cell_type": "markdown", "metadata": {}, "source": ["# Title"]},
 {"cell_type": "code", "execution_count": null, "metadata": {"tags": ["parameters"]}, "outputs": [], "source": ["alpha = 0.5"]},
 {"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [],
  "source": ["from espalier import Run\\n", "Run.get_context().log('alpha', alpha)\\n", "print('printed', alpha)"]},
 {"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": ["1 / alpha"]}],
 "metadata": {"kernelspec": {"name": "a-kernel-of-elsewhere", "display_name": "x", "language": "python"}},
 "nbformat": 4, "nbformat_minor": 5}"""


@pytest.mark.parametrize(("alpha", "status"), [(0.25, "Completed"), (0, "Failed")])
def test_a_notebook_is_executed(experiment: Experiment, project: Path, ended: Any, alpha: float, status: str) -> None:
    session = Session(python=notebook_python())
    (project / "train.ipynb").write_text(NOTEBOOK)
    run = experiment.submit(ScriptRunConfig(str(project), "train.ipynb", script_params={"alpha": alpha}, session=session))
    details = ended(run, 60.0)
    assert details["status"] == status
    assert run.get_metrics()["alpha"] == alpha
    executed = Path(run._paths.outputs, "train.ipynb").read_text()
    assert f"alpha = {alpha}" in executed and f"printed {alpha}" in executed
    if status == "Failed":
        assert details["error"]["message"].startswith("CellError: Cell 3 of train.ipynb failed: ZeroDivisionError")
