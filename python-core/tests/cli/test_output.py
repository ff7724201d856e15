"""Results as JSON, YAML, tables and tab-separated values; what jobs wrote is shown and never obeyed."""

import json
import math
import subprocess
import sys
from typing import Any

import pytest
import yaml
from espalier.base.errors import EspalierError
from espalier.base.types import Frame
from espalier.base.values import NA
from espalier.cli.output import as_json, as_tsv, chosen, emit, plain
from espalier.cli.table import as_table
from espalier.cli.text import json_text, lines, one_line

HOSTILE = "a\x1b[31m\x1b]0;title\x07\n\t\r\x9b2J\u202eb\ud800é"


@pytest.fixture
def frame() -> Frame:
    columns = {"name": ["a", HOSTILE], "value": [1.5, None], "count": [3, 12345], "at": [0.0, None]}
    return Frame(columns, {"name": "string", "value": "double", "count": "integer", "at": "time"})


def test_json_has_the_value_and_no_terminal_obeys_it(frame: Frame) -> None:
    text = as_json(plain(frame))
    assert json.loads(text) == [
        {"name": "a", "value": 1.5, "count": 3, "at": "1970-01-01T00:00:00.000000Z"},
        {"name": HOSTILE, "value": None, "count": 12345, "at": None},
    ]
    assert text.count("\n") == 4
    assert not any(sign in text for sign in "\x1b\x07\r\x9b\u202e\ud800\t")
    assert "é" in text


def test_tables_and_tsv_neutralise_control_characters(frame: Frame) -> None:
    shown = r"a\x1b[31m\x1b]0;title\x07\n\t\r\x9b2J\u202eb\ud800é"
    assert as_tsv(plain(frame)).startswith("name\tvalue\tcount\tat\na\t")
    assert as_tsv(plain(frame), header=False) == f"a\t1.5\t3\t1970-01-01T00:00:00.000000Z\n{shown}\t\t12345\t\n"
    table = as_table(plain(frame), frame.kinds).splitlines()
    assert len(table) == 3 and shown in table[2]
    assert one_line(HOSTILE) == shown
    assert lines("a\tb\nc\x1b[2J") == "a\tb\nc\\x1b[2J"
    assert json_text('"\x7f"') == '"\\u007f"'


def test_yaml(frame: Frame, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"name": ["no", "a\x1b[31m"], "value": [1.5, None]}
    emit(Frame(columns, {"name": "string", "value": "double"}), "yaml")
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert yaml.safe_load(text) == [{"name": "no", "value": 1.5}, {"name": "a\x1b[31m", "value": None}]


def test_what_is_missing_is_null_and_infinite_numbers_are_text() -> None:
    assert plain({"a": math.nan, "b": NA, "c": math.inf, "d": -math.inf, "e": (1, True)}) == {
        "a": None, "b": None, "c": "Inf", "d": "-Inf", "e": [1, True],
    }  # fmt: skip


def test_numbers_to_the_right_and_wide_characters_count_twice(frame: Frame) -> None:
    rows = [{"name": "日本", "n": 5, "empty": None}, {"name": "abc", "n": 12345.25, "empty": None}]
    assert as_table(rows, {}).splitlines() == ["name        n", "日本        5", "abc   12345.2"]


def test_one_object_is_a_line_a_name() -> None:
    assert as_table({"status": "Failed", "none": None, "exit_code": 7}, {}) == "status     Failed\nexit_code  7\n"
    assert as_table("text\x1b\n", {}) == "text\\x1b\n"
    assert as_table(["a", 1], {}) == "a\n1\n"
    assert as_table([], {}) == ""


@pytest.mark.parametrize("query", ["[", "a b", "length(@, 1)", "abs('x')", "nope(@)", "\x1b[2J"])
def test_a_query_that_cannot_be_used(query: str) -> None:
    with pytest.raises(EspalierError, match="Can't use --query") as caught:
        chosen([{"a": 1}], query)
    assert caught.value.code == "bad_argument" and "\n" not in caught.value.message


def test_a_query_chooses() -> None:
    assert chosen([{"a": 1}, {"a": 2}], "[?a > `1`].a") == [2]


def test_nothing_is_written_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    emit(None, None)
    emit(None, "tsv", "a")
    assert capsys.readouterr().out == "\n"


def test_stdout_closed_from_the_beginning(espalier: Any, main: Any) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m espalier.cli workspace show >&-; echo "code $?"', sys.executable],
        cwd=main.path, encoding="utf-8", capture_output=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("code 0\n", "")
