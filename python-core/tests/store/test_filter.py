"""The filter language: what SQL finds is what a plain reading of the tree finds, and nothing else gets through."""

import re
import sqlite3
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.store.index.fields import Field, seconds_at
from espalier.store.index.grammar import Compare, Group, Negation, Node, Order, parse_filter, parse_order
from espalier.store.index.rows import IN_MEMORY, Look, opened, store
from espalier.store.index.run_index import Query, RunIndex, query_of
from espalier.store.index.sql import Pattern
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NUMBERS = [0, 1, -2.5, 0.1, 1e300, 12]
TEXTS = ["", "a", "A", "prod", "it's", 'say "x"', "50%", "a_b", "é", "1", "`", "back\\slash", "--", "'; DROP TABLE runs"]
KEYS = ["m", "my key", "a.b", "x-y/z", 'q"q', "t`t"]


def cell(value: Any) -> Dict[str, Any]:
    kind = {bool: "logical", int: "integer", float: "double", str: "string"}[type(value)]
    return {"kind": kind, "value": "!" + value if isinstance(value, str) and value[:1] == "!" else value}


def row(number: int, **fields: Any) -> Dict[str, Any]:
    return {
        "run_id": f"e_1_{number:08x}", "experiment": "e", "status": "Completed",
        "created_at": f"2026-01-01T00:00:{number % 60:02d}.000000Z", "parent": None, **fields,
    }  # fmt: skip


def stored(run: Dict[str, Any]) -> Dict[str, Any]:
    """A run as its records have it: other values of its metrics apart from the last ones."""
    metrics = {name: {key: value for key, value in one.items() if key in ("kind", "value")} for name, one in (run.get("metrics") or {}).items()}
    ranges = {
        name: {key: value if value["kind"] != one["kind"] else value["value"] for key, value in one.items() if key not in ("kind", "value")}
        for name, one in (run.get("metrics") or {}).items()
    }
    return {**run, "metrics": metrics, "metric_ranges": ranges}


def index_of(rows: List[Dict[str, Any]]) -> sqlite3.Connection:
    database = opened(IN_MEMORY)
    for each in rows:
        store(database, stored(each), Look("00", 0, 0.0, None))
    return database


INDEX = RunIndex(WorkspacePaths("/nowhere"), lambda folder: {})


def found(database: sqlite3.Connection, text: Optional[str], **more: Any) -> List[str]:
    return [run_id[-2:] for run_id in INDEX.ids(database, query_of(text, **more))]


# ---- a plain reading of trees ------------------------------------------------------------------------------


def known_value(run: Dict[str, Any], field: Field) -> Any:
    """A run's value as the language sees it: None where there is none."""
    if not field.group:
        return run.get(field.key)
    value = (run.get(field.group) or {}).get(field.key)
    if not isinstance(value, dict):
        return value
    found = value.get(field.statistic, value) if field.statistic else value
    plain = None if found["value"] in ("!NA", "!NaN") else found["value"]
    return None if field.statistic in ("min", "max") and isinstance(plain, str) else plain


def holds(node: Node, run: Dict[str, Any]) -> Optional[bool]:
    """Kleene's logic; None is unknown."""
    if isinstance(node, Negation):
        inner = holds(node.part, run)
        return None if inner is None else not inner
    if isinstance(node, Group):
        parts = [holds(part, run) for part in node.parts]
        decisive = not node.every
        if decisive in parts:
            return decisive
        return None if None in parts else node.every
    value = known_value(run, node.field)
    if node.operator == "null":
        return value is None
    wanted = node.value if isinstance(node.value, tuple) else (node.value,)
    if node.field.group and isinstance(wanted[0], str) and not isinstance(value, str):
        wanted = tuple(float(each) for each in wanted if each == "1") if node.operator not in ("like", "ilike") else ()
    if node.field.group == "tags" and value == "1" and not isinstance(wanted[0], str):
        value = 1.0
    if value is None or not wanted or isinstance(value, str) != isinstance(wanted[0], str):
        return None
    if node.operator in ("like", "ilike"):
        pattern = re.escape(str(wanted[0])).replace("%", ".*").replace("_", ".")
        return bool(re.fullmatch(pattern, value, re.DOTALL | (re.IGNORECASE if node.operator == "ilike" else 0)))
    return {
        "in": value in wanted, "=": value == wanted[0], "!=": value != wanted[0], "<": value < wanted[0],
        "<=": value <= wanted[0], ">": value > wanted[0], ">=": value >= wanted[0],
    }[node.operator]  # fmt: skip


