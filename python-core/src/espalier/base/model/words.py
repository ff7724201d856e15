"""The words of a job's command: what they stand for is looked up on the host that executes it (resolve.py)."""

from typing import Any, Dict, Tuple

from espalier.base.model.codec import Wrong
from espalier.base.model.record import Record

LITERAL, PARAMETER, INPUT, INTERPRETER, SCRIPT = "literal", "parameter", "input", "interpreter", "script"


class Part(Record):
    """A text, or the name of what has one: a parameter, an input, a language's interpreter, a script."""

    kind: str
    text: str


class Word(Record):
    """One word: parts that are joined. In a record it is a text, `{"input": "data"}`, or a list of these."""

    parts: Tuple[Part, ...]

    def record(self) -> Any:
        found = [part.text if part.kind == LITERAL else {part.kind: part.text} for part in self.parts]
        return found[0] if len(found) == 1 else found

    @staticmethod
    def read(value: Any) -> "Word":
        return Word(tuple(map(_part, value if isinstance(value, list) else (value,))))

    @staticmethod
    def schema() -> Dict[str, Any]:
        kinds = (LITERAL, PARAMETER, INPUT, INTERPRETER, SCRIPT)
        named = {"type": "object", "properties": {kind: {"type": "string"} for kind in kinds}, "maxProperties": 1}
        part = {"anyOf": [{"type": "string"}, {**named, "minProperties": 1}]}
        return {"anyOf": [*part["anyOf"], {"type": "array", "items": part}]}


def _part(value: Any) -> Part:
    if isinstance(value, str):
        return Part(LITERAL, value)
    # (a kind that a newer espalier has: what executes the word refuses it, others show it)
    if isinstance(value, dict) and len(value) == 1:
        ((kind, text),) = value.items()
        if isinstance(text, str):
            return Part(kind, text)
    raise Wrong('must be a text, or an object such as {"input": "data"}', value)


def word(kind: str, text: str) -> Word:
    """A word of one part."""
    return Word((Part(kind, text),))


def literal(text: str) -> Word:
    """A word that stands for itself."""
    return word(LITERAL, text)
