"""What is registered: versions never change, equal ones are one, none is lost; aliases point to them and keep a history.

`KINDS` are the kinds that the contract is asked of: a new one is a new line.
"""

import json
import os
import signal
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest
from bare import bare
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.store_paths import LAST_VERSION, VersionPaths, version_of_record
from espalier.environment.registered import _KIND as ENVIRONMENTS
from espalier.store import versions as module
from espalier.store.versions import Kind, Versions
from hanging import not_hanging
from hypothesis import given, settings
from hypothesis import strategies as st

PLAIN = Kind("model", "environment_missing", "environment_damaged", "Register one.")
KINDS: Dict[str, Tuple[Kind, List[Dict[str, Any]]]] = {
    "plain": (PLAIN, [{"a": 1}, {"a": 2}, {}]),
    "environments": (ENVIRONMENTS, [{"name": "tidy"}, {"name": "tidy", "shm_size": "2g"}, {"name": "tidy", "description": "x"}]),
}


@pytest.fixture
def paths(tmp_path: Path) -> WorkspacePaths:
    return bare(tmp_path / "ws")


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def versions(paths: WorkspacePaths, kind: str) -> Versions:
    return versions_of(paths.root, kind)


@pytest.fixture
def definitions(kind: str) -> List[Dict[str, Any]]:
    return KINDS[kind][1]


def versions_of(root: str, kind: str) -> Versions:
    return Versions(WorkspacePaths(root), os.path.join(root, "kinds"), KINDS[kind][0])


def place(versions: Versions) -> VersionPaths:
    return VersionPaths(os.path.join(versions._top, "tidy"))


def refusal(call: Callable[..., Any], *given: Any) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        call(*given)
    assert caught.value.hint and "\n" not in caught.value.message
    return caught.value


# ---- versions