# ---- trees as text -----------------------------------------------------------------------------------------


def literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value).lower()


def text_of(node: Node) -> str:
    if isinstance(node, Negation):
        return f"NOT ({text_of(node.part)})"
    if isinstance(node, Group):
        return "(" + (" AND " if node.every else " or ").join(map(text_of, node.parts)) + ")"
    key = node.field.key.replace("`", "``")
    name = f"{node.field.group}.`{key}`" if node.field.group else node.field.key
    name = f"{node.field.statistic}({name})" if node.field.statistic else name
    if node.operator == "null":
        return f"{name} IS NULL"
    if isinstance(node.value, tuple):
        return f"{name} in ({', '.join(map(literal, node.value))})"
    return f"{name} {node.operator} {literal(node.value)}"


fields = st.one_of(
    st.builds(Field, st.sampled_from(["metrics", "tags", "params"]), st.sampled_from(KEYS), st.just("")),
    st.builds(Field, st.just("metrics"), st.sampled_from(KEYS), st.sampled_from(["first", "min", "max"])),
    st.builds(Field, st.just(""), st.sampled_from(["experiment", "display_name", "duration_seconds", "exit_code"]), st.just("")),
)
SIGNS = ["=", "!=", "<", "<=", ">", ">="]


@st.composite
def comparisons(draw: Any) -> Compare:
    field = draw(fields)
    texts = draw(st.booleans()) if field.group else field.key in ("experiment", "display_name")
    texts = texts and field.statistic not in ("min", "max")  # (which are numbers)
    operator = draw(st.sampled_from([*SIGNS, "in", "null", *(["like", "ilike"] if texts else [])]))
    if operator == "null":
        return Compare(field, "null", True)
    values = st.sampled_from(TEXTS if texts else NUMBERS)
    if operator in ("like", "ilike"):
        pieces = st.lists(st.sampled_from(["%", "_", "a", "A", "p", "é", "'"]), max_size=5).map("".join)
        return Compare(field, operator, draw(pieces))
    return Compare(field, operator, tuple(draw(st.lists(values, min_size=1, max_size=3))) if operator == "in" else draw(values))


