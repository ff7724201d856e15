"""What runs can be filtered and sorted by: attributes, and the tags, parameters, metrics and properties of runs."""

import contextlib
import datetime
import difflib
import re
import time
from typing import Dict, Iterable, List, NamedTuple, Optional, Union

from espalier.base.errors import EspalierError

# The plain columns of a list, each with its kind.
ATTRIBUTES: Dict[str, str] = {
    "run_id": "string",
    "experiment": "string",
    "display_name": "string",
    "parent": "string",
    "children": "integer",
    "status": "string",
    "type": "string",
    "entry_script": "string",
    "commit": "string",
    "target": "string",
    "created_at": "time",
    "started_at": "time",
    "ended_at": "time",
    "duration_seconds": "double",
    "cpu_seconds": "double",
    "max_memory_bytes": "double",
    "exit_code": "integer",
    "error": "string",
}
# Those that runs are filtered and sorted by, and that a list shows where it is asked for them only.
ASKED_FOR: Dict[str, str] = {"archived_at": "time"}
KINDS: Dict[str, str] = {**ATTRIBUTES, **ASKED_FOR}
# What a run has any number of: each a table of the index, and what its columns in a list begin with.
GROUPS: Dict[str, str] = {"tags": "tag_", "params": "param_", "metrics": "metric_", "properties": ""}
# What these groups hold is text.
TEXTS = ("tags", "properties")
# Which value of a metric is meant that was logged several times; without one of these words the last.
STATISTICS = ("first", "last", "min", "max")
# As MLflow calls them.
_ALIASES = {
    "run_name": "display_name", "experiment_name": "experiment", "created": "created_at", "start_time": "started_at",
    "end_time": "ended_at",
}  # fmt: skip
_ATTRIBUTE_WORDS = ("attributes", "attribute", "attr", "run")
_GROUP_WORDS = {
    **{word: group for group in GROUPS for word in (group, group.rstrip("s"))},
    "property": "properties", "parameter": "params", "parameters": "params",
}  # fmt: skip
_AGO = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(second|minute|hour|day|week)s?(?:\s+ago)?\s*", re.IGNORECASE)
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?)?\s*(?:Z|([+-])(\d{2}):?([0-5]\d))?"
)
_SHOWN, _NAMES_SHOWN = 100, 5
_KEYS = "There are metrics.NAME, params.NAME, tags.NAME"
Value = Union[str, int, float, bool]


class Field(NamedTuple):
    """What a comparison or an order is about: an attribute (`group` is empty), or a key of one of the groups."""

    group: str
    key: str
    # Of a metric: `first`, `min` or `max` of its values; empty for the last one.
    statistic: str = ""

    def __str__(self) -> str:
        return self._named(f"{self.group}." if self.group else "")

    @property
    def column(self) -> str:
        """Its column in a table of runs."""
        return self._named(GROUPS.get(self.group, ""))

    def _named(self, prefix: str) -> str:
        name = prefix + self.key
        return f"{self.statistic}({name})" if self.statistic else name


def refusal(problem: str, piece: str, hint: str = "") -> EspalierError:
    """The error for a filter, an order or a page token that can't be read.

    Args:
        problem: Why not, without a full stop.
        piece: The part of the text that it is about.
    """
    shown = piece if len(piece) <= _SHOWN else piece[: _SHOWN - 3] + "..."
    message = f"Can't filter or sort the runs: {problem}." + (f"\nAt: {shown}" if shown.strip() else "")
    return EspalierError("bad_filter", message, hint, piece=shown)


