"""YAML: lossless both ways, typed by the definition, and no danger."""

import datetime
from typing import Any

import pytest
import yaml
from espalier import Environment, EspalierError
from espalier.environment.text import environment_as_text, environment_from_text
from hypothesis import given, settings

from .made import ENVIRONMENTS, USER_MANAGED
from .test_definition import FULL


def refused(text: str) -> str:
    with pytest.raises(EspalierError) as caught:
        environment_from_text(text)
    assert caught.value.code == "environment_invalid"
    assert caught.value.message.isprintable()
    return caught.value.message


@given(ENVIRONMENTS)
@settings(max_examples=300, deadline=None)
def test_nothing_is_lost(environment: Environment) -> None:
    text = environment_as_text(environment)
    assert environment_from_text(text) == environment
    # and other readers of YAML see the same text, typed as text
    assert Environment.from_mapping(yaml.safe_load(text)) == environment


@pytest.mark.parametrize("environment", [Environment.from_mapping(FULL), USER_MANAGED, Environment("e")])
def test_whole_environments(environment: Environment) -> None:
    assert environment_from_text(environment_as_text(environment)) == environment


def test_the_text_says_what_is_asked_for_and_no_more() -> None:
    assert environment_as_text(Environment("e")) == "format: 1\nname: e\n"
    text = environment_as_text(Environment.from_mapping({"name": "e", "r": {"version": "4.10", "cran": [{"name": "R6"}]}}))
    assert text == "format: 1\nname: e\nr:\n  version: '4.10'\n  cran:\n    - name: R6\n"


@pytest.mark.parametrize(
    "written, meant",
    [("4.10", "4.10"), ("4.2", "4.2"), ("'4.10'", "4.10"), ("null", None), ("~", None), ("", None)],
)
def test_versions_are_text(written: str, meant: Any) -> None:
    environment = environment_from_text(f"name: e\nr:\n  version: {written}\n")
    assert environment.r is not None and environment.r.version == meant


@pytest.mark.parametrize("text", ["yes", "no", "on", "off", "010", "0x1F", "1e5", "1_000", "12:30:45", "2024-05-01", "true", ".inf"])
def test_what_yaml_might_take_for_something_else(text: str) -> None:
    assert environment_from_text(f"name: e\nvariables:\n  A: {text}\n").variables == {"A": text}
    assert environment_from_text(f"name: e\nvariables:\n  {'no'}: x\n").variables == {"no": "x"}


def test_flags_dates_and_numbers_where_they_are_meant() -> None:
    for word, flag in [("yes", True), ("on", True), ("TRUE", True), ("no", False), ("false", False)]:
        assert environment_from_text(f"name: e\nuse_gpu: {word}\n").use_gpu is flag
    side = environment_from_text("format: 1\nname: e\nr:\n  snapshot_date: 2024-05-01\n").r
    assert side is not None and side.snapshot_date == "2024-05-01"
    # as another reader of YAML, or R, may give it
    day = {"name": "e", "r": {"snapshot_date": datetime.date(2024, 5, 1)}}
    assert Environment.from_mapping(day).r == side
    assert "2024-02-30" in refused("name: e\nr:\n  snapshot_date: 2024-02-30\n")


BOMB = "a: &a [x, x, x, x]\n" + "".join(f"{c}: &{c} [*{b}, *{b}, *{b}, *{b}]\n" for b, c in zip("abcdefgh", "bcdefghi"))


@pytest.mark.parametrize(
    "text, says",
    [
        (BOMB, "anchor"),
        ("name: &n e\n", "anchor"),
        ("name: e\nr: *r\n", "alias"),
        ("name: !!python/name:os.system\n", "tag"),
        ("!!python/object/apply:os.system ['touch /tmp/x']\n", "tag"),
        ("name: !!str e\n", "tag"),
        ("name: !<tag:yaml.org,2002:binary> aGk=\n", "tag"),
        ("name: e\nname: f\n", "'name' a second time"),
        ("name: e\nr:\n  cran: []\n  cran: []\n", "'cran' a second time"),
        ("name: e\n<<: {use_gpu: true}\n", "<<"),
        ("[" * 2000, "deep"),
        ("{a: " * 500, "deep"),
        ("- " * 3000 + "a", "deep"),
        ("? [a]\n: b\n", "key"),
        ("? {a: b}\n: c\n", "key"),
        ("name: e\n---\nname: f\n", "another document"),
        ("name: [\n", "line 2"),
        ("name: e\nr: |\n\tx\n", "line 3"),
        ("name: e\nr: text\n", "r must be"),
        ("%YAML 9.9\n---\nname: e\n", "can't be read"),
        ("name: e\x07\n", "special characters"),
        ("name: \0\n", "special characters"),
        ("- name: e\n", "holds no environment"),
        ("just text", "holds no environment"),
        ("", "holds no environment"),
        ("name: e\n# " + "x" * (1 << 20), "larger"),
    ],
)  # fmt: skip
def test_hostile_yaml_is_refused(text: str, says: str) -> None:
    assert says in refused(text)