trees = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.builds(Negation, inner),
        st.builds(Group, st.booleans(), st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
cells = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(TEXTS)).map(cell)
numbers = st.sampled_from(NUMBERS).map(cell)
series = st.builds(
    lambda last, *others: {**last, **{word: one for word, one in zip(("first", "min", "max"), others) if one}},
    cells, st.one_of(st.none(), cells, st.just({"kind": "double", "value": "!NaN"})), st.none() | numbers, st.none() | numbers,
)  # fmt: skip
runs = st.fixed_dictionaries(
    {
        "metrics": st.dictionaries(st.sampled_from(KEYS), series, max_size=3),
        "params": st.dictionaries(st.sampled_from(KEYS), cells, max_size=3),
        "tags": st.dictionaries(st.sampled_from(KEYS), st.sampled_from(TEXTS), max_size=3),
        "display_name": st.one_of(st.none(), st.sampled_from(TEXTS)),
        "duration_seconds": st.one_of(st.none(), st.sampled_from(NUMBERS)),
        "exit_code": st.one_of(st.none(), st.sampled_from([0, 1, 12])),
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(runs, max_size=6), trees)
def test_sql_and_a_plain_reading_agree(rows: List[Dict[str, Any]], tree: Node) -> None:
    table = [row(number, **fields) for number, fields in enumerate(rows)]
    # each key is known, with values of each kind, so that nothing is refused
    for number, value in ((98, "-"), (99, 0)):
        values = dict.fromkeys(KEYS, cell(value))
        table.append(row(number, metrics=values, tags=dict.fromkeys(KEYS, "1"), params=values))
    text = text_of(tree)
    assert parse_filter(text) == tree
    wanted = [each["run_id"][-2:] for each in table if holds(tree, each)]
    assert sorted(found(index_of(table), text)) == wanted


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab%_A\\", max_size=8), st.text(alphabet="abA%_\\\n", max_size=8), st.booleans())
def test_patterns_are_those_of_a_regular_expression(pattern: str, text: str, fold: bool) -> None:
    parts, letters = [], iter(pattern)
    for letter in letters:
        parts.append({"%": ".*", "_": "."}.get(letter) or re.escape(next(letters, "\\") if letter == "\\" else letter))
    wanted = re.fullmatch("".join(parts), text, re.DOTALL | (re.IGNORECASE if fold else 0)) is not None
    assert Pattern(pattern, fold).matches(text) == wanted


def test_a_pattern_that_would_take_for_ever() -> None:
    assert not Pattern("%a" * 5000 + "b", fold=True).matches("a" * 20_000)
    assert not Pattern("%_a_" * 50 + "b", fold=False).matches("a" * 2000)


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.fixture
def two() -> sqlite3.Connection:
    return index_of(
        [
            row(1, metrics={"auc": cell(0.9)}, tags={"stage": "prod", "n": "10"}, params={"lr": cell(0.5), "model": cell("glm")}),
            row(2, metrics={"auc": cell(0.7), "loss": cell(float(3))}, tags={"stage": "dev"}, params={"scale": cell(True)}),
        ]
    )


def refusal_of(text: Optional[str], database: sqlite3.Connection, **more: Any) -> str:
    with pytest.raises(EspalierError) as caught:
        found(database, text, **more)
    assert caught.value.code == "bad_filter"
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "1 = 1", "experiment = 'e' OR 1=1", "experiment = 'e'; DROP TABLE runs", "experiment = 'e' --", "'", "\"", "metrics.`auc",
        "metrics.auc > '", "(metrics.auc > 1", "metrics.auc > 1)", "metrics.auc > 1 and", "and", "metrics.auc", "metrics.auc >",
        "metrics.auc > metrics.loss", "metrics.auc in ()", "metrics.auc in (1,)", "metrics.auc is 1", "not", "metrics.auc like 5",
        "metrics. > 1", "metrics.auc == = 1", "metrics.auc not > 1", "select * from runs", "r.n = 1", "runs.n > 0", "rowid = 1",
        "shard = '00'", "host = 'x'", "metrics.auc > 0.8 metrics.auc", "experiment = 5", "exit_code = 'x'", "exit_code like '1%'",
        "status = 'Complete'", "created_at > 'yesterday'", "created_at > '2026-13-01'", "metrics.auc in (1, 'a')", "\0", "metrics.auc > 0x10",
        *(f"created_at > '{time}'" for time in (
            "0000-01-01", "2026-00-01", "2026-02-29", "2026-01-00", "2026-01-01T24:00", "2026-01-01T00:60", "2026-01-01T00:00:60",
            "2026-01-01T00:00:99", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60", "2026-01-01T00:00:99+99:99",
        )),
        "min(tags.stage) = 'x'", "max(params.lr) > 1", "min(status) = 'x'", "min(metrics.auc", "min metrics.auc > 1", "min(metrics.auc > 1)",
        "min() > 1", "min(metrics.auc, 1) > 1", "min(min(metrics.auc)) > 1", "mean(metrics.auc) > 1", "min(metrics.none) > 1",
        "min(metrics.auc) > 'high'", "min(metrics.auc) like '0%'", "max(metrics.`auc) > 1",
        "duration_seconds > true", "metrics.AUC > 1", "tags.stge = 'x'", "statsu = 'Failed'", "metric.auc.x > nan",
        "metrics.none > 1", "metrics.none is null", "not tags.none = 'x'", "metrics.auc > 'high'", "params.model > 3", "params.scale = 'yes'",
        "params.scale = '1'", "params.lr like '0%'", "tags.stage > 3", "not params.model = true", "metrics.auc in ('a', 'b')",
    ],
)  # fmt: skip
def test_refused(two: sqlite3.Connection, text: str) -> None:
    assert refusal_of(text, two).startswith("Can't filter or sort the runs: ")


@pytest.mark.parametrize(
    "text",
    ["(" * 10_000 + "metrics.auc > 1" + ")" * 10_000, "not " * 10_000 + "metrics.auc > 1", "x" * 1_000_000,
     " and ".join(["metrics.auc > 1"] * 10_000), f"run_id in ({', '.join(['1'] * 60_000)})"],
)  # fmt: skip
def test_too_large(two: sqlite3.Connection, text: str) -> None:
    assert len(refusal_of(text, two)) < 900


