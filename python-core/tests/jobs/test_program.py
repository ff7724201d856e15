import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Sequence

import pytest
from espalier.base.config import ScriptRunConfig, Session
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode
from espalier.base.model.job import Input, JobEnvironment, JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.scripts import language_of
from espalier.jobs.program import checked_script, program

SHELL = "/bin/sh"


def made(inputs: Sequence[Input] = (), environment: JobEnvironment = JobEnvironment(), **fields: Any) -> Any:
    what = program(ScriptRunConfig(**fields), inputs, os.defpath, environment)
    spec = JobSpec(
        entry_script=fields.get("entry_script"), command=tuple(what.command), params=what.params, inputs=tuple(inputs),
        environment=environment,
    )  # fmt: skip
    return SimpleNamespace(
        kind=what.kind, command=shown_command(spec), arguments=shown_command(spec, what.arguments), words=encode(what.command)
    )


def test_command_list_is_executed_as_it_is() -> None:
    what = made(command=[SHELL, "-c", "echo $(id)"], arguments=["a b"], script_params={"x": 1})
    assert what.command == [SHELL, "-c", "echo $(id)", "a b", "--x", "1"]
    assert what.kind == "command" and what.arguments == ["a b", "--x", "1"]


def test_command_string_goes_to_a_shell() -> None:
    assert made(command="ls | wc").command == [SHELL, "-c", "ls | wc"]


def test_arguments_of_a_command_string_are_the_shells() -> None:
    what = made(command='printf "%s," "$@"', arguments=["a b"], script_params={"x": 1})
    assert what.command == [SHELL, "-c", 'printf "%s," "$@"', "sh", "a b", "--x", "1"]


def test_a_program_is_looked_up_where_it_runs() -> None:
    assert made(command=["sh"]).words == ["sh"]


def test_inputs_become_arguments() -> None:
    what = made([Input("data", "/d")], command=[SHELL])
    assert what.command == [SHELL, "--data", "/d"] and what.words == [SHELL, "--data", {"input": "data"}]


@pytest.mark.parametrize("command", ["", "  ", [], [""], [1], ["a\0"], ["sh", None]])
def test_bad_commands(command: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        made(command=command)
    assert caught.value.code == "bad_argument"


def test_program_that_is_not_there() -> None:
    with pytest.raises(EspalierError, match=r"Can't find no-such-program on the PATH \("):
        made(command=["no-such-program"])


def test_no_rscript() -> None:
    with pytest.raises(EspalierError, match="Can't find Rscript on the PATH") as caught:
        program(ScriptRunConfig(source_directory=".", entry_script="a.R"), [], "/nowhere", JobEnvironment())
    assert caught.value.code == "interpreter_missing"
    with pytest.raises(EspalierError, match="at /nowhere/Rscript"):
        made(source_directory=".", entry_script="a.R", environment=JobEnvironment(r={"rscript": "/nowhere/Rscript"}))


def test_interpreters(tmp_path: Path) -> None:
    rscript = tmp_path / "Rscript"
    rscript.write_text("#!/bin/sh\n")
    rscript.chmod(0o755)
    environment = JobEnvironment(r={"rscript": str(rscript)}, python={"interpreter": sys.executable})
    r = made(source_directory=".", entry_script="a.R", environment=environment)
    assert r.command == [str(rscript), "a.R"] and r.words == [{"interpreter": "r"}, {"script": "a.R"}]
    assert made(source_directory=".", entry_script="a.PY", environment=environment).command == [sys.executable, "a.PY"]
    assert made(source_directory=".", entry_script="a.sh").command == [SHELL, "a.sh"]
    assert made(source_directory=".", entry_script="tool").command == ["./tool"]


def test_a_script_that_looks_like_an_option() -> None:
    environment = JobEnvironment(python={"interpreter": sys.executable})
    assert made(source_directory=".", entry_script="-c.py", environment=environment).command[1] == "./-c.py"


@pytest.mark.parametrize("script,language", [("a.r", "r"), ("b/a.R", "r"), ("a.py", "python"), ("R", "other"), (None, "other")])
def test_language(script: Any, language: str) -> None:
    assert language_of(script) == language


def test_script_inside_the_folder(project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "a.R").write_text("")
    assert checked_script(str(project), "sub/../sub/a.R") == "sub/a.R"
    assert checked_script(str(project), str(project / "sub" / "a.R")) == "sub/a.R"


@pytest.mark.parametrize(
    "script,word",
    [
        ("gone.R", "Can't find the entry script"),
        ("sub", "is a directory"),
        ("", "is not inside"),
        (".", "is a directory"),
        ("../outside.R", "is not inside"),
        ("sub/../../outside.R", "is not inside"),
        ("/etc/passwd", "is not inside"),
        ("a\0b", "Can't find the entry script"),
        ("x" * 300, "Can't find the entry script"),
    ],
)
def test_refused_scripts(project: Path, script: str, word: str) -> None:
    (project / "sub").mkdir()
    (project / "train.R").write_text("")
    (project.parent / "outside.R").write_text("")
    with pytest.raises(EspalierError, match=word) as caught:
        checked_script(str(project), script)
    assert caught.value.code == "script_missing"
    assert "Scripts there: train.R." in str(caught.value)


def test_a_near_script_is_found_in_subfolders(project: Path) -> None:
    (project / "steps").mkdir()
    for name in ("steps/fit.R", "train.R", *(f"steps/{number}.py" for number in range(5))):
        (project / name).write_text("")
    with pytest.raises(EspalierError) as caught:
        checked_script(str(project), "steps/fitt.R")
    assert caught.value.hint == 'Did you mean "steps/fit.R"?'
    assert "Scripts there: train.R, steps/0.py, steps/1.py, steps/2.py, steps/3.py and 2 more." in caught.value.message
    with pytest.raises(EspalierError) as caught:
        checked_script(str(project), "fit.R")
    assert caught.value.hint == 'Did you mean "steps/fit.R"?'


def test_a_named_python_that_is_none(tmp_path: Path) -> None:
    config = ScriptRunConfig(".", "a.py", session=Session(rscript="/R", python=str(tmp_path)))
    with pytest.raises(EspalierError) as caught:
        program(config, [], "/nowhere", JobEnvironment(python={"interpreter": str(tmp_path)}))
    assert caught.value.code == "interpreter_missing" and "Install" not in caught.value.hint
