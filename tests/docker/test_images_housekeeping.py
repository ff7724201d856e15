"""Which images there are, who uses them, and removing what nobody needs."""

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List

import pytest
from espalier import Environment
from espalier.adapters.docker_images import find_image
from espalier.adapters.docker_stage import stage_container
from espalier.api.workspace import Workspace
from espalier.base.cache_paths import CachePaths, PrivatePaths
from espalier.base.errors import EspalierError
from espalier.base.records import replace_record
from espalier.base.types import Frame
from espalier.environment.definition import DockerSide
from espalier.provision.docker.stages import BUILD_LABEL, UNFINISHED, labels_while_building, note_step, stage_image

Make = Callable[..., Workspace]


@pytest.fixture(autouse=True)
def own_images(engine: Any) -> Iterator[None]:
    """Images that a test makes are gone after it."""
    before = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    yield
    after = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    for tag in after - before:
        engine.api.remove_image(tag, force=True)


def environment(base: str, name: str = "probe") -> Environment:
    return Environment(name, docker=DockerSide(base_image=base, steps=[f"RUN echo {os.urandom(6).hex()} > /probe"]))


def rows(frame: Frame) -> List[Dict[str, Any]]:
    return [dict(zip(frame.columns, values)) for values in zip(*frame.columns.values())]


def cache() -> CachePaths:
    return CachePaths(os.environ["ESPALIER_CACHE_DIR"])


def age(built: Dict[str, Any], days: float) -> None:
    """As if an image had been wanted last some days ago."""
    then = time.time() - days * 86400
    digits = built["key"][7:]
    for path in (cache().image_used(digits), cache().stage_record(digits)):
        Path(path).touch()
        os.utime(path, (then, then))


def names(frame: Frame) -> List[str]:
    return [str(row["name"]) for row in rows(frame)]


def test_listed_with_where_size_and_names(workspace: Make, small_image: str, registry: Any) -> None:
    ws = workspace()
    ws.images.set_registry(registry.address)
    first = ws.images.build(environment(small_image))
    (row,) = [one for one in rows(ws.images.list()) if one["key"] == first["key"]]
    assert (row["environment"], row["where"]) == ("probe", f"engine, registry {registry.address}")
    assert row["image"] == first["image"]
    assert row["size"] > 1000
    assert abs(row["last_used_at"] - time.time()) < 60
    other = [one for one in rows(workspace("other").images.list()) if one["key"] == first["key"]]
    assert [(one["environment"], one["where"]) for one in other] == [(None, "engine")]


def test_what_was_not_wanted_goes_with_its_stage_and_comes_back(workspace: Make, small_image: str) -> None:
    ws = workspace()
    wanted = environment(small_image)
    old, young = ws.images.build(wanted), ws.images.build(environment(small_image, "young"))
    age(old, 40)
    listed = ws.images.prune()
    assert old["tag"] in names(listed)
    assert old["tag"].replace("env:", "stage:") in names(listed)
    assert young["tag"] not in names(listed)
    assert find_image(old["tag"]) is not None
    gone = ws.images.prune(dry_run=False)
    assert all(row["deleted"] for row in rows(gone) if old["key"][7:] in row["name"])
    assert find_image(old["image"]) is None
    assert find_image(young["tag"]) is not None
    assert ws.images.build(wanted)["found"] == "built"


def test_another_workspace_that_wants_it_keeps_it(workspace: Make, small_image: str) -> None:
    wanted = environment(small_image)
    built = workspace().images.build(wanted)
    age(built, 40)
    workspace("other").images.build(wanted)
    assert built["tag"] not in names(workspace().images.prune())


def test_what_a_container_uses_stays(workspace: Make, small_image: str, engine: Any) -> None:
    ws = workspace()
    built = ws.images.build(environment(small_image))
    age(built, 40)
    container = engine.api.create_container(built["image"], ["true"])["Id"]
    try:
        assert not [name for name in names(ws.images.prune()) if built["key"][7:] in name]
    finally:
        engine.api.remove_container(container)
    assert built["tag"] in names(ws.images.prune())


