"""What the words of a command stand for on the host that executes it."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from espalier import Experiment, Run, ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decode, encode
from espalier.base.model.job import JobSpec
from espalier.base.model.resolve import Facts, facts_of, resolved, shown_command, typed_words
from espalier.jobs import submit as submit_module
from espalier.jobs.inputs import resolve_inputs

FACTS = Facts({"r": "/r/Rscript"}, {"data": "/copies/data"}, {"lr": ["0.1", "0.2"], "n": ["5"], "none": []})


def argv(*words: Any) -> List[str]:
    return resolved(decode(JobSpec, {"command": list(words)}).command, FACTS)


def test_each_kind_is_looked_up() -> None:
    found = argv({"interpreter": "r"}, {"script": "a.R"}, "--n", {"parameter": "n"}, "--data", {"input": "data"}, {"literal": ""})
    assert found == ["/r/Rscript", "a.R", "--n", "5", "--data", "/copies/data", ""]


def test_vectors_and_words_of_several_parts() -> None:
    assert argv("--lr", {"parameter": "lr"}, {"parameter": "none"}) == ["--lr", "0.1", "0.2"]
    assert argv(["--data=", {"input": "data"}, ".csv"], ["--lr=", {"parameter": "lr"}]) == ["--data=/copies/data.csv", "--lr=0.1,0.2"]
    assert argv("{input: data}", "<data>") == ["{input: data}", "<data>"], "texts stay what they are"


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ({"input": "other"}, "damaged", "input 'other'"),
        ({"parameter": "data"}, "damaged", "parameter 'data'"),
        ({"interpreter": "julia"}, "damaged", "interpreter 'julia'"),
        (["a", {"secret": "key"}], "not_supported", "secret 'key'"),
    ],
)
def test_what_a_job_does_not_have_is_refused(word: Any, code: str, said: str) -> None:
    with pytest.raises(EspalierError, match=said) as caught:
        argv(word)
    assert caught.value.code == code


def test_what_was_made_ready_comes_first() -> None:
    environment: Dict[str, Any] = {"r": {"rscript": "/session/Rscript"}, "python": {"interpreter": "/session/python"}}
    spec = decode(JobSpec, {"environment": environment})
    assert facts_of(spec, {}, {}).interpreters == {"r": "/session/Rscript", "python": "/session/python"}
    made = {"rscript": "/made/Rscript", "python": None}
    assert facts_of(spec, {}, made).interpreters == {"r": "/made/Rscript", "python": "/session/python"}
    environment["definition"] = {"r": None, "python": {"interpreter_path": "/named/python"}}
    assert facts_of(decode(JobSpec, {"environment": environment}), {}, {}).interpreters["python"] == "/named/python"
    assert facts_of(JobSpec(), {}, {}).interpreters == {"r": "Rscript", "python": "python3"}


def test_a_command_is_shown_as_it_was_written(tmp_path: Path) -> None:
    spec = decode(JobSpec, {
        "entry_script": "a.R", "command": [{"interpreter": "r"}, {"script": "a.R"}, ["--n=", {"parameter": "n"}], {"input": "d"}, {"x": "y"}],
        "params": {"n": {"kind": "double", "value": -5}}, "inputs": [{"name": "d", "path": "/data/d.csv", "digest": "sha256:0"}],
    })  # fmt: skip
    assert shown_command(spec) == ["Rscript", "a.R", "--n=-5", "/data/d.csv", "<x y>"]


def test_an_older_command_begins_with_what_was_made_ready() -> None:
    older = {"type": "script", "entry_script": "a.py", "command": ["/session/python", "a.py"], "environment": {"how": "private"}}
    assert encode(typed_words(decode(JobSpec, older))) == [{"interpreter": "python"}, "a.py"]
    assert encode(typed_words(decode(JobSpec, {**older, "environment": {"how": "session"}}))) == ["/session/python", "a.py"]


def test_a_definition_of_an_older_version_is_executed(
    experiment: Experiment, ended: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("7\n")
    (item,) = resolve_inputs(experiment.workspace._paths, {"data": str(tmp_path / "data")})
    text = (Path(__file__).parent / "older_spec.json").read_text("utf-8").replace("<data>", item.path)
    stored = decode(JobSpec, json.loads(text.replace("<digest>", str(item.digest))))

    def as_older(*args: Any, **fields: Any) -> JobSpec:
        return stored._replace(id=submit_module.new_run_id("exp", 1), inputs=(item,))

    monkeypatch.setattr(submit_module, "_spec", as_older)
    run = experiment.submit(ScriptRunConfig(command="true"))
    assert ended(run)["status"] == "Completed"
    copy = f"{run._paths.root}/.job/inputs/data/data"
    assert Path(run._paths.root, "outputs", "words").read_text() == f"--x,1,--data,{copy},"
    assert Path(run._paths.root, "user_logs", "std_log.txt").read_text() == "7\n"
    assert run.get_details()["runDefinition"]["command"][-2:] == ["--data", item.path]


def test_a_program_is_found_on_the_jobs_path(
    submit: Callable[..., Run], ended: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "tool-of-mine"
    tool.write_text("#!/bin/sh\necho it ran\n")
    tool.chmod(0o755)
    run = submit(command=["tool-of-mine"], environment_variables={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    assert ended(run)["status"] == "Completed"
    assert json.loads(Path(run._paths.root, "spec.json").read_text())["command"] == ["tool-of-mine"]
    assert "it ran" in Path(run._paths.root, "user_logs", "std_log.txt").read_text()
