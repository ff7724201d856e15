from typing import Any

import pytest
from espalier import EspalierError
from espalier.vault.store import checked_names, checked_secrets


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "../x", "-v", "a;b", "$(id)", "é", "x" * 129, None, 3])
def test_names_are_refused(name: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        checked_secrets({name: "value"})
    assert caught.value.code == "bad_name"


@pytest.mark.parametrize("value", ["abc", "", "   \n ", "ab\0cdef", "a\ud800bcd", "x" * 65_537, None, 12345, b"bytes"])
def test_values_are_refused_and_not_shown(value: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        checked_secrets({"good": "value", "bad": value})
    assert caught.value.code == "bad_argument"
    assert "bad" in caught.value.message
    if value:
        assert str(value)[:20] not in str(caught.value)


def test_values_that_are_kept() -> None:
    values = {"a": "päss\nwörd 😀", "b": "x" * 65_536, "c": "\x01\x1b[0m$^*.(", "d": "null"}
    assert checked_secrets(values) == values


def test_each_name_once() -> None:
    assert checked_names(["b", "a", "b"]) == ["b", "a"]
    with pytest.raises(EspalierError, match="list of strings"):
        checked_names("abc")
