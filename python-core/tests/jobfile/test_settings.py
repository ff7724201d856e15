"""Values that replace those of a file."""

from pathlib import Path
from typing import Any

import pytest
from espalier import EspalierError, read_job

JOB = "script: a.R\nparams: {trees: 100, lr.rate: 0.1}\narguments: [a, b]\ninputs: {data: x.csv}\ntags: {a: b}\n"


@pytest.fixture
def job(tmp_path: Path) -> str:
    (tmp_path / "job.yml").write_text(JOB)
    return str(tmp_path / "job.yml")


@pytest.mark.parametrize(
    "setting, field, meant",
    [
        ("params.trees=500", "script_params", {"trees": 500, "lr.rate": 0.1}),
        ("params.trees=5e2", "script_params", {"trees": 500.0, "lr.rate": 0.1}),
        ("params.trees='500'", "script_params", {"trees": "500", "lr.rate": 0.1}),
        ("params.trees=", "script_params", {"trees": None, "lr.rate": 0.1}),
        ("params.trees=[1, 2]", "script_params", {"trees": [1, 2], "lr.rate": 0.1}),
        ("params.lr.rate=1", "script_params", {"trees": 100, "lr.rate": 1}),
        ("params.new.one=a=b", "script_params", {"trees": 100, "lr.rate": 0.1, "new.one": "a=b"}),
        ("params.trees=$(touch x); `y`", "script_params", {"trees": "$(touch x); `y`", "lr.rate": 0.1}),
        ("params.trees=!!python/object:os", "script_params", {"trees": "!!python/object:os", "lr.rate": 0.1}),
        ("params={}", "script_params", {}),
        ("arguments.1=010", "arguments", ["a", "010"]),
        ("arguments=[]", "arguments", []),
        ("resources.cpus=3", "cpus", 3),
        ("script=--help", "entry_script", "--help"),
        ("environment_variables.A.B=x y", "environment_variables", {"A.B": "x y"}),
        ("inputs.data.run=exp_1785146492_abcdef01", "inputs", None),
        ("priority=null", "priority", 5),
    ],
)
def test_a_value_has_the_type_of_its_field(setting: str, field: str, meant: Any, job: str) -> None:
    if meant is None:  # (a reference in place of a path)
        found = read_job(job, [setting, "inputs.data.output=model"]).config.inputs
        assert found == {"data": {"run": "exp_1785146492_abcdef01", "output": "model"}}
    else:
        found = getattr(read_job(job, [setting]).config, field)
        assert found == meant and str(found) == str(meant)


def test_values_by_name(job: str) -> None:
    given = {"params.trees": 500.0, "resources.cpus": 2.0, "tags.n": 7.0, "params.v": [1, "a"], "source.keep_workdir": True, "arguments": ["x"], "params.flag": None}
    found = read_job(job, values=given)
    assert found.config.script_params == {"trees": 500.0, "lr.rate": 0.1, "v": [1, "a"], "flag": None}
    assert (found.config.cpus, found.tags, found.config.keep_workdir, found.config.arguments) == (2, {"a": "b", "n": "7"}, True, ["x"])


@pytest.mark.parametrize(
    "setting, code, says",
    [
        ("trees", "bad_argument", "name=value"),
        ("=5", "bad_argument", "isn't the name of a field"),
        ("params..a=5", "bad_argument", "isn't the name of a field"),
        (".".join("a" * 10_000) + "=1", "bad_job_file", "isn't a known field"),
        ("parms.trees=5", "bad_job_file", "with 'parms.trees' set: parms isn't a known field"),
        ("resources.cpus=$(nproc)", "bad_job_file", "with 'resources.cpus' set: resources.cpus must be a whole number"),
        ("priority=99", "bad_job_file", "with 'priority' set: priority is from 1 to 9"),
        ("params.a=[!!python/none x]", "bad_job_file", "with 'params.a' set: the tag"),
        ("params.a=[&a x, *a]", "bad_job_file", "anchors"),
        ("params.a=" + "[" * 10_000, "bad_job_file", "deep"),
        ("params.a=['x", "bad_job_file", "with 'params.a' set: found unexpected end"),
        ("params.a={b: c}", "bad_job_file", "params: a is of type dict"),
        ("script.x=1", "bad_job_file", "script must be text, not an object"),
        ("outputs.m=/etc/passwd", "bad_job_file", "with 'outputs.m' set"),
        ("params.a=\udc80", "bad_job_file", "isn't Unicode"),
        ("environment_variables.A=\0", "bad_job_file", "NUL"),
    ],
)  # fmt: skip
def test_what_cant_be_set(setting: str, code: str, says: str, job: str) -> None:
    with pytest.raises(EspalierError) as caught:
        read_job(job, [setting])
    assert caught.value.code == code and says in caught.value.message and caught.value.message.isprintable()
    with pytest.raises(EspalierError, match="Can't set .* to an object"):
        read_job(job, values={"params.a": object()})
