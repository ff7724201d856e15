"""Names and values that the script's `job_params()` would refuse end a grid before anything is submitted."""

from pathlib import Path
from typing import Any

import pytest
from espalier import Experiment
from espalier.base.errors import EspalierError
from espalier.jobs.param_kinds import kinds_of_params, refuse_values

SCRIPT = "library(espalier)\np <- job_params(trees = 500L, `learn rate` = 0.1, a.b = -1e-3, fast = FALSE, name = \"x\", many = c(1, 2), to = n)\n"


@pytest.fixture
def kinds(tmp_path: Path) -> Any:
    (tmp_path / "a.R").write_text(SCRIPT)
    return kinds_of_params(str(tmp_path), "a.R")


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("trees", "few", 'a whole number, not "few"'), ("trees", 2.5, "a whole number, not 2.5"), ("trees", True, "not True"),
        ("--learn rate", "fast", 'a number, not "fast"'), ("a-b", [1, 2], "a number, not 2 values"), ("a_b", None, "a flag"),
        ("fast", "maybe", 'TRUE or FALSE, not "maybe"'), ("fast", 3, "not 3"), ("name", ["a", "b"], "a string, not 2 values"),
    ],
)  # fmt: skip
def test_refused(kinds: Any, name: str, value: Any, seen: str) -> None:
    with pytest.raises(EspalierError, match=seen):
        refuse_values(kinds, "a.R", {"other": "x", name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trees", 2.0), ("trees", "1e3"), ("a.b", "0x1F"), ("a.b", "-.5"), ("a.b", "Inf"), ("a.b", float("nan")), ("a.b", [1]),
        ("fast", None), ("fast", 1), ("fast", False), ("fast", "yes"), ("name", 1), ("many", ["a", "b"]), ("to", "x"), ("-t", "x"),
    ],
)  # fmt: skip
def test_taken_or_not_known(kinds: Any, name: str, value: Any) -> None:
    refuse_values(kinds, "a.R", {name: value})


@pytest.mark.parametrize("text", ["", "job_params(n = 1); job_params(m = 1)", "job_params(...)", "do.call(job_params, list(n = 1))"])
def test_where_the_call_is_dynamic_no_kind_is_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.R").write_text(text)
    assert kinds_of_params(str(tmp_path), "a.R") == {}
    (tmp_path / "a.py").write_text(SCRIPT)
    assert kinds_of_params(str(tmp_path), "a.py") == {}


def test_a_grid_is_refused(experiment: Experiment, project: Path) -> None:
    (project / "a.R").write_text(SCRIPT)
    config = {"source_directory": str(project), "entry_script": "a.R"}
    with pytest.raises(EspalierError, match='a.R has no parameter "tress"') as refused:
        experiment.submit_many(config, [{"tress": 1}, {"tress": 2}])
    assert refused.value.hint == 'Did you mean "trees"?'
    with pytest.raises(EspalierError, match="Trial 2 of 2: The parameter `trees` must be a whole number"):
        experiment.submit_many(config, [{"trees": 1}, {"trees": "few"}])
    assert not experiment.get_runs()


def test_a_job_is_warned(experiment: Experiment, project: Path, ended: Any) -> None:
    (project / "a.R").write_text(SCRIPT)
    config = {"source_directory": str(project), "entry_script": "a.R", "script_params": {"trees": "few"}}
    with pytest.warns(UserWarning, match='must be a whole number, not "few". The type is that of its default'):
        ended(experiment.submit(config))
