import argparse
import datetime
import math
from typing import Any, List

import pytest
from espalier.base.errors import EspalierError
from espalier.base.model.job import JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.scripts import argument_text
from espalier.base.values import value_text
from espalier.jobs.program import script_words
from hypothesis import given
from hypothesis import strategies as st

R = ("TRUE", "FALSE")


def arguments_of(params: Any, script: str = "a.R") -> List[str]:
    words, record = script_words(params, script)
    return shown_command(JobSpec(entry_script=script, command=tuple(words), params=record))


@pytest.mark.parametrize(
    "value,text",
    [
        (100000.0, "100000"), (1e5, "100000"), (1e14, "100000000000000"), (200, "200"), (2**70, str(2**70)),
        (0.1, "0.1"), (1e-5, "0.00001"), (1e15, "1000000000000000"), (1e16, "1" + "0" * 16), (1e308, "1" + "0" * 308),
        (0.0, "0"), (-0.0, "-0"), (-3.0, "-3"), (2.5, "2.5"), (math.nan, "NaN"), (math.inf, "Inf"),
        (-math.inf, " -Inf"), (5e-324, "0." + "0" * 323 + "5"), ("a b", "a b"), ("'\"$(x)\n", "'\"$(x)\n"), ("é😀", "é😀"),
        (True, "TRUE"), (False, "FALSE"),
    ],
)  # fmt: skip
def test_text_of_values(value: Any, text: str) -> None:
    assert argument_text(value, R) == text


@given(st.floats(allow_nan=False))
def test_text_reads_back_to_the_same_double(value: float) -> None:
    text = argument_text(value)
    back = float(text)
    assert "e" not in text
    assert back == value and math.copysign(1, back) == math.copysign(1, value)


@given(st.integers(-(10**14), 10**14))
def test_whole_numbers_are_digits(value: int) -> None:
    assert argument_text(float(value)) == str(value) == value_text(value)


def parsed(params: Any, **option: Any) -> Any:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-s", "--shift", **option)
    return parser.parse_args(arguments_of(params, "a.py")).shift


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_strings_arrive_as_they_are(text: str) -> None:
    for name in ("shift", "-s"):
        assert parsed({name: text}) == text


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.integers(-(2**80), 2**80))
def test_numbers_arrive_whatever_they_are(values: List[float], whole: int) -> None:
    assert parsed({"shift": values}, type=float, nargs="+") == values
    assert parsed({"shift": values[0]}, type=float) == values[0]
    assert parsed({"-s": [values[0], whole]}, type=float, nargs=2) == [values[0], float(whole)]
    assert parsed({"shift": whole}, type=int) == whole
    assert parsed({"shift": float(whole % 2**62)}, type=int) == int(float(whole % 2**62))
    assert parsed({"shift": float(whole)}, type=float) == float(whole)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_text_in_a_vector_arrives_or_is_refused(text: str) -> None:
    try:
        assert parsed({"shift": [text, "a"]}, nargs="+") == [text, "a"]
    except EspalierError as error:
        assert text.startswith("-") and error.code == "bad_argument"


@pytest.mark.parametrize(
    "params,arguments",
    [
        ({"--trees": 200}, ["--trees", "200"]),
        ({"trees": 200.0}, ["--trees", "200"]),
        ({"-t": 1}, ["-t", "1"]),
        ({"verbose": None}, ["--verbose"]),
        ({"--verbose": ""}, ["--verbose"]),
        ({"x": [1, 2.5, "c"]}, ["--x", "1", "2.5", "c"]),
        ({"x": [""]}, ["--x", ""]),
        ({"x": []}, ["--x"]),
        ({"a b": 1}, ["--a b", "1"]),
        ({"x": True}, ["--x", "TRUE"]),
        ({"b": 1, "a": 2}, ["--b", "1", "--a", "2"]),
        ({"x": -1e-5}, ["--x", "-0.00001"]),
        ({"x": -123456789012345680000.0}, ["--x", "-123456789012345680000"]),
        ({"x": [-1e-5, -math.inf]}, ["--x", "-0.00001", " -Inf"]),
        ({"x": "--y"}, ["--x=--y"]),
        ({"x": "-1e-05"}, ["--x=-1e-05"]),
        ({"x": "-1"}, ["--x", "-1"]),
        ({"-x": "-a b"}, ["-x-a b"]),
        ({"-long": "-a"}, ["-long=-a"]),
        ({"x": datetime.date(2024, 2, 29)}, ["--x", "2024-02-29"]),
    ],
)
def test_arguments(params: Any, arguments: List[str]) -> None:
    assert arguments_of(params) == arguments


def test_python_spells_logicals_its_way() -> None:
    assert arguments_of({"x": False}, "a.py") == ["--x", "False"]


def test_record() -> None:
    params = {"--a": 1, "-b": 0.5, "c": "!x", "d": None, "e": [True, "y"], "f": math.inf}
    assert script_words(params, "a.R")[1] == {
        "a": {"kind": "integer", "value": 1},
        "b": {"kind": "double", "value": 0.5},
        "c": {"kind": "string", "value": "!!x"},
        "d": {"kind": "logical", "value": True},
        "e": [{"kind": "logical", "value": True}, {"kind": "string", "value": "y"}],
        "f": {"kind": "double", "value": "!Inf"},
    }


@pytest.mark.parametrize(
    "params,code,word",
    [
        ({"x": [1, None]}, "bad_argument", "NA"),
        ({"x": {"a": 1}}, "bad_argument", "dict"),
        ({"x": b"y"}, "bad_argument", "bytes"),
        ({"x": [[1]]}, "bad_argument", "list"),
        ({"x": "a\0b"}, "bad_argument", "NUL"),
        ({"x": ["a", "-b"]}, "bad_argument", "'-b'"),
        ({"x": 10**400}, "bad_argument", "2^1023"),
        ({"": 1}, "bad_name", "''"),
        ({"--": 1}, "bad_name", "''"),
        ({"a\nb": 1}, "bad_name", "a\\nb"),
        ({1: 1}, "bad_name", "1"),
        ({"-x": 1, "x": 2}, "bad_name", "x stands twice"),
        ({"x" * 300: 1}, "bad_name", "300"),
    ],
)
def test_refused(params: Any, code: str, word: str) -> None:
    with pytest.raises(EspalierError) as caught:
        script_words(params, "a.R")
    assert caught.value.code == code
    assert word in str(caught.value)