def test_as_large_as_it_may_be(two: sqlite3.Connection) -> None:
    assert found(two, "(" * 50 + "metrics.auc > 0.8" + ")" * 50) == ["01"]
    assert found(two, " or ".join(["metrics.auc > 0.8"] * 500)) == ["01"]
    assert found(two, " and ".join(f"(exit_code is null or {part})" for part in ["tags.stage = 'prod'"] * 250)) == ["02", "01"]
    assert found(two, f"metrics.auc in ({', '.join(['0.9'] * 10_000)})") == ["01"]


@pytest.mark.parametrize(
    "text,words",
    [
        ("metrics.AUC > 1", "Did you mean `metrics.auc`?"), ("metrics.acu > 1", "Did you mean `metrics.auc`?"), ("statsu = 'Failed'", "Did you mean `status`?"),
        ("status = 'failed'", "Did you mean 'Failed'?"), ("metrcs.auc > 1", "Did you mean `metrics`?"),
        ("metrics.auc > 0.8 and tags.stage = 'prod", "a quote is never closed.\nAt: 'prod"),
        ("metrics.acc1 > 1", "no run has metrics.acc1.\nRuns have metrics.auc, metrics.loss."), ("stage = 'prod'", "Did you mean `tags.stage`?"),
        ("auc > 0.8", "Did you mean `metrics.auc`?"), ("AUC > 0.8", "Did you mean `metrics.auc`?"), ("zzz = 1", "There are metrics.NAME"),
        ("metrics.auc > 'high'", "the values of metrics.auc are numbers.\nAt: high\nCompare it with a number without quotes."),
        ("params.model > 3", "params.model are texts.\nAt: 3\nCompare it with a text in quotes."),
        ("params.scale = 'yes'", "are true or false.\nAt: yes\nCompare it with true or false."),
        ("metrics.auc > 1 & metrics.loss > 1", "Write `and`."), ("metrics.auc > 1 || metrics.loss > 1", "Write `or`."),
        ("! metrics.auc > 1", "Write `not`."), ("metrics.auc = NULL", "Write `is null`"), ("metrics.auc == NA", "Write `is null`"),
        ("metrics.auc >> 2", "a number or a text in quotes was expected.\nAt: > 2"),
    ],
)  # fmt: skip
def test_refusals_say_what_to_do(two: sqlite3.Connection, text: str, words: str) -> None:
    assert words in refusal_of(text, two)


# ---- what is meant -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text,wanted",
    [
        ("", "02 01"), ("metrics.auc > 0.8", "01"), ("metric.auc>=.9", "01"), ("metric_auc < 0.8 AND tag_stage = 'dev'", "02"),
        ("params.lr = 0.5", "01"), ("params.lr = '.50'", "01"), ("metrics.auc > '0.8'", "01"), ("metrics.auc in ('0.9', 'x')", "01"),
        ("not metrics.auc > '1e-1'", ""), ("params.scale = 'TRUE'", "02"), ("params.scale = 'false'", ""), ("params.scale = true", "02"),
        ("tags.n > 9", "01"), ("tags.n = '10'", "01"), ("tags.n < '9'", "01"), ("tags.stage > '1'", "02 01"), ('parameters."lr" = 0.5', "01"), ("run.experiment_name = 'e'", "02 01"),
        ("properties.nothing > 1", ""), ("properties.nothing is null", "02 01"), ("metrics.loss is not null", "02"),
        ("not metrics.loss > 1", ""), ("metrics.loss != 1", "02"), ("tags.stage like 'p%'", "01"), ("tags.stage not like 'p%'", "02"),
        ("tags.stage ILIKE 'PR_D'", "01"), ("tags.stage LIKE 'P%'", ""), ("attributes.created_at > '7 weeks ago'", "CREATED"),
        ("created_at >= '2026-01-01T00:00:02Z'", "02"), ("created_at > '2026-01-01 01:00:01+01:00'", "02"), ("children = 0", "02 01"),
        ("created_at > '2025-12-31 19:30:01-04:30'", "02"), ("created_at > '0001-01-01T00:00+23:59'", "02 01"),
        ("created_at < '9999-12-31T23:59:59.999999-23:59'", "02 01"), ("created_at > '2026-01-01T00:00:01.5'", "02"),
        ("tags.stage not in ('prod', 'x')", "02"), ("run_id like '%01'", "01"), ("metrics.auc > 1e999", ""),
    ],
)  # fmt: skip
def test_found(two: sqlite3.Connection, text: str, wanted: str) -> None:
    assert found(two, text) == (wanted.split() if wanted != "CREATED" else found(two, f"created_at > {seconds_at('7 weeks')}"))