def test_a_container_of_a_dead_builder_goes_and_that_of_a_living_one_stays(
    workspace: Make, small_image: str, engine: Any
) -> None:
    ws, key = workspace(), "sha256:" + os.urandom(32).hex()
    lock = cache().build_lock(f"stage-{key[7:]}")
    os.makedirs(os.path.dirname(lock), exist_ok=True)
    Path(lock).touch()
    with stage_container(small_image, ["/bin/true"], [], {}, labels_while_building(cache(), key), "none") as container:
        held = subprocess.Popen(["flock", "--close", lock, "sleep", "60"])
        try:
            deadline = time.monotonic() + 10
            while subprocess.run(["flock", "-n", lock, "true"]).returncode == 0:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert container not in names(ws.images.prune())
        finally:
            held.kill()
            held.wait()
            subprocess.run(["flock", lock, "true"], timeout=70, check=True)
        assert container in names(ws.images.prune(unused_days=10_000))
        ws.images.prune(dry_run=False, unused_days=10_000)
        assert container not in {one["Id"] for one in engine.api.containers(all=True)}


def test_the_container_of_a_step_that_a_crash_left_goes_with_the_next_build(
    workspace: Make, small_image: str, engine: Any
) -> None:
    """Which is the one that was noted; others may be of builds that go on."""
    key, labels = "sha256:" + os.urandom(32).hex(), {BUILD_LABEL: UNFINISHED}
    builder: Any = SimpleNamespace(cache=cache(), log=SimpleNamespace(step=print, line=print))
    workspace()
    os.makedirs(cache().builds, exist_ok=True)
    left, other = (engine.api.create_container(small_image, ["x"], labels=labels)["Id"] for _ in range(2))
    try:
        note_step(cache(), key, left[:12])
        stage_image(builder, "system", key, lambda: str(find_image(small_image)["Id"]))  # type: ignore[index]
        there = {one["Id"] for one in engine.api.containers(all=True)}
        assert left not in there and other in there
    finally:
        for one in {left, other} & {one["Id"] for one in engine.api.containers(all=True)}:
            engine.api.remove_container(one)


def test_an_image_of_somebody_elses_with_our_name_stays(workspace: Make, small_image: str, engine: Any) -> None:
    name = f"espalier/env:{os.urandom(6).hex()}"
    engine.api.tag(small_image, *name.split(":"))
    ws = workspace()
    assert name not in names(ws.images.prune(unused_days=0))
    assert "" not in [row["key"] for row in rows(ws.images.list())]


def test_a_builder_with_another_cache_is_not_known_to_be_dead(
    workspace: Make, small_image: str, tmp_path: Path
) -> None:
    key = "sha256:" + os.urandom(32).hex()
    labels = labels_while_building(CachePaths(str(tmp_path / "other")), key)
    with stage_container(small_image, ["/bin/true"], [], {}, labels, "none") as container:
        assert container not in names(workspace().images.prune(unused_days=10_000))


def test_what_a_failed_build_came_to_is_found(workspace: Make, small_image: str) -> None:
    ws = workspace()
    steps = [f"ENV PROBE={os.urandom(6).hex()}", "RUN exit 3"]
    with pytest.raises(EspalierError):
        ws.images.build(Environment("broken", docker=DockerSide(base_image=small_image, steps=steps)))
    left = [name for name in names(ws.images.prune(unused_days=0)) if name.startswith("espalier/unfinished:")]
    assert left
    assert left[0] not in names(ws.images.prune(unused_days=1))


def test_private_environments_too(workspace: Make, engine: Any) -> None:
    ws = workspace()
    digits = os.urandom(32).hex()
    folder = PrivatePaths(cache().private_environment(digits))
    os.makedirs(folder.library)
    Path(folder.library, "x").write_bytes(b"0" * 5000)
    record = {"format": 1, "key": f"sha256:{digits}", "name": "mine", "created_at": "2024-01-01T00:00:00.000000Z"}
    replace_record(folder.record, record, folder.root)
    os.utime(folder.record, (5, 5))
    (row,) = [one for one in rows(ws.images.list()) if one["where"] == "private"]
    assert (row["environment"], row["key"]) == ("mine", f"sha256:{digits}")
    assert row["size"] >= 5000
    assert folder.root in names(ws.images.prune())
    ws.images.prune(dry_run=False, unused_days=1000)
    assert not os.path.exists(folder.root)
    assert os.listdir(cache().private) == []


def test_what_cannot_be(workspace: Make) -> None:
    with pytest.raises(EspalierError) as caught:
        workspace().images.prune(unused_days=-1)
    assert caught.value.code == "bad_argument"
    with pytest.raises(EspalierError) as caught:
        workspace().images.build_log(Environment("none", docker=DockerSide(base_image="none:1@sha256:" + "1" * 64)))
    assert caught.value.code == "image_missing"