def field_of(prefix: Optional[str], key: str) -> Field:
    """The field of a name. Whether it exists is checked where runs are known (sql.py).

    Args:
        prefix: What stands before the dot; None if nothing does.
        key: The name, or what stands behind the dot.

    Raises:
        EspalierError: `bad_filter`: another prefix.
    """
    if prefix is None or prefix in _ATTRIBUTE_WORDS:
        name = _ALIASES.get(key, key)
        for group, start in GROUPS.items():  # a column of the data frame
            if start and key.startswith(start) and len(key) > len(start):
                return Field(group, key[len(start) :])
        return Field("", name)
    if prefix in _GROUP_WORDS:
        return Field(_GROUP_WORDS[prefix], key)
    near = difflib.get_close_matches(prefix[:_SHOWN].lower(), [*GROUPS, "attributes"], 1, 0.5)
    hint = f"Did you mean `{near[0]}`?" if near else _KEYS + "."
    raise refusal(f"runs have no `{prefix[:_SHOWN]}.`", f"{prefix}.{key}", hint)


def statistic_of(word: str, field: Field) -> Field:
    """One of the values of a metric.

    Args:
        word: One of `STATISTICS`.

    Raises:
        EspalierError: `bad_filter`: the field isn't a metric.
    """
    if field.group != "metrics":
        hint = f"Write {word}(metrics.NAME)."
        raise refusal(f"only metrics have several values, {field} has one", f"{word}({field})", hint)
    return field._replace(statistic="" if word == "last" else word)


def no_attribute(key: str, keys: Iterable[Field]) -> EspalierError:
    """The error for a name without a prefix that isn't an attribute.

    Args:
        keys: The tags, parameters and metrics there are, of which it may be one.
    """
    meant: Dict[str, List[str]] = {name: [name] for name in [*KINDS, *_ALIASES]}
    for field in keys:
        meant.setdefault(field.key.lower(), []).append(str(field))
    near = difflib.get_close_matches(key[:_SHOWN].lower(), meant, 1, 0.5)
    found = " or ".join(f"`{name}`" for name in meant[near[0]][:3]) if near else ""
    hint = f"Did you mean {found}?" if found else f"{_KEYS}, and {', '.join([*KINDS, *_ALIASES])}."
    return refusal(f"runs have no attribute `{key[:_SHOWN]}`", "", hint)


def no_key(field: Field, names: Iterable[str]) -> EspalierError:
    """The error for a key that no run has, where runs have some of its group."""
    names = sorted(names)
    near = near_key(field.key, names)
    if near is not None:
        hint = f"Did you mean `{field._replace(key=near)}`?"
    else:
        shown = difflib.get_close_matches(field.key[:_SHOWN], names, _NAMES_SHOWN, 0.0)
        more = f", and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
        listed = ", ".join(str(field._replace(key=name[:_SHOWN])) for name in shown)
        hint = f"Runs have {listed}{more}."
    return refusal(f"no run has {field.group}.{field.key[:_SHOWN]}", "", hint)


def near_key(key: str, names: Iterable[str]) -> Optional[str]:
    """The one of some names that a key may have meant. (Names of a series differ in their numbers, and mean what they
    say.)"""
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(key.lower(), folded, 1, 0.65)
    if not near or (re.sub(r"\d", "", near[0]) == re.sub(r"\d", "", key.lower()) and near[0] != key.lower()):
        return None
    return folded[near[0]]


def seconds_at(text: str) -> float:
    """The time that a text of a filter stands for: ISO 8601, in UTC unless it says otherwise, or `7 days`, before now.
    Raises EspalierError: `bad_filter`."""
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time() - float(ago.group(1)) * _UNITS[ago.group(2).lower()]
    iso = _ISO.fullmatch(text.strip())
    if iso:
        hours, minutes = (int(f"{iso.group(8) or ''}{part or 0}") for part in iso.group(9, 10))
        with contextlib.suppress(ValueError):  # no such day, hour, minute, second or zone
            zone = datetime.timezone(datetime.timedelta(hours=hours, minutes=minutes))
            year, month, day, hour, minute, second = (int(part or 0) for part in iso.group(1, 2, 3, 4, 5, 6))
            whole = datetime.datetime(year, month, day, hour, minute, second, tzinfo=zone)
            return whole.timestamp() + float(iso.group(7) or 0)
    hint = 'Write "2026-03-01", "2026-03-01T12:00:00Z", or "7 days" ago, in seconds, minutes, hours, days or weeks.'
    raise refusal("it isn't a time", text, hint)
