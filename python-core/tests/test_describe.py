"""describe(): what a signature becomes, and that the committed api.json is not stale."""

import json
import pathlib
from typing import Any, Dict, List, Literal, Mapping, Optional, Sequence, Union

import pytest
from espalier.api.describe import describe, parse_docstring
from espalier.base.operation import operation
from espalier.base.types import Data, Frame, Index

API = pathlib.Path(__file__).resolve().parents[2] / "python-core" / "src" / "espalier" / "api" / "api.json"


class Pot:
    """What is given as named values."""

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Pot":
        return cls()


class Tree:
    """A tree on a frame.

    More about it.
    """

    @classmethod
    def _from_identity(cls, identity: Mapping[str, str]) -> "Tree":
        return cls()

    def _identity(self) -> Dict[str, str]:
        return {}

    @property
    def name(self) -> str:
        """What it is called."""
        return ""

    @operation("GET /trees/prune")
    def prune(
        self, to: int, how: Literal["hard", "soft"] = "soft", *, only: Optional[Sequence[str]] = None
    ) -> "Tree":
        """Cut it back.

        Args:
            to: How many branches
                are left.
            how: With what.

        Returns:
            The same tree.

        Raises:
            EspalierError: `bad_argument`, when: nothing is left.
        """
        return self

    @classmethod
    @operation("GET /trees/plant")
    def plant(cls, at: Mapping[str, float], anything: Any = (1,), pot: Pot = Pot()) -> List["Tree"]:
        """Plant some."""
        return []

    @operation("GET /trees/table")
    def table(self) -> Frame:
        """All branches."""
        return Frame({}, {})

    @operation("GET /trees/pick")
    def pick(self, rows: Sequence[Index], of: Data, one: Optional[Index] = None) -> Data:
        """The branches at some positions."""

    @operation("GET /trees/odd")
    def odd(self, x: Union[int, str], *rest: int) -> None:
        """Has a type nobody knows."""


def _method(name: str) -> Dict[str, Any]:
    methods = describe([Tree])["classes"][0]["methods"]
    return next(method for method in methods if method["name"] == name)


def test_class_doc_and_properties() -> None:
    record = describe([Tree])["classes"][0]
    assert record["name"] == "Tree"
    assert record["digest"].startswith("sha256:")
    assert record["doc"] == "A tree on a frame.\n\nMore about it."
    assert record["properties"] == [{"name": "name", "type": {"type": "str"}, "doc": "What it is called."}]
    assert [m["name"] for m in record["methods"]] == ["prune", "plant", "table", "pick", "odd"]


def test_method_types_defaults_and_docs() -> None:
    prune = _method("prune")
    assert prune["kind"] == "instance"
    to, how, only = prune["params"]
    assert (to["type"], to["required"], to["doc"]) == ({"type": "int"}, True, "How many branches are left.")
    assert how["type"] == {"type": "literal", "choices": ["hard", "soft"]}
    assert how["default"] == "soft"
    assert only["type"] == {"type": "optional", "of": {"type": "list", "of": {"type": "str"}}}
    assert only["kind"] == "keyword_only"
    assert prune["returns"] == {"type": "object", "class": "Tree"}
    assert prune["doc"]["returns"] == "The same tree."
    assert prune["doc"]["raises"] == {"EspalierError": "`bad_argument`, when: nothing is left."}


def test_class_methods_containers_and_default_text() -> None:
    plant = _method("plant")
    assert plant["kind"] == "classmethod"
    assert plant["params"][0]["type"] == {"type": "mapping", "of": {"type": "float"}}
    assert plant["params"][1]["type"] == {"type": "json"}
    assert plant["params"][1]["default_text"] == "(1,)"
    assert plant["params"][2]["type"] == {"type": "record", "class": "Pot"}
    assert plant["returns"] == {"type": "list", "of": {"type": "object", "class": "Tree"}}
    assert _method("table")["returns"] == {"type": "frame"}


def test_data_and_positions_are_marked() -> None:
    pick = _method("pick")
    assert [param["type"] for param in pick["params"]] == [
        {"type": "list", "of": {"type": "index"}},
        {"type": "data"},
        {"type": "optional", "of": {"type": "index"}},
    ]
    assert pick["returns"] == {"type": "data"}


def test_an_unknown_type_is_named_not_guessed() -> None:
    odd = _method("odd")
    assert odd["params"][0]["type"]["type"] == "unknown"
    assert "int" in odd["params"][0]["type"]["text"]
    assert odd["params"][1]["kind"] == "var_positional"


def test_a_class_without_identity_is_refused() -> None:
    class Bare:
        """No identity."""

    with pytest.raises(TypeError, match="Bare has no _from_identity"):
        describe([Bare])


def test_docstring_of_nothing() -> None:
    assert parse_docstring(None) == {"text": "", "args": {}, "returns": "", "raises": {}}


def test_frame_refuses_uneven_columns_and_unknown_kinds() -> None:
    frame = Frame({"a": [1, None], "b": ["x", "y"]}, {"a": "integer", "b": "string"})
    assert len(frame) == 2
    assert frame.rows() == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
    with pytest.raises(ValueError, match="different lengths"):
        Frame({"a": [1], "b": []}, {"a": "integer", "b": "string"})
    with pytest.raises(ValueError, match="column 'a': kind 'float'"):
        Frame({"a": [1]}, {"a": "float"})


def test_committed_api_is_current() -> None:
    if not API.exists():
        pytest.skip("tools/bindgen is not beside this copy of the core")
    assert json.loads(API.read_text("utf-8")) == describe(), "api.json is stale: run `make generate`"