def test_equal_ones_are_one_version(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    one, two, three = definitions
    assert [versions.register("tidy", each).number for each in (one, one, two, two, one, three)] == [1, 1, 2, 2, 3, 4]
    assert versions.register("other", one).number == 1
    assert versions.names() == ["other", "tidy"] and versions.numbers("tidy") == [1, 2, 3, 4]
    assert versions.numbers("none") == []


def test_a_candidate_stays_what_it_is(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    for each in definitions:
        versions.register("tidy", each)
    assert versions.register("tidy", definitions[0], candidate=1).number == 1
    assert versions.register("tidy", definitions[2], candidate=1).number == 3
    for candidate in (2, 0, -1, 99):
        versions.register("tidy", definitions[1])
        assert versions.register("tidy", definitions[1], candidate=candidate).number in (2, versions.numbers("tidy")[-1])


def test_what_is_read_is_what_was_registered(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    for each in definitions:
        kept = versions.register("tidy", each)
        assert versions.read("tidy", kept.number) == versions.find("tidy") == versions.find("tidy", str(kept.number)) == kept
        assert {**kept.definition, **each, "name": "tidy", "version": str(kept.number)} == kept.definition
        assert str(kept.registered_at).endswith("Z")


def test_what_is_not_there(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    missing = KINDS["plain"][0].missing
    assert refusal(versions.find, "tidy").code == missing
    versions.register("tidy", definitions[0])
    for wrong in ("0", "2", "01", "-1", "../1", "x", "", "a\n", "1.0", "v1"):
        assert refusal(versions.find, "tidy", wrong).code == missing
    assert refusal(versions.read, "tidy", 2).code == missing
    assert "but 1." in refusal(versions.find, "tidy", "7").message


@pytest.mark.parametrize("name", ["", "..", "../tidy", "a/b", "/tidy", "a\n", "-a", "é", "a" * 129, 5, None])
def test_names(versions: Versions, name: Any) -> None:
    for call in (versions.numbers, versions.find, versions.aliases, lambda name: versions.register(name, {})):
        assert refusal(call, name).code == "bad_name"
    versions.register("tidy", KINDS["environments"][1][0])
    assert refusal(versions.set_alias, "tidy", name, 1).code == "bad_name"


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"x"], ids=repr)
def test_what_is_not_json_is_refused(paths: WorkspacePaths, value: Any) -> None:
    versions = versions_of(paths.root, "plain")
    assert refusal(versions.register, "tidy", {"a": value}).code == "bad_argument"
    assert refusal(versions.register, "tidy", {"a": "x" * (17 << 20)}).code == "bad_argument"
    assert versions.names() == []


DAMAGE = [
    b"", b"{", b"[]", b"{}", b'{"format": 1}', b'{"format": 1, "definition": 5}', b'{"format": 1, "definition": {"name": "x"}}',
    b'{"format": 1, "definition": {"name": "tidy", "version": "2"}}',
    b"[" * 100_000, b'{"format": 1, "definition": [["name", "tidy"]]}', b"\xff\xfe",
]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGE, ids=range(len(DAMAGE)))
def test_damaged_ones(versions: Versions, definitions: List[Dict[str, Any]], content: bytes) -> None:
    versions.register("tidy", definitions[0])
    path = Path(place(versions).version(1))
    path.write_bytes(content)
    error = refusal(versions.find, "tidy")
    assert error.code == "environment_damaged" and error.fields["path"] == str(path) and str(path) in error.message
    assert versions.register("tidy", definitions[0]).number == 2, "it hides nothing"
    assert versions.find("tidy", "2").number == 2


def test_what_lies_in_the_place_of_a_version(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    versions.register("tidy", definitions[0])
    top = Path(place(versions).root)
    os.mkfifo(top / "2.json")
    (top / "3.json").mkdir()
    (top / "4.json").symlink_to("/nowhere")
    for name in ("01.json", ".tmp-1-ab", "x.json", "5.json~", "-6.json", "9999999999.json"):
        (top / name).write_text("x")
    assert versions.numbers("tidy") == [1, 2, 3, 4]
    assert [refusal(versions.read, "tidy", number).code for number in (2, 3)] == ["environment_damaged"] * 2
    assert versions.register("tidy", definitions[1]).number == 5
    (top.parent / "file").write_text("x")
    (top.parent / "no name").mkdir()
    assert versions.names() == ["tidy"]


def test_the_last_number(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    """A file that somebody put there: it was tried for ever, and a file made that is no version."""
    versions.register("tidy", definitions[0])
    Path(place(versions).version(LAST_VERSION)).write_text("{}")
    with not_hanging():
        error = refusal(versions.register, "tidy", definitions[1])
    assert error.code == "environment_damaged" and str(LAST_VERSION) in error.message
    assert sorted(os.listdir(place(versions).root)) == ["1.json", f"{LAST_VERSION}.json"]
    assert [*map(version_of_record, ("999999999.json", "1000000000.json"))] == [LAST_VERSION, 0]


def test_newer_ones_are_left_alone(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    versions.register("tidy", definitions[0])
    Path(place(versions).version(1)).write_text('{"format": 99}')
    assert refusal(versions.find, "tidy").code == "newer_format"
    assert versions.register("tidy", definitions[0]).number == 2


def test_a_disk_that_takes_nothing(versions: Versions, definitions: List[Dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    versions.register("tidy", definitions[0])

    def full(*args: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "create_file", full)
    monkeypatch.setattr(module, "replace_record", full)
    assert refusal(versions.register, "tidy", definitions[1]).code == "workspace_read_only"
    assert refusal(versions.set_alias, "tidy", "best", 1).code == "workspace_read_only"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), min_size=1, max_size=6))
def test_versions_are_the_changes(registered: List[Dict[str, Any]]) -> None:
    """A version for each definition that differs from the one before it, as JSON; and each comes back as it was."""
    with tempfile.TemporaryDirectory() as root:
        versions = Versions(WorkspacePaths(root), os.path.join(root, "kinds"), PLAIN)
        texts: List[str] = []
        for each in registered:
            text = json.dumps({**each, "name": 0, "version": 0}, sort_keys=True)
            texts += [text] if texts[-1:] != [text] else []
            assert versions.register("tidy", each).number == len(texts)
        for number, text in enumerate(texts, 1):
            assert json.dumps({**versions.read("tidy", number).definition, "name": 0, "version": 0}, sort_keys=True) == text


# ---- several processes


def _register(job: Tuple[str, str, Dict[str, Any]]) -> int:
    root, kind, definition = job
    return versions_of(root, kind).register("tidy", definition).number


def _move(job: Tuple[str, int]) -> None:
    versions_of(job[0], "plain").set_alias("tidy", "best", job[1])


def test_writers_at_once_get_consecutive_versions(paths: WorkspacePaths) -> None:
    jobs = [(paths.root, "plain", {"n": number}) for number in range(40)]
    with ProcessPoolExecutor(4) as pool:
        numbers = list(pool.map(_register, jobs))
    assert sorted(numbers) == list(range(1, 41))
    versions = versions_of(paths.root, "plain")
    assert all(versions.read("tidy", number).definition["n"] == n for n, number in enumerate(numbers))
    assert not [name for name in os.listdir(place(versions).root) if name.startswith(".tmp")]


def test_writers_of_equal_ones_get_one_version(paths: WorkspacePaths, kind: str) -> None:
    with ProcessPoolExecutor(4) as pool:
        assert set(pool.map(_register, [(paths.root, kind, KINDS[kind][1][1])] * 40)) == {1}


def test_moves_at_once_are_all_in_the_history(paths: WorkspacePaths) -> None:
    versions = versions_of(paths.root, "plain")
    for number in range(8):
        versions.register("tidy", {"n": number})
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_move, [(paths.root, 1 + number % 8) for number in range(64)]))
    history = versions.alias_history("tidy", "best")
    assert [move.before for move in history] == [None, *(move.version for move in history[:-1])]
    assert {move.version for move in history} == set(range(1, 9))


@pytest.mark.parametrize("deed", ["register", "alias"])
def test_killed_at_any_act(paths: WorkspacePaths, deed: str) -> None:
    """The version, or the move, is there whole or not at all; and who comes next goes on."""
    versions = versions_of(paths.root, "plain")
    versions.register("tidy", {"n": 0})
    versions.set_alias("tidy", "best", 1)
    deeds = {"register": lambda: versions.register("tidy", {"n": 1}), "alias": lambda: versions.set_alias("tidy", "best", None)}
    acts, number = ("mkdir", "open", "write", "fsync", "link", "replace", "unlink"), 0
    while True:
        pid = os.fork()
        if pid == 0:
            _die_before(number, acts)
            deeds[deed]()
            os._exit(0)
        ended = os.waitpid(pid, 0)[1]
        assert ended in (0, signal.SIGKILL)
        assert [versions.read("tidy", each).definition["n"] for each in versions.numbers("tidy")] in ([0], [0, 1])
        assert versions.aliases("tidy") in ({"best": 1}, {})
        if ended == 0:
            break
        number += 1
    assert number >= 4
    done = versions.numbers("tidy") == [1, 2] if deed == "register" else versions.aliases("tidy") == {}
    assert done and len(versions.alias_history("tidy", "best")) == (1 if deed == "register" else 2)


def _die_before(number: int, acts: Tuple[str, ...]) -> None:
    left = [number]
    for name in acts:
        def act(*args: Any, _real: Callable[..., Any] = getattr(os, name), **more: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return _real(*args, **more)

        setattr(os, name, act)


# ---- aliases


def test_an_alias_points_and_keeps_its_history(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    for each in definitions:
        versions.register("tidy", each)
    for version in (1, 3, 3, None, 2):
        versions.set_alias("tidy", "production", version)
        assert versions.aliases("tidy") == ({"production": version} if version else {})
    assert versions.find("tidy", "production").number == 2
    history = versions.alias_history("tidy", "production")
    assert [(move.before, move.version) for move in history] == [(None, 1), (1, 3), (3, None), (None, 2)]
    assert all(move.by and move.at.endswith("Z") for move in history)
    assert [move.at for move in history] == sorted(move.at for move in history)


def test_an_alias_of_nothing(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    for deed in (lambda: versions.set_alias("tidy", "best", 1), lambda: versions.set_alias("tidy", "best", None)):
        assert refusal(deed).code == "environment_missing"
    versions.register("tidy", definitions[0])
    for version in (2, 0, None):
        assert refusal(versions.set_alias, "tidy", "best", version).code == "environment_missing"
    assert refusal(versions.alias_history, "tidy", "best").code == "environment_missing"
    versions.set_alias("tidy", "best", 1)
    versions.set_alias("tidy", "best", None)
    assert refusal(versions.find, "tidy", "best").code == "environment_missing"
    assert versions.aliases("tidy") == {} and versions.aliases("none") == {}


@pytest.mark.parametrize("alias", ["1", "01", "v1", "V2", "1.2", "v1.2-3", "1_2", "latest"])
def test_an_alias_does_not_look_like_a_version(versions: Versions, definitions: List[Dict[str, Any]], alias: str) -> None:
    versions.register("tidy", definitions[0])
    assert refusal(versions.set_alias, "tidy", alias, 1).code == "bad_name"
    assert refusal(versions.alias_history, "tidy", alias).code == "bad_name"


@pytest.mark.parametrize("alias", ["production", "v1-rc", "a.b", "x.json", "2024q1"])
def test_names_of_aliases(versions: Versions, definitions: List[Dict[str, Any]], alias: str) -> None:
    versions.register("tidy", definitions[0])
    versions.set_alias("tidy", alias, 1)
    assert versions.aliases("tidy") == {alias: 1} and versions.find("tidy", alias).number == 1


ALIAS_DAMAGE = [
    b"", b"{}", b'{"format": 1}', b'{"format": 1, "history": 5}', b'{"format": 1, "history": [5]}',
    b'{"format": 1, "history": [{"at": "x", "by": "y", "version": true}]}',
    b'{"format": 1, "history": [{"at": "x", "by": "y", "version": "../1"}]}',
]  # fmt: skip


@pytest.mark.parametrize("content", ALIAS_DAMAGE, ids=range(len(ALIAS_DAMAGE)))
def test_damaged_aliases(versions: Versions, definitions: List[Dict[str, Any]], content: bytes) -> None:
    versions.register("tidy", definitions[0])
    versions.set_alias("tidy", "best", 1)
    versions.set_alias("tidy", "other", 1)
    Path(place(versions).alias("best")).write_bytes(content)
    calls = [
        lambda: versions.find("tidy", "best"), lambda: versions.alias_history("tidy", "best"), lambda: versions.aliases("tidy"),
        lambda: versions.set_alias("tidy", "best", 1),
    ]  # fmt: skip
    assert [refusal(call).code for call in calls] == ["environment_damaged"] * len(calls)
    assert versions.find("tidy", "other").number == versions.find("tidy").number == 1


def test_an_alias_of_a_version_that_is_gone(versions: Versions, definitions: List[Dict[str, Any]]) -> None:
    for each in definitions[:2]:
        versions.register("tidy", each)
    versions.set_alias("tidy", "best", 1)
    os.unlink(place(versions).version(1))
    assert refusal(versions.find, "tidy", "best").code == "environment_missing"
