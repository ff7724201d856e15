import json
import math
import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from espalier.base.values import NA, from_json, is_cell, kind_of, native, to_json, typed
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.one_of(st.floats(), st.integers(), st.booleans(), st.text(), st.text().map(lambda text: "!" + text))


def through_a_file(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


@given(VALUES)
def test_round_trip(value: Any) -> None:
    back = from_json(through_a_file(to_json(value)))
    if isinstance(value, float) and math.isnan(value):
        assert math.isnan(back)
    else:
        assert back == value and type(back) is type(value)


@given(VALUES)
def test_cells_of_all_values_are_good(value: Any) -> None:
    assert is_cell(through_a_file(typed(value))) == (not isinstance(value, int) or value.bit_length() <= 1023)


def test_minus_zero() -> None:
    assert json.dumps(to_json(-0.0)) == "-0.0"
    assert math.copysign(1, from_json(through_a_file(to_json(-0.0)))) == -1


@pytest.mark.parametrize(
    "value,written",
    [(math.nan, "!NaN"), (math.inf, "!Inf"), (-math.inf, "!-Inf"), (None, "!NA"), (NA, "!NA"), ("!NA", "!!NA"),
     ("!", "!!"), ("!!", "!!!"), ("NA", "NA"), (True, True), (2**60, 2**60)],
)  # fmt: skip
def test_written(value: Any, written: Any) -> None:
    assert to_json(value) == written


def test_none_comes_back_as_na() -> None:
    assert from_json(to_json(None)) is NA
    assert not NA and repr(NA) == "NA"


@pytest.mark.parametrize("bad", ["!nan", "!Bogus", "! ", None, [], {}, [1]])
def test_what_stands_for_no_value(bad: Any) -> None:
    with pytest.raises(ValueError):
        from_json(bad)


@pytest.mark.parametrize(
    "value,kind",
    [(True, "logical"), (None, "logical"), (NA, "logical"), (1, "integer"), (1.0, "double"), ("", "string")],
)
def test_kind(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


@pytest.mark.parametrize("value", [1j, b"x", [1], {}, object()])
def test_no_value(value: Any) -> None:
    with pytest.raises(TypeError):
        kind_of(value)


def test_native() -> None:
    assert native(Decimal("0.5")) == 0.5 and type(native(Decimal("0.5"))) is float
    assert native(Fraction(1, 4)) == 0.25
    assert native("x") == "x" and native(True) is True and native(None) is None
    assert native(NA) is NA


def test_native_numpy() -> None:
    class Scalar:
        """As NumPy's scalars are, which need not be installed here."""

        def item(self) -> float:
            return 0.5

    Scalar.__module__ = "numpy"
    assert native(Scalar()) == 0.5


@pytest.mark.parametrize(
    "cell",
    [None, 1, [], {}, {"kind": "double"}, {"kind": "foo", "value": 1}, {"kind": "double", "value": "abc"},
     {"kind": "double", "value": True}, {"kind": "integer", "value": 1.5}, {"kind": "integer", "value": 10**400},
     {"kind": "double", "value": 10**400}, {"kind": "logical", "value": 1}, {"kind": "string", "value": "!Bogus"},
     {"kind": "string", "value": None}, {"kind": "string", "value": 1}, {"kind": ["x"], "value": 1}],
)  # fmt: skip
def test_bad_cells(cell: Any) -> None:
    assert not is_cell(cell)


@pytest.mark.parametrize("kind", ["double", "integer", "logical", "string"])
def test_na_is_of_any_kind(kind: str) -> None:
    assert is_cell({"kind": kind, "value": "!NA"})


def test_na_stays_one_object() -> None:
    assert pickle.loads(pickle.dumps(NA)) is NA


def test_a_frame_is_shown_and_converted() -> None:
    from espalier.base.types import Frame

    frame = Frame({"name": [f"run{n}" for n in range(12)], "auc": [0.5] * 11 + [None]}, {"name": "string", "auc": "double"})
    lines = repr(frame).split("\n")
    assert lines[:3] == ["Frame of 12 rows and 2 columns", "name  auc", "run0  0.5"] and lines[-1] == "... and 2 more rows"
    assert frame.to_dict()["auc"][-1] is None and frame.to_dict() == frame.columns
    assert repr(Frame({}, {})) == "Frame of 0 rows and 0 columns"


def test_errors_name_what_python_calls() -> None:
    from espalier import EspalierError

    error = EspalierError("workspace_missing", "No.", "Create it with workspace() or set overwrite = TRUE. See list_runs().")
    assert str(error) == "No.\nCreate it with Workspace.open() or set overwrite=True. See ws.runs.list()."
    assert error.hint.startswith("Create it with workspace()"), "R has its own words"
