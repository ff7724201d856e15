"""What a job in a container sees of the workspace, without an engine."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from espalier import Experiment, Run
from espalier.base.paths import JOB_PART, RunPaths
from espalier.lifecycle.view import View, bring_all_recorded, make_view, show


@pytest.fixture
def parent(experiment: Experiment) -> RunPaths:
    run = experiment.start_logging()._paths
    Path(run.env).write_text('{"format": 1, "variables": {"TOKEN": "canary"}}')
    return run


@pytest.fixture
def job(parent: RunPaths, experiment: Experiment) -> Run:
    """A child that is recorded by a session, as one that its own job would have made."""
    return Run(experiment.workspace.path, os.path.basename(parent.root)).child_run()


def seen(run: RunPaths, other: RunPaths) -> RunPaths:
    return run.seen(os.path.basename(other.root))


def everything_in(folder: str) -> str:
    return " ".join(os.path.join(here, name) for here, _, names in os.walk(folder) for name in names)


def test_the_record_is_shown_but_for_variables(parent: RunPaths) -> None:
    make_view(parent)
    own = seen(parent, parent)
    assert sorted(os.listdir(own.root)) == sorted([*JOB_PART, "meta.json", "spec.json", "status.json"])
    assert Path(own.spec).read_bytes() == Path(parent.spec).read_bytes()
    assert not os.path.samefile(own.spec, parent.spec)
    assert "env.json" not in everything_in(parent.view)


def test_the_folders_of_the_job_are_there_to_be_mounted(parent: RunPaths) -> None:
    make_view(parent)
    for name in JOB_PART:
        assert os.path.isdir(os.path.join(parent.root, name))
        assert os.listdir(os.path.join(seen(parent, parent).root, name)) == []


@pytest.mark.parametrize("name", JOB_PART)
def test_a_link_in_the_place_of_a_folder_is_set_aside(parent: RunPaths, tmp_path: Path, name: str) -> None:
    path = os.path.join(parent.root, name)
    if os.path.isdir(path):
        os.rename(path, path + "-old")
    os.symlink(tmp_path, path)
    make_view(parent)
    assert os.path.isdir(path) and not os.path.islink(path)
    assert any(".replaced-" in each for each in os.listdir(parent.root))


def test_what_else_is_mounted_among_the_runs_has_a_place(parent: RunPaths, tmp_path: Path) -> None:
    folder, file = (os.path.join(parent.workspace.runs, "00", name) for name in ("folder", "file"))
    os.makedirs(folder)
    Path(file).touch()
    make_view(parent, [folder, file, str(tmp_path)])
    runs = seen(parent, parent).workspace.runs
    assert os.path.isdir(os.path.join(runs, "00", "folder")) and os.path.isfile(os.path.join(runs, "00", "file"))


def test_a_child_is_shown_as_it_goes_on(parent: RunPaths, job: Run) -> None:
    make_view(parent)
    view, child = View(parent), job._paths
    status = json.loads(Path(child.status).read_text())
    status.pop("held_by", None)  # (one that is executed)
    Path(child.status).write_text(json.dumps(status))
    job.log("a", 1.0)
    view.refresh()
    copy = seen(parent, child)
    assert json.loads(Path(copy.status).read_text())["state"] == "Running"
    assert not os.path.exists(os.path.join(copy.outputs, "model"))
    Path(child.outputs, "model").write_text("m")
    os.symlink("/etc/passwd", os.path.join(child.outputs, "link"))
    os.mkfifo(os.path.join(child.outputs, "pipe"))
    job.log("a", 2.0)
    job.complete()
    view.refresh()
    assert json.loads(Path(copy.status).read_text())["state"] == "Completed"
    assert os.listdir(copy.outputs) == ["model"]
    (log,) = os.listdir(copy.events)
    assert Path(copy.events, log).read_text().count('"metric"') == 2


def test_a_folder_of_a_child_that_is_a_link_shows_nothing(parent: RunPaths, job: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    make_view(parent)
    job.complete()
    for name in ("outputs", "logs", "events"):
        path = os.path.join(job.run_dir, name)
        os.rename(path, path + "-old")
        os.symlink(tmp_path, path)
    show(parent, job._paths)
    assert "secret" not in everything_in(parent.view)


def test_what_a_job_logs_into_a_child_by_hand_is_brought_there(parent: RunPaths, experiment: Experiment) -> None:
    from espalier.base.model.status import HELD_BY_PARENT
    from espalier.jobs.children import child_spec, create_held

    spec = child_spec(parent.workspace, os.path.basename(parent.root), None, "")
    child = parent.workspace.run(create_held(parent.workspace, spec, None, None, {}))
    assert json.loads(Path(child.status).read_text())["held_by"] == HELD_BY_PARENT
    make_view(parent)
    show(parent, child)
    written = Path(parent.recorded_by_hand(os.path.basename(child.root)).events)
    (written / "py-1-00000000.jsonl").write_text("one\n")
    os.symlink("/etc/passwd", written / "py-2-00000000.jsonl")
    bring_all_recorded(parent)
    assert os.listdir(child.events) == ["py-1-00000000.jsonl"]
    with open(written / "py-1-00000000.jsonl", "a") as file:
        file.write("two\n")
    show(parent, child)
    for place in (child, seen(parent, child)):
        assert Path(place.events, "py-1-00000000.jsonl").read_text() == "one\ntwo\n"


def test_nothing_is_brought_to_a_run_that_is_not_its_child(parent: RunPaths, experiment: Experiment) -> None:
    other: Any = experiment.start_logging()
    folder = Path(parent.recorded_by_hand(other.id).events)
    folder.mkdir(parents=True)
    (folder / "py-1-00000000.jsonl").write_text("forged\n")
    View(parent).refresh()
    bring_all_recorded(parent)
    assert os.listdir(other._paths.events) == []
