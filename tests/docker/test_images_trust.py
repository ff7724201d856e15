"""An image is ours when its signature or a record of the workspace says so: labels, tags and old digests prove nothing."""

import contextlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any, Callable, Iterator, List

import docker.errors
import pytest
from espalier.adapters.docker_images import build_image, find_image, tag_image
from espalier.api.workspace import Workspace
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.environment.definition import DockerSide, Environment
from espalier.provision.docker.archive import recipe_context
from espalier.provision.docker.chain import Image, ensure, tag_of
from espalier.provision.docker.record import read_image, write_image
from espalier.provision.docker.registries import Remote, set_remote
from espalier.provision.docker.signature import SHARED_KEY, is_ours

Make = Callable[..., Workspace]
_made: List[str] = []


def have(workspace: Workspace, wanted: Environment, **more: Any) -> Image:
    return ensure(workspace._paths, CachePaths(os.environ["ESPALIER_CACHE_DIR"]), wanted, lambda secret: "", **more)


@pytest.fixture(autouse=True)
def own_images(engine: Any, small_image: str) -> Iterator[None]:
    """Images that a test makes are gone after it."""
    before = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    yield
    after = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    for name in [*(after - before - {"<none>:<none>"}), *_made]:
        with contextlib.suppress(docker.errors.ImageNotFound):
            engine.api.remove_image(name, force=True)
    _made.clear()


@pytest.fixture
def wanted(small_image: str) -> Environment:
    return Environment("probe", docker=DockerSide(base_image=small_image, steps=("ENV PROBE=" + os.urandom(4).hex(),)))


def _committed(engine: Any, image: str, changes: List[str]) -> str:
    """What `docker commit` makes of a container of an image; labels are inherited."""
    container = engine.api.create_container(image, ["x"])["Id"]
    engine.api.put_archive(container, "/", _tar())
    made = engine.api.commit(container, changes=changes)
    engine.api.remove_container(container)
    _made.append(str(made["Id"]))
    return _made[-1]


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("foreign")
        member.size = 7
        tar.addfile(member, io.BytesIO(b"foreign"))
    return out.getvalue()


def _without_label(engine: Any, genuine: Image, small: str) -> str:
    return _committed(engine, small, [])


def _with_the_key(engine: Any, genuine: Image, small: str) -> str:
    return _committed(engine, small, [f"LABEL espalier.key={genuine.key} espalier.stage=system"])


def _with_all_labels(engine: Any, genuine: Image, small: str) -> str:
    labels = engine.api.inspect_image(genuine.id)["Config"]["Labels"]
    return _committed(engine, small, [f"LABEL {name}=\"{value}\"" for name, value in labels.items()])


def _with_another_signature(engine: Any, genuine: Image, small: str) -> str:
    return _committed(engine, small, [f"LABEL espalier.key={genuine.key} espalier.signature={'0' * 64}"])


def _committed_on_top(engine: Any, genuine: Image, small: str) -> str:
    return _committed(engine, genuine.id, [])


def _same_layers_another_program(engine: Any, genuine: Image, small: str) -> str:
    text = f"FROM {genuine.id}\nENTRYPOINT [\"/foreign\"]\n"
    _made.append(build_image(recipe_context(text, {}), "Dockerfile", lambda piece: None))
    return _made[-1]


FOREIGN = [
    _without_label, _with_the_key, _with_all_labels, _with_another_signature, _committed_on_top,
    _same_layers_another_program,
]  # fmt: skip


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("name", ["espalier/env", "espalier/stage"])
def test_in_the_engine(
    workspace: Make, wanted: Environment, small_image: str, engine: Any, foreign: Callable[..., str], name: str
) -> None:
    genuine = have(workspace(), wanted)
    content = engine.api.inspect_image(genuine.id)
    other = foreign(engine, genuine, small_image)
    assert not is_ours(find_image(other) or {}, genuine.key)
    for tag in content["RepoTags"]:
        engine.api.remove_image(tag)
    tag_image(other, name, hex_of(genuine.key))
    again = have(workspace("fresh"), wanted)
    assert again.found == "built"
    assert engine.api.inspect_image(again.id)["RootFS"] == content["RootFS"]
    assert engine.api.inspect_image(again.id)["Config"]["Entrypoint"] == content["Config"]["Entrypoint"]
    assert "isn't an image that espalier built" in "".join(again.notes)
    assert find_image(tag_of(genuine.key))["Id"] == again.id  # type: ignore[index]
    assert (read_image(workspace("fresh")._paths, genuine.key) or {})["image"] == again.id


def test_the_workspace_keeps_the_id_that_it_knew(workspace: Make, wanted: Environment, engine: Any) -> None:
    genuine = have(workspace(), wanted)
    other = _committed_on_top(engine, genuine, "")
    tag_image(other, *tag_of(genuine.key).split(":"))
    again = have(workspace(), wanted)
    assert (again.id, again.found) == (genuine.id, "local")
    assert "names the environment's image again" in "".join(again.notes)
    assert (read_image(workspace()._paths, genuine.key) or {})["image"] == genuine.id
    assert find_image(tag_of(genuine.key))["Id"] == genuine.id  # type: ignore[index]
    assert have(workspace(), wanted).notes == ()


