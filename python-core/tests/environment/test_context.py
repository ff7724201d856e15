"""Build contexts: frozen when they come to a workspace, and kept as long as something refers to them."""

import contextlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import pytest
from espalier import Environment, EspalierError, Workspace
from espalier.base.store_paths import VersionPaths
from espalier.environment.context import freeze_context, frozen_context
from espalier.environment.definition import BuildContext, DockerSide


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY data /\n")
    (folder / "data").write_text("1\n")
    return folder


def definition(folder: Path, dockerfile: str = "Dockerfile") -> Environment:
    return Environment("e", docker=DockerSide(build_context=BuildContext(str(folder), dockerfile=dockerfile)))


@contextlib.contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Ends by a RuntimeError what waits longer."""

    def give_up(*_: object) -> None:
        raise RuntimeError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def context(environment: Environment) -> BuildContext:
    assert environment.docker is not None and environment.docker.build_context is not None
    return environment.docker.build_context


def test_registering_freezes_the_folder(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    first = workspace.environments.register(definition(folder))
    assert context(first).path is None and str(context(first).snapshot).startswith("sha256:")
    assert workspace.environments.get("e") == first
    assert workspace.environments.register(definition(folder)) == first
    (folder / "data").write_text("2\n")
    second = workspace.environments.register(definition(folder))
    assert second.version == "2" and context(second) != context(first)
    workspace.snapshots.download(str(context(first).snapshot), str(tmp_path / "out"))
    assert (tmp_path / "out" / "data").read_text() == "1\n"


def test_garbage_collection_sees_what_environments_refer_to(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    environment = workspace.environments.register(definition(folder))
    assert len(workspace.snapshots.collect_garbage(dry_run=False)) == 0
    workspace.snapshots.download(str(context(environment).snapshot), str(tmp_path / "out"))
    os.unlink(VersionPaths(os.path.join(workspace._paths.environments, "e")).version(1))
    assert len(workspace.snapshots.collect_garbage()) > 0


def test_what_is_not_registered_is_the_same_and_stays_for_the_block(workspace: Workspace, folder: Path) -> None:
    with frozen_context(workspace._paths, definition(folder)) as frozen:
        with pytest.raises(RuntimeError), _at_most(1):
            workspace.snapshots.collect_garbage(dry_run=False)
        assert freeze_context(workspace._paths, frozen) == frozen
    assert len(workspace.snapshots.collect_garbage(dry_run=False)) > 0
    registered = workspace.environments.register(definition(folder))
    assert context(registered) == context(frozen)
    with frozen_context(workspace._paths, registered) as same:
        assert same == registered and len(workspace.snapshots.collect_garbage(dry_run=False)) == 0


def test_garbage_collection_sees_what_runs_refer_to(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    frozen = workspace.environments.register(definition(folder))
    os.unlink(VersionPaths(os.path.join(workspace._paths.environments, "e")).version(1))
    run = workspace._paths.run("exp_1_0000000a")
    os.makedirs(run.root)
    spec = {"format": 1, "id": "exp_1_0000000a", "experiment": "exp", "snapshot": None, "environment": {"definition": frozen.record()}}
    Path(run.spec).write_text(json.dumps(spec))
    assert len(workspace.snapshots.collect_garbage(dry_run=False)) == 0
    workspace.snapshots.download(str(context(frozen).snapshot), str(tmp_path / "out"))


def test_a_damaged_record_stops_garbage_collection(workspace: Workspace, folder: Path) -> None:
    workspace.environments.register(definition(folder))
    file = Path(VersionPaths(os.path.join(workspace._paths.environments, "e")).version(1))
    for content in (file.read_text()[:-20], file.read_text().replace('"sha256:', '"sha256:x')):
        file.write_text(content)
        with pytest.raises(EspalierError) as caught:
            workspace.snapshots.collect_garbage(dry_run=False)
        assert caught.value.code == "damaged" and str(file) in caught.value.message


def test_what_cannot_be_frozen(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    for environment, code in [
        (definition(tmp_path / "none"), "source_missing"),
        (definition(folder, "other/Dockerfile"), "environment_invalid"),
        (definition(folder, "Dockerfile2"), "environment_invalid"),
        (Environment("e", docker=DockerSide(build_context=BuildContext(snapshot="sha256:" + "0" * 64))), "environment_invalid"),
    ]:
        with pytest.raises(EspalierError) as caught:
            workspace.environments.register(environment)
        assert caught.value.code == code
    assert not os.path.exists(workspace._paths.environments)


def test_a_frozen_context_is_registered_as_it_is(workspace: Workspace, folder: Path) -> None:
    first = workspace.environments.register(definition(folder))
    again = workspace.environments.register(replace(first, name="other", version=None))
    assert context(again) == context(first)