@pytest.mark.parametrize("most,wanted", [(0, []), (1, ["02"]), (2**31, ["02", "01"]), (2**63 - 1, ["02", "01"]), (2**64, ["02", "01"])])
def test_any_number_of_results(two: sqlite3.Connection, most: int, wanted: List[str]) -> None:
    assert found(two, "", max_results=most) == wanted


def test_sorted() -> None:
    values: List[Any] = [3, None, 1.5, float("inf"), 2]
    rows = [row(at, metrics={} if value is None else {"m": cell(value)}) for at, value in enumerate(values)]
    rows[1]["metrics"] = {"m": {"kind": "double", "value": "!NaN"}}
    rows[3]["metrics"] = {"m": {"kind": "double", "value": "!Inf"}}
    database = index_of(rows)
    assert found(database, "", order_by=["metrics.m"]) == ["02", "04", "00", "03", "01"]
    assert found(database, "", order_by=["metrics.m DESC"]) == found(database, "", order_by=["-metric_m"]) == ["03", "00", "04", "02", "01"]
    assert found(database, None, order_by=["tags.none DESC", "attributes.created_at ASC"]) == ["00", "01", "02", "03", "04"]
    assert found(database, None, max_results=2) == ["04", "03"]
    for bad in ("metrics.none", "-m", "metrics.m UP", "", "1", "metrics.m DESC, x", "-", "metrics.M", "--metrics.m"):
        refusal_of(None, database, order_by=[bad])
    refusal_of(None, database, order_by=["metrics.m"] * 21)
    assert parse_order(["-metrics.m"]) == [Order(Field("metrics", "m"), True)]


def logged(*values: Any) -> Dict[str, Any]:
    """A metric logged several times."""
    ends = {"first": values[0], "min": min(values), "max": max(values)}
    return {**cell(values[-1]), **{word: cell(value) for word, value in ends.items() if value != values[-1]}}


def test_first_least_and_largest_values() -> None:
    series: List[Any] = [(3.0, 1.0, 2.0), (5.0,), (4.0, 9.0, 0.5), (7.0, 2.5)]
    database = index_of([row(at, metrics={"m": logged(*values), "m.min": cell(1)}) for at, values in enumerate(series)])
    assert found(database, "min(metrics.m) < 2") == found(database, "MIN(metric_m) < 2") == ["02", "00"]
    assert found(database, "max(metrics.`m`) > 4 and first(metrics.m) > 4") == ["03", "01"]
    assert found(database, "last(metrics.m) = 2") == found(database, "metrics.m = 2") == ["00"]
    assert found(database, "not min(metrics.m) < 2") == ["03", "01"] and len(found(database, "metrics.m.min = 1")) == 4
    assert found(database, None, order_by=["-max(metrics.m)"]) == ["02", "03", "01", "00"]
    assert found(database, None, order_by=["min(metric_m) DESC"]) == ["01", "03", "00", "02"]
    frame = INDEX.frame(database, query_of("max(metrics.m) > 0 and first(metrics.m) in (3, 4)", ["min(metrics.m)"]))
    assert {name: values for name, values in frame.columns.items() if "(" in name} == {
        "max(metric_m)": [9.0, 3.0], "first(metric_m)": [4.0, 3.0], "min(metric_m)": [0.5, 1.0],
    }  # fmt: skip
    assert frame.columns["metric_m"] == [0.5, 2.0] and frame.kinds["min(metric_m)"] == "double"


def test_values_of_a_metric_of_several_kinds() -> None:
    nan = {"kind": "double", "value": "!NaN"}
    database = index_of([
        row(0, metrics={"m": {**cell(2), "min": cell(0.5), "first": cell(1)}}),
        row(1, metrics={"m": {**cell("bad"), "min": cell(3), "max": cell(4), "first": cell("start")}}),
        row(2, metrics={"m": {**nan, "min": cell(1), "max": cell(8), "first": cell(8)}}),
        row(3, metrics={"m": {**cell(6), "first": nan, "min": cell(6)}}),
        row(4, metrics={"m": nan}), row(5, metrics={"m": cell(2)}),
    ])  # fmt: skip
    assert found(database, "min(metrics.m) > 0.4", order_by=["min(metrics.m)"]) == ["00", "02", "05", "01", "03"]
    assert found(database, "first(metrics.m) is null") == ["04", "03"]
    assert found(database, "min(metrics.m) is null") == ["04"] and found(database, "metrics.m is null") == ["04", "02"]
    assert found(database, "first(metrics.m) = 'start'") == found(database, "first(metrics.m) like 's%'") == ["01"]
    assert found(database, "max(metrics.m) = '8'") == ["02"]
    frame = INDEX.frame(database, query_of(None, ["run_id", "min(metrics.m)", "first(metrics.m)"]))
    assert frame.columns["min(metric_m)"] == [0.5, 3.0, 1.0, 6.0, None, 2.0]
    # (the last value of run 4 is NaN, which is as the first)
    assert frame.columns["first(metric_m)"] == ["1", "start", "8", None, "NaN", "2"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([None, 1, 2, 2.5, "!NaN"]), max_size=9), st.integers(1, 4), st.sampled_from(["metrics.m", "-metrics.m", "exit_code"]))