@pytest.mark.parametrize("foreign", FOREIGN)
def test_in_a_registry(
    workspace: Make, wanted: Environment, small_image: str, registry: Any, engine: Any, foreign: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    genuine = have(workspace(), wanted)
    other = foreign(engine, genuine, small_image)
    _pushed(engine, other, registry.address, genuine.key)
    _forget(engine, genuine.id)
    monkeypatch.setenv("ESPALIER_SHARED_REGISTRY", registry.address)
    again = have(workspace("fresh"), wanted)
    assert again.found == "built"
    assert "isn't an image that espalier built" in "".join(again.notes)
    assert (read_image(workspace("fresh")._paths, genuine.key) or {})["registries"] == {}


def test_a_tag_that_was_overwritten_does_not_hide_the_digest_that_is_known(
    workspace: Make, wanted: Environment, small_image: str, registry: Any, engine: Any
) -> None:
    set_remote(workspace()._paths, Remote("workspace", registry.address))
    genuine = have(workspace(), wanted)
    _pushed(engine, _with_all_labels(engine, genuine, small_image), registry.address, genuine.key)
    _forget(engine, genuine.id)
    again = have(workspace(), wanted)
    assert (again.id, again.found) == (genuine.id, "workspace registry")
    # (what was pushed last is what the tag names, so it has to be pushed again)
    assert have(workspace(), wanted, push=True).found == "local"
    known = (read_image(workspace()._paths, genuine.key) or {})["registries"][registry.address]
    assert registry.digest("espalier/env", hex_of(genuine.key)) == known


def test_a_team_with_a_key_uses_each_others_images(
    workspace: Make, wanted: Environment, registry: Any, engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_remote(workspace()._paths, Remote("workspace", registry.address))
    monkeypatch.setenv("ESPALIER_SHARED_REGISTRY", registry.address)
    monkeypatch.delenv(SHARED_KEY)
    alone = have(workspace(), wanted)
    _forget(engine, alone.id)
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "another-user"))
    assert have(workspace("theirs"), wanted).found == "built"
    _forget(engine, have(workspace("theirs"), wanted).id)
    key = tmp_path / "key"
    key.write_text("k" * 40)
    key.chmod(0o640)
    monkeypatch.setenv(SHARED_KEY, str(key))
    assert have(workspace(), wanted, refresh=True).found == "workspace registry"  # (the record knows its digest)
    shared = Environment("probe", docker=DockerSide(base_image=wanted.docker.base_image, steps=("ENV A=" + os.urandom(4).hex(),)))  # type: ignore[union-attr]
    made = have(workspace(), shared)
    _forget(engine, made.id)
    monkeypatch.setenv("ESPALIER_STATE_DIR", str(tmp_path / "a-third"))
    assert have(workspace("theirs"), shared).found == "shared registry"


def test_a_registry_that_lost_the_image_is_asked_and_gets_it_again(
    workspace: Make, wanted: Environment, registry: Any, engine: Any
) -> None:
    set_remote(workspace()._paths, Remote("workspace", registry.address))
    made = have(workspace(), wanted)
    key, listed = hex_of(made.key), f"engine, registry {registry.address}"
    assert _where(workspace(), key) == [listed]
    registry.stop()
    assert _where(workspace(), key) == [f"{listed} (unconfirmed)"]
    told = workspace().images.get(wanted)
    assert (told["registries"], told["unconfirmed"]) == ({}, [registry.address])
    registry.empty()
    registry.start()
    assert _where(workspace(), key) == ["engine"]
    assert workspace().images.get(wanted)["registries"] == {}
    again = have(workspace(), wanted, push=True)
    assert f"The registry {registry.address} no longer has the image. It is pushed again." in again.notes
    assert registry.tags("espalier/env") == [key]
    assert have(workspace(), wanted, push=True).notes == ()
    assert _where(workspace(), key) == [listed]


def test_found_in_a_registry_only_when_that_answers(
    workspace: Make, wanted: Environment, registry: Any, engine: Any, tmp_path: Path
) -> None:
    set_remote(workspace()._paths, Remote("workspace", registry.address))
    made = have(workspace(), wanted)
    registry.stop()
    registry.empty()
    registry.start()
    tag_image(made.id, "espalier-keeps-the-layers", "1")
    for tag in (tag_of(made.key), f"espalier/stage:{hex_of(made.key)}"):
        engine.api.remove_image(tag)
    record = read_image(workspace()._paths, made.key) or {}
    write_image(workspace()._paths, made.key, {**record, "image": None})
    again = have(workspace(), wanted, log=str(tmp_path / "log"))
    assert again.found == "built"
    assert "Found in the workspace registry" not in (tmp_path / "log").read_text()
    assert registry.tags("espalier/env") == [hex_of(made.key)]


def _where(workspace: Workspace, key: str) -> List[str]:
    """Where the images of a key are; the engine may have others."""
    columns = workspace.images.list().columns
    return [where for one, where in zip(columns["key"], columns["where"]) if str(one).endswith(key)]


def _pushed(engine: Any, image: str, address: str, key: str) -> None:
    name = f"{address}/espalier/env"
    tag_image(image, name, hex_of(key))
    engine.api.push(name, tag=hex_of(key))
    engine.api.remove_image(f"{name}:{hex_of(key)}")


def _forget(engine: Any, image: str) -> None:
    for name in engine.api.inspect_image(image)["RepoTags"]:
        engine.api.remove_image(name)
