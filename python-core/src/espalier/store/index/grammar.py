"""The filter language: text to a tree of comparisons. That of MLflow's `search_runs`, with `or`, `not` and parentheses.

`metrics.auc > 0.8 and (tags.stage = 'prod' or attributes.created_at > '7 days') and min(metrics.loss) < 0.1`
"""

import re
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from espalier.store.index.fields import STATISTICS, Field, Value, field_of, refusal, statistic_of

# A longer text is no filter that a person wrote, and a deeper one would exhaust the stack, here or in SQLite.
_CHARACTERS, _DEPTH, _COMPARISONS, _VALUES, _ORDERS = 262_144, 50, 500, 10_000, 20
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<prefix>[^\W\d]\w*)\.(?:(?P<key>\w(?:[\w./:-]*\w)?)|`(?P<tick>(?:[^`]|``)+)`|"(?P<double>(?:[^"]|"")+)")
    | (?P<word>[^\W\d]\w*) | `(?P<quoted>(?:[^`]|``)+)`
    | (?P<sign><=|>=|!=|<>|==|[=<>(),+-])
    )""",
    re.VERBOSE,
)
_OPERATORS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_CONSTANTS = {"true": True, "false": False}
# What other languages write.
_SIGNS_MEANT = {"&": "`and`", "|": "`or`", "!": "`not`", "%": "`in`", "~": "`like`"}
_MISSING = ("null", "na", "none", "nan")
_KEYWORDS = ("and", "or", "not", "in", "like", "ilike", "is", "null", "asc", "desc", *_CONSTANTS)


class Compare(NamedTuple):
    """`operator` is one of `= != < <= > >= like ilike in null`. Of `in` the value is a tuple."""

    field: Field
    operator: str
    value: Union[Value, Tuple[Value, ...]]


class Negation(NamedTuple):
    """What isn't so. Of a run that lacks the value neither a comparison nor its opposite holds."""

    part: "Node"


class Group(NamedTuple):
    """Of several parts all hold, or any."""

    every: bool
    parts: "Tuple[Node, ...]"


Node = Union[Compare, Negation, Group]


class Order(NamedTuple):
    """A field to sort by. Runs without a value come last either way."""

    field: Field
    descending: bool


class _Token(NamedTuple):
    kind: str  # number, text, name, word (a keyword, or a name), sign, end
    value: Any
    at: int


def fields_of(node: Node) -> Iterator[Field]:
    """What a tree compares."""
    if isinstance(node, Compare):
        yield node.field
    for part in (node.part,) if isinstance(node, Negation) else node.parts if isinstance(node, Group) else ():
        yield from fields_of(part)


def parse_filter(text: str) -> Optional[Node]:
    """The tree of a filter; None for one that is empty. Raises EspalierError: `bad_filter`."""
    if len(text) > _CHARACTERS:
        raise refusal(f"the filter has {len(text):,} characters, and {_CHARACTERS:,} are the most", "")
    parser = _Parser(text)
    if parser.is_at("end"):
        return None
    node = parser.either(0)
    if not parser.is_at("end"):
        raise parser.refused("`and`, `or` or the end was expected")
    return node


def parse_order(entries: Sequence[str]) -> List[Order]:
    """What to sort by: names, each with `ASC` or `DESC` after it, or `-` before it, which is `DESC`. Raises
    EspalierError: `bad_filter`."""
    if len(entries) > _ORDERS:
        raise refusal(f"{len(entries):,} names to sort by are too many, {_ORDERS} are the most", "")
    return [_Parser(entry[:_CHARACTERS]).order() for entry in entries]


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            unbalanced = text[start] in "'\"`"
            problem = "a quote is never closed" if unbalanced else f"`{text[start]}` can't stand here"
            meant = _SIGNS_MEANT.get(text[start])
            raise refusal(problem, text[start:], f"Write {meant}." if meant else "")
        kind, at = str(found.lastgroup), found.end()
        yield _token(kind, found)
    yield _Token("end", None, end)


def _token(kind: str, found: "re.Match[str]") -> _Token:
    raw, at = found.group(kind), found.start(kind)
    if kind == "number":
        whole = raw.lstrip("+-").isdecimal() and len(raw) < 17
        return _Token(kind, int(raw) if whole else float(raw), at)
    if kind == "text":
        return _Token(kind, raw[1:-1].replace(raw[0] * 2, raw[0]), at - 0)
    if kind == "quoted":
        return _Token("name", (None, raw.replace("``", "`")), at - 1)
    if kind in ("key", "tick", "double"):
        quote = {"key": "", "tick": "`", "double": '"'}[kind]
        return _Token("name", (found["prefix"], raw.replace(quote * 2, quote) if quote else raw), found.start("prefix"))
    return _Token(kind, raw, at)


class _Parser:
    """A filter, or an entry of an order, and how far it has been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._comparisons = self._values = 0

    def is_at(self, kind: str, *words: str) -> bool:
        """Whether the next token is of a kind, and one of some words if any are given."""
        return self._next.kind == kind and (not words or self._next.value.lower() in words)

    def refused(self, problem: str, hint: str = "") -> Exception:
        piece = self._text[self._next.at :]
        return refusal(problem if piece.strip() else f"{problem}, not the end", piece or self._text, hint)

    def either(self, depth: int) -> Node:
        return self._group(depth, "or", self._every)

    def _every(self, depth: int) -> Node:
        return self._group(depth, "and", self._one)

    def _group(self, depth: int, word: str, part: Any) -> Node:
        parts = [part(depth)]
        while self._took("word", word):
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else Group(word == "and", tuple(parts))

    def _one(self, depth: int) -> Node:
        if depth > _DEPTH:
            raise refusal(f"it is nested more than {_DEPTH} levels deep", self._text[self._next.at :])
        if self._took("word", "not"):
            return Negation(self._one(depth + 1))
        if self._took("sign", "("):
            node = self.either(depth + 1)
            self._expect("sign", ")")
            return node
        return self._comparison()

    def _comparison(self) -> Node:
        self._comparisons += 1
        if self._comparisons > _COMPARISONS:
            raise refusal(f"it has more than {_COMPARISONS} comparisons", "", "Use IN for a list of values.")
        field = self._field()
        if self._took("word", "is"):
            negated = self._took("word", "not")
            self._expect("word", "null")
            return self._negated(Compare(field, "null", True), negated)
        negated = self._took("word", "not")
        if self._took("word", "in"):
            return self._negated(Compare(field, "in", self._list()), negated)
        if self.is_at("word", "like", "ilike"):
            operator = self._take().value.lower()
            if not self.is_at("text"):
                raise self.refused(f"a pattern in quotes was expected after {operator.upper()}")
            return self._negated(Compare(field, operator, self._take().value), negated)
        if negated or not (self.is_at("sign") and self._next.value in _OPERATORS):
            words = "=, !=, <, <=, >, >=, LIKE, ILIKE, IN or IS NULL"
            raise self.refused(f"{words} was expected after {field}")
        return Compare(field, _OPERATORS[self._take().value], self._value())

    @staticmethod
    def _negated(node: Node, negated: bool) -> Node:
        return Negation(node) if negated else node

    def _field(self) -> Field:
        if self.is_at("word", *STATISTICS):
            word = self._take().value
            if not self._took("sign", "("):  # an attribute, were there one of that name
                return field_of(None, word)
            field = statistic_of(word.lower(), self._name())
            self._expect("sign", ")")
            return field
        return self._name()

    def _name(self) -> Field:
        if self.is_at("name"):
            return field_of(*self._take().value)
        if self.is_at("word") and self._next.value.lower() not in _KEYWORDS:
            return field_of(None, self._take().value)
        raise self.refused("a name such as metrics.auc was expected")

    def _value(self) -> Value:
        self._values += 1
        if self._values > _VALUES:
            raise refusal(f"it has more than {_VALUES:,} values", "")
        if self.is_at("number") or self.is_at("text"):
            return self._take().value  # type: ignore[no-any-return]
        if self.is_at("word", *_CONSTANTS):
            return _CONSTANTS[self._take().value.lower()]
        hint = "Write `is null` for a value that is missing." if self.is_at("word", *_MISSING) else ""
        raise self.refused("a number or a text in quotes was expected", hint)

    def _list(self) -> Tuple[Value, ...]:
        self._expect("sign", "(")
        values = [self._value()]
        while self._took("sign", ","):
            values.append(self._value())
        self._expect("sign", ")")
        return tuple(values)

    def order(self) -> Order:
        descending = self._took("sign", "-")
        field = self._field()
        if self.is_at("word", "asc", "desc") and not descending:
            descending = self._take().value.lower() == "desc"
        if not self.is_at("end"):
            raise self.refused(f"ASC or DESC was expected after {field}")
        return Order(field, descending)

    def _took(self, kind: str, word: str) -> bool:
        if not self.is_at(kind, word):
            return False
        self._take()
        return True

    def _expect(self, kind: str, word: str) -> None:
        if not self._took(kind, word):
            raise self.refused(f"`{word}` was expected")

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token
