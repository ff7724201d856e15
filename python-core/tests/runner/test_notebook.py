import math
from types import SimpleNamespace
from typing import Any

import pytest
from defined import defined
from espalier.base.values import NA
from espalier.runner.notebook import add_parameters, failed_cell, given_parameters, literal


@pytest.mark.parametrize(
    ("value", "python", "r"),
    [
        (1, "1", "1L"),
        (0.5, "0.5", "0.5"),
        (True, "True", "TRUE"),
        (NA, "None", "NA"),
        (math.inf, 'float("Inf")', "Inf"),
        (-math.inf, 'float("-Inf")', "-Inf"),
        ('it\'s "é"\n', '"it\'s \\"é\\"\\n"', '"it\'s \\"é\\"\\n"'),
        ([1, 2], "[1, 2]", "c(1L, 2L)"),
    ],
)
def test_values_in_the_notebooks_language(value: Any, python: str, r: str) -> None:
    assert (literal(value, "python"), literal(value, "r")) == (python, r)


@pytest.mark.parametrize(("tagged", "at"), [(None, 0), (0, 1), (2, 3)])
def test_parameters_follow_the_tagged_cell(tagged: Any, at: int) -> None:
    cells = [SimpleNamespace(metadata={"tags": ["parameters"]} if i == tagged else {}) for i in range(3)]
    add_parameters(cells, {"a": 1, "b": "x"}, "python", lambda source, metadata: (source, metadata))
    assert cells[at] == ('# Parameters of this run\na = 1\nb = "x"', {"tags": ["injected-parameters"]})
    add_parameters(cells, {}, "python", None)
    assert len(cells) == 4


def test_parameters_come_from_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_INPUT_MY_DATA", "/d")
    spec = defined(
        params={"learning-rate": {"kind": "double", "value": "!Inf"}, "sizes": [{"kind": "integer", "value": 1}]},
        inputs=[{"name": "my-data", "path": "/elsewhere"}],
    )
    assert given_parameters(spec) == {"my_data": "/d", "learning_rate": math.inf, "sizes": [1]}


def test_the_cell_where_a_kernel_died_is_the_first_that_was_not_done() -> None:
    assert failed_cell([{"execution_count": 1}, {"execution_count": None}, {}]) == "Cell 2"
