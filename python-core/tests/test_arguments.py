"""What fits the types that public signatures declare, and how what does not is refused."""

import fractions
from pathlib import Path
from typing import Any, Dict, List, Literal, Mapping, Optional, Sequence, Union

import pytest
from espalier import EspalierError
from espalier.base.boundary import classed_function
from espalier.base.types import Data, Index, Text


class NumPyNumber:
    """A whole number of NumPy's."""

    def __index__(self) -> int:
        return 7

    def __float__(self) -> float:
        return 7.0


class Array(NumPyNumber):
    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")

    def __float__(self) -> float:
        raise TypeError("only length-1 arrays can be converted")


bool_ = type("bool_", (), {"__bool__": lambda self: False})


def given(hint: Any, value: Any) -> Any:
    def verb(argument):  # type: ignore[no-untyped-def]
        return argument

    verb.__annotations__["argument"] = hint
    return classed_function(verb)(argument=value)


@pytest.mark.parametrize(
    "hint,value,taken",
    [
        (str, Path("/a/b"), "/a/b"), (int, 42.0, 42), (int, NumPyNumber(), 7), (float, NumPyNumber(), 7.0), (float, 3, 3),
        (float, fractions.Fraction(1, 2), 0.5), (bool, bool_(), False), (Optional[int], None, None), (Index, 2.0, 2),
        (Sequence[str], ("a", Path("b")), ["a", "b"]), (List[str], (each for each in "ab"), ["a", "b"]),
        (Sequence[str], {"a": 1}.keys(), ["a"]), (Mapping[str, str], {"a": Path("b")}, {"a": "b"}),
        (Union[str, Sequence[str], None], ["a", Path("b")], ["a", "b"]), (Literal["a", "b"], "b", "b"),
        (Mapping[str, Text], {"a": 1, "b": True, "c": 0.5, "d": "x"}, {"a": 1, "b": True, "c": 0.5, "d": "x"}),
        (Union[bool, Mapping[str, Any]], {"a": 1}, {"a": 1}), (Data, len, len), (Any, len, len), ("Optional[str]", "a", "a"),
    ],
)  # fmt: skip
def test_what_fits(hint: Any, value: Any, taken: Any) -> None:
    assert given(hint, value) == taken and type(given(hint, taken)) is type(taken)


@pytest.mark.parametrize(
    "hint,value,message",
    [
        (str, 5, "`argument` must be text, not an int."),
        (str, b"a", "`argument` must be text, not a bytes."),
        (str, None, "`argument` must be text, not None."),
        (int, 1.5, "`argument` must be a whole number, not 1.5."),
        (int, True, "`argument` must be a whole number, not True."),
        (int, "1", "`argument` must be a whole number, not a str."),
        (int, Array(), "`argument` must be a whole number, not an Array."),
        (float, Array(), "`argument` must be a number, not an Array."),
        (float, "1", "`argument` must be a number, not a str."),
        (bool, 1, "`argument` must be True or False, not 1."),
        (Sequence[str], "abc", "`argument` must be a list, not a str."),
        (Sequence[str], {"a": 1}, "`argument` must be a list, not a dict."),
        (Sequence[str], ["a", 5], "`argument[1]` must be text, not an int."),
        (Optional[Sequence[str]], 5, "`argument` must be a list, not 5."),
        (Mapping[str, str], ["a"], "`argument` must be named values (a dict), not a list."),
        (Mapping[str, str], {5: "a"}, "`names(argument)` must be text, not an int."),
        (Mapping[str, str], {"a\n": 5}, "`argument['a\\n']` must be text, not an int."),
        (Mapping[str, Sequence[str]], {"a": ["x", None]}, "`argument['a'][1]` must be text, not None."),
        (Mapping[str, Text], {"a": None}, "`argument['a']` must be text or a number, not None."),
        (Union[str, Sequence[str], None], 5, "`argument` must be text or a list, not an int."),
        (Union[str, Sequence[str], None], ["a", 5], "`argument[1]` must be text, not an int."),
        (Literal["a", "b"], "c", "`argument` must be one of 'a', 'b', not a str."),
        ("Workspace", 5, "`argument` must be a Workspace, not 5."),
        ("Environment", "base", "`argument` must be an Environment, not a str."),
    ],
)  # fmt: skip
def test_what_does_not_fit(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(EspalierError) as caught:
        given(hint, value)
    assert (caught.value.code, caught.value.message) == ("bad_argument", message)


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    from espalier import Keyvault

    told: Dict[str, str] = {}
    for value in (1234567, b"canary", ["canary"], "canary"):
        with pytest.raises(EspalierError) as caught:
            Keyvault(str(tmp_path)).set_secrets(value if isinstance(value, str) else {"pin": value})  # type: ignore[arg-type,dict-item]
        told[str(value)] = str(caught.value)
    assert not any("canary" in text or "1234567" in text for text in told.values())


def test_arguments_by_position_and_those_that_are_too_many() -> None:
    @classed_function
    def verb(first: int, second: str = "a", *, third: bool = False) -> Any:
        return first, second, third

    assert verb(1.0, third=True) == (1, "a", True)
    for call in (lambda: verb(), lambda: verb(1, "a", True), lambda: verb(1, fourth=5)):
        with pytest.raises(TypeError):  # (as Python reports it)
            call()
    with pytest.raises(EspalierError, match="`third` must be True or False"):
        verb(1, third="yes")
