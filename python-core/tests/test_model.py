"""Records as typed values: every field comes back, and what is wrong is named."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple, Type

import pytest
from defined import defined
from espalier.base.errors import EspalierError
from espalier.base.model.codec import MORE, Wrong, decode, encode, read_as
from espalier.base.model.job import Input, JobEnv, JobEnvironment, JobSpec, Meta, Output
from espalier.base.model.record import Record
from espalier.base.model.status import Status, status_in
from espalier.base.model.ticket import TicketRecord
from espalier.base.model.words import Part, Word
from espalier.base.resources import Resources
from espalier.base.retry import Retry
from espalier.jobfile.fields import schema_of
from espalier.jobs.asked import Identity, Request, Wanted
from hypothesis import given
from hypothesis import strategies as st


class Leaf(Record):
    name: str
    count: int = 1
    share: Optional[float] = None

    def absent(self) -> Tuple[str, ...]:
        return ("share",)


class Branch(Record):
    leaf: Leaf
    leaves: Tuple[Leaf, ...] = ()
    words: Mapping[str, str] = {}
    flag: bool = False
    command: Tuple[Word, ...] = ()
    more: Mapping[str, Any] = {}


def test_null_and_absent_are_the_default() -> None:
    assert decode(Branch, {"leaf": {"name": "a", "count": None}, "words": None}) == Branch(Leaf("a"))


def test_what_a_newer_espalier_wrote_is_written_back() -> None:
    record = {"leaf": {"name": "a"}, "later": [1, {"x": None}]}
    found = decode(Branch, record)
    assert found.more == {"later": [1, {"x": None}]}
    assert encode(found)["later"] == record["later"] and "more" not in encode(found)
    assert encode(found)["leaf"] == {"name": "a", "count": 1}, "share is left out where it is none"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "`leaf` is missing"),
        ({"leaf": {}}, "`leaf.name` is missing"),
        ({"leaf": []}, "`leaf` must be an object"),
        ({"leaf": {"name": 5}}, "`leaf.name` must be text"),
        ({"leaf": {"name": "a", "count": True}}, "`leaf.count` must be a whole number"),
        ({"leaf": {"name": "a", "count": 1.5}}, "`leaf.count` must be a whole number"),
        ({"leaf": {"name": "a", "share": "x"}}, "`leaf.share` must be a number"),
        ({"leaf": {"name": "a", "share": float("nan")}}, "`leaf.share` must be a number"),
        ({"leaf": {"name": "a"}, "leaves": {"name": "a"}}, "`leaves` must be a list"),
        ({"leaf": {"name": "a"}, "leaves": [{"name": "a"}, {}]}, "`leaves.name` is missing"),
        ({"leaf": {"name": "a"}, "words": {"a": 1}}, "`words.a` must be text"),
        ({"leaf": {"name": "a"}, "flag": 1}, "`flag` must be true or false"),
        ({"leaf": {"name": "a"}, "command": [5]}, "`command` must be a text, or an object such as"),
        ({"leaf": {"name": "a"}, "command": [{"input": "a", "script": "b"}]}, "`command` must be a text, or an object"),
        ({"leaf": {"name": "a"}, "command": [["a", {"input": 1}]]}, "`command` must be a text, or an object such as"),
    ],
)
def test_a_wrong_field_is_named(record: Dict[str, Any], said: str, tmp_path: Any) -> None:
    with pytest.raises(Wrong):
        decode(Branch, record)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"format": 1, **record}))
    with pytest.raises(EspalierError, match=said) as caught:
        read_as(Branch, str(path))
    assert caught.value.code == "damaged" and str(path) in caught.value.message


def test_a_definition_has_defaults() -> None:
    spec = defined()
    assert (spec.resources, spec.retry, spec.how, spec.script, spec.container.network) == (Resources(), None, "session", "", "bridge")
    assert encode(spec)["resources"] == {"cpus": 1, "gpus": 0, "memory": None}
    assert "request" not in encode(spec) and "more" not in encode(spec)


@pytest.mark.parametrize(
    ("cls", "begin", "end"),
    [
        (JobSpec, "### spec.json", "### env.json"),
        (JobEnv, "### env.json", "### meta.json"),
        (Meta, "### meta.json", "### status.json"),
        (Status, "### status.json", "In a `prepare_failed` or"),
        (TicketRecord, "Of a ticket, and of a lease:", "`check` is the CRC-32"),
    ],
)
def test_the_documented_fields_are_those_of_the_class(cls: Type[Record], begin: str, end: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
    table = page[page.index(begin) : page.index(end)]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.M)
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(set(cls._fields) - {MORE})


def test_the_documented_fields_of_requests_are_those_of_the_class() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
    table = page[page.index("| `op` | further fields") : page.index("`parent` and `run` are runs below")]
    cells = [row.split("|")[2] for row in table.splitlines()[2:] if row]
    fields = {name.rstrip("_") for name in (*Request._fields, *Wanted._fields, *Identity._fields)} - {"op", "format"}
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == fields


def test_a_status_may_hold_anything() -> None:
    """A job can write it: what is of a wrong type counts as absent, and the rest is read."""
    status = decode(Status, {"state": "Running", "attempt": "many", "warnings": [1], "pid": True, "later": [1]})
    assert status == Status("Running", more={"later": [1]})
    assert status.record() == {"format": 1, "state": "Running", "attempt": 1, "later": [1]}
    assert status_in({"state": "Running", "collect_from": None}).is_recorded and not status.is_recorded


def test_a_record_is_never_changed() -> None:
    status = Status("Running")
    with pytest.raises(AttributeError, match="_replace"):
        status.state = "Completed"  # type: ignore[misc]
    assert status._replace(state="Completed").state == "Completed" and status.state == "Running"
    for wrong in ({"nothing": 1}, {}):
        with pytest.raises(TypeError, match="Leaf has the fields name, count, share"):
            Leaf(**wrong)
    assert repr(Leaf("a")) == "Leaf(count=1, share=None, name='a')" and Leaf("a") != Leaf("b")


@given(st.builds(Status, state=st.just("Running"), runners=st.integers(1, 9), pid=st.none() | st.integers(), warnings=st.lists(st.text()).map(tuple)))
def test_a_status_comes_back_from_its_record(status: Status) -> None:
    assert decode(Status, json.loads(json.dumps(status.record()))) == status


def test_a_lease_of_an_earlier_version_has_slots() -> None:
    assert decode(TicketRecord, {"slots": 0}).needs.cpus == 0 and decode(TicketRecord, {}).needs == Resources()
    assert decode(TicketRecord, {"cpus": -1, "gpus": "many", "memory": True}).needs == Resources()
    ticket = TicketRecord("e_1_00000000", "/r", attempt=2, wait_seconds=3.0, memory=5, more={"later": 1})
    assert decode(TicketRecord, json.loads(json.dumps(ticket.record()))) == ticket


def test_the_schema_says_what_is_decoded() -> None:
    schema = schema_of(Branch)
    assert schema["required"] == ["leaf"] and "more" not in schema["properties"]
    assert schema["properties"]["leaf"]["required"] == ["name"]
    assert schema["properties"]["leaves"]["items"]["properties"]["share"] == {"type": ["number", "null"]}
    assert schema["properties"]["words"]["additionalProperties"] == {"type": "string"}
    assert schema_of(JobSpec)["properties"]["params"]["additionalProperties"] == {}


TEXT = st.text(max_size=5)
SECONDS = st.none() | st.floats(0, 1e9)
INPUTS = st.lists(st.builds(Input, name=TEXT, path=TEXT, size=st.integers(0), digest=st.none() | TEXT), max_size=3)
PARTS = st.builds(Part, st.sampled_from(["literal", "parameter", "input", "interpreter", "script", "of a newer kind"]), TEXT)
WORDS = st.lists(st.builds(Word, st.lists(PARTS, max_size=3).map(tuple)), max_size=3).map(tuple)
SPECS = st.builds(
    JobSpec,
    id=TEXT,
    params=st.just({}),
    max_run_duration_seconds=SECONDS,
    queue_timeout_seconds=SECONDS,
    prepare_timeout_seconds=SECONDS,
    outputs=st.lists(st.builds(Output, TEXT, TEXT), max_size=2).map(tuple),
    parts=st.just(()),
    git=st.none(),
    docker=st.none(),
    working_copy=st.none(),
    experiment=TEXT,
    command=WORDS,
    arguments=WORDS,
    environment=st.none() | st.builds(JobEnvironment, key=TEXT, r=st.none(), python=st.none(), definition=st.none(), more=st.just({}), variables=st.dictionaries(TEXT, TEXT, max_size=2), name=st.none() | TEXT),
    inputs=INPUTS.map(tuple),
    resources=st.builds(Resources, cpus=st.integers(0, 9), memory=st.integers(0, 9)),
    retry=st.none() | st.builds(Retry, attempts=st.integers(1, 9), wait_seconds=st.floats(0, 9), factor=st.floats(1, 9), max_wait_seconds=st.floats(0, 9)),
    seed=st.none() | st.integers(),
    more=st.dictionaries(st.sampled_from(["later", "yet"]), st.integers(), max_size=2),
)


@given(SPECS)
def test_a_definition_comes_back_from_its_record(spec: JobSpec) -> None:
    record = json.loads(json.dumps(encode(spec)))
    assert decode(JobSpec, record) == spec
    assert encode(decode(JobSpec, record)) == record