def test_pages_are_the_whole(values: List[Any], size: int, order: str) -> None:
    rows = [row(at, metrics={} if v is None else {"m": {"kind": "double", "value": v}}) for at, v in enumerate(values)]
    database = index_of([*rows, row(99, metrics={"m": cell(1)})])
    pages, token = [], None
    while True:
        query = query_of(None, [order], size, token)
        pages += [run_id[-2:] for run_id in INDEX.frame(database, query).columns["run_id"]]
        token = INDEX.frame(database, query).page_token
        if token is None:
            break
    assert pages == found(database, None, order_by=[order])


def test_forged_page_tokens(two: sqlite3.Connection) -> None:
    token = INDEX.frame(two, query_of(None, None, 1)).page_token
    assert token is not None and found(two, None, max_results=1, page_token=token) == ["01"]
    letters = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token) - 2, 5)]
    for forged in [*letters, "", "x", token + "AAAA", token[:-4], "é", "A" * 1_000_000]:
        refusal_of(None, two, max_results=1, page_token=forged)
    refusal_of("metrics.auc > 0.1", two, max_results=1, page_token=token)
    refusal_of(None, two, max_results=1, page_token=token, order_by=["metrics.auc"])
    other = RunIndex(WorkspacePaths("/elsewhere"), lambda folder: {})
    with pytest.raises(EspalierError, match="page token"):
        other.ids(two, Query(limit=1, page_token=token))


def test_a_name_that_no_run_has_any_more(two: sqlite3.Connection) -> None:
    assert "Runs have tags." in refusal_of("tags.gone = 'x'", two)
    store(two, row(3, tags={"gone": "x"}), Look("00", 0, 0.0, None))
    assert found(two, "tags.gone = 'x'") == ["03"]
    store(two, row(3), Look("00", 0, 0.0, None))
    assert "Runs have tags." in refusal_of("tags.gone = 'x'", two)
    assert found(index_of([]), "metrics.auc > 0.8 and tags.stage = 'prod'", order_by=["-params.lr"]) == []


def test_columns_that_a_query_names_are_there_without_rows(two: sqlite3.Connection) -> None:
    frame = INDEX.frame(two, query_of("metrics.auc > 2 and not (tags.stage = 'x' or params.scale = true)", ["-params.lr", "status"]))
    assert len(frame) == 0
    named = {"metric_auc": "double", "tag_stage": "string", "param_scale": "logical", "param_lr": "double"}
    assert {name: frame.kinds[name] for name in frame.columns if name.startswith(("metric_", "tag_", "param_"))} == named
    frame = INDEX.frame(two, query_of("metrics.loss is null"))
    assert frame.columns["metric_loss"] == [None] and len(frame) == 1
    frame = INDEX.frame(index_of([]), query_of("metrics.auc > 1 and tags.a = 'x' and properties.p = 'x'"))
    assert frame.columns["metric_auc"] == frame.columns["tag_a"] == [] and "p" not in frame.columns


def test_through_a_workspace(experiment: Any, workspace: Any, tmp_path: Path) -> None:
    for value in (1, 2, 3):
        run = experiment.start_logging()
        run.log("m", value)
        run.complete()
    frame = experiment.list_runs(filter="metrics.m > 1", order_by=["-metrics.m"], max_results=1)
    assert frame.columns["metric_m"] == [3] and frame.page_token
    assert workspace.runs.list(False, "metrics.m > 1", ["-metrics.m"], 1).columns == frame.columns
    assert len(workspace.runs.list(filter="experiment = 'none'")) == 0
