"""An image that is deleted, at one level after the other: a run takes it from the next one, and in the end makes it again."""

import json
import os
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
from engines import HeldEngine
from espalier import Environment, Experiment, Run, ScriptRunConfig, Workspace
from espalier.base.paths import RunPaths
from espalier.environment.definition import DockerSide
from job_runs import log_of
from registry import Registry

Make = Callable[..., Workspace]


@pytest.fixture
def shared(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The registry that workspaces share."""
    made = Registry(tmp_path / "shared-registry")
    monkeypatch.setenv("ESPALIER_SHARED_REGISTRY", made.address)
    yield made
    made.stop()


@pytest.fixture
def wanted(small_image: str, engine: Any) -> Iterator[Environment]:
    """A definition whose image there is nowhere; it is gone after the test."""
    before = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    steps = [f"RUN echo {os.urandom(6).hex()} > /probe"]
    yield Environment("hops", docker=DockerSide(base_image=small_image, steps=steps))
    for tag in {tag for image in engine.api.images() for tag in image["RepoTags"] or []} - before:
        engine.api.remove_image(tag, force=True)


def submitted(workspace: Workspace, wanted: Environment) -> Run:
    environment = workspace.environments.register(wanted)
    given = {"name": environment.name, "version": environment.version}
    config = ScriptRunConfig(command="cat /probe", environment=given, docker={"network": "none"})
    return Experiment(workspace, "hops").submit(config)


def found(run: Run) -> str:
    """Where its image came from, once it has completed."""
    run.wait_for_completion()
    return str(json.loads(Path(RunPaths(run.run_dir).environment_record).read_text())["found"])


def forget(engine: Any, digits: str) -> None:
    """Delete an image in the engine, with its stage."""
    names = (f"espalier/env:{digits}", f"espalier/stage:{digits}")
    for name in {tag for image in engine.api.images() for tag in image["RepoTags"] or []} & set(names):
        engine.api.remove_image(name, force=True)


def where(workspace: Workspace, key: str) -> List[str]:
    columns = workspace.images.list().columns
    return [place for one, place in zip(columns["key"], columns["where"]) if one == key]


def test_a_run_takes_it_from_the_next_level(
    workspace: Make, wanted: Environment, engine: Any, registry: Registry, shared: Registry
) -> None:
    ws, team = workspace(), workspace("team")
    team.images.set_registry(shared.address)
    made = team.images.build(wanted)  # (which pushes to what is the shared registry of the other)
    digits = made["key"][7:]
    ws.images.set_registry(registry.address)
    assert ws.images.build(wanted, push=True)["found"] == "local"
    assert where(ws, made["key"]) == [f"engine, registry {registry.address}"]

    first = submitted(ws, wanted)
    assert found(first) == "local"

    forget(engine, digits)
    assert found(submitted(ws, wanted)) == "workspace registry"

    forget(engine, digits)
    registry.delete("espalier/env", digits)
    assert found(submitted(ws, wanted)) == "shared registry"
    assert registry.tags("espalier/env") == [digits]  # it has it again

    forget(engine, digits)
    for one in (registry, shared):
        one.delete("espalier/env", digits)
    last = submitted(ws, wanted)
    assert found(last) == "built"
    assert "The image is gone from the engine, and no registry has it. It is built again." in Path(RunPaths(last.run_dir).build_log).read_text()
    assert registry.tags("espalier/env") == [digits]
    assert log_of(last) == log_of(first)


def test_a_registry_that_deleted_its_manifest_gets_it_again(
    workspace: Make, wanted: Environment, engine: Any, registry: Registry
) -> None:
    ws = workspace()
    ws.images.set_registry(registry.address)
    made = ws.images.build(wanted)
    registry.delete("espalier/env", made["key"][7:])
    assert where(ws, made["key"]) == ["engine"]
    again = ws.images.build(wanted, push=True)
    assert again["notes"] == [f"The registry {registry.address} no longer has the image. It is pushed again."]
    assert where(ws, made["key"]) == [f"engine, registry {registry.address}"]


def test_one_that_is_deleted_between_the_look_and_the_creation(
    workspace: Make, wanted: Environment, engine: Any, held: Callable[[str], HeldEngine]
) -> None:
    ws = workspace()
    made = ws.images.build(wanted)
    create = held("/create")
    run = submitted(ws, wanted)
    assert create.asked.wait(30)
    forget(engine, made["key"][7:])
    create.release()
    assert found(run) == "built"
    assert log_of(run)
