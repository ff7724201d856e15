import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import EspalierError, Experiment, Run
from espalier.base.paths import RunPaths
from espalier.jobs.commit import record_child
from espalier.lifecycle import children
from scratch import copy_of


@pytest.fixture
def parent(experiment: Experiment) -> Run:
    return experiment.start_logging()


def ids(found: Any) -> Any:
    return [os.path.basename(child.root) for child in found]


def test_entries_of_what_is_not_there_or_is_anothers_do_not_count(parent: Run, experiment: Experiment) -> None:
    child, other = parent.child_run(), experiment.start_logging()
    for name in (other.id, "exp_1_00000000", "..", "not an id"):
        if name != "..":
            Path(parent.run_dir, "children", name).touch()
    assert ids(children.children_of(parent._paths)) == [child.id]


def test_a_folder_that_is_a_link_is_not_followed(parent: Run, experiment: Experiment, tmp_path: Path) -> None:
    child = parent.child_run()
    os.rename(Path(parent.run_dir, "children"), tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", Path(parent.run_dir, "children"))
    assert children.children_of(parent._paths) == []
    with pytest.raises(EspalierError) as caught:
        record_child(parent._paths, "exp_1_00000000")
    assert caught.value.code == "workspace_read_only"
    assert os.listdir(tmp_path / "elsewhere") == [child.id]


def test_a_parent_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(EspalierError) as caught:
        record_child(RunPaths(str(tmp_path / "gone")), "exp_1_00000000")
    assert caught.value.code == "run_missing"


def test_descendants(parent: Run) -> None:
    below = parent.child_run()
    deep = below.child_run()
    assert ids(children.descendants_of(parent._paths)) == [below.id, deep.id]
    assert children.is_descendant(deep._paths, parent.id) and not children.is_descendant(parent._paths, deep.id)


def test_a_circle_ends(parent: Run) -> None:
    below = parent.child_run()
    spec = Path(parent.run_dir, "spec.json")
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "parent": below.id}))
    record_child(below._paths, parent.id)
    assert ids(children.descendants_of(parent._paths)) == [below.id]
    assert not children.is_descendant(below._paths, "exp_1_00000000")


@pytest.mark.parametrize("end, state", [("complete", "Completed"), ("fail", "Failed")])
def test_open_children_end_as_their_parent(parent: Run, end: str, state: str) -> None:
    below = parent.child_run()
    deep = below.child_run()
    done = parent.child_run()
    done.complete()
    getattr(parent, end)()
    assert [run.get_status() for run in (below, deep, done)] == [state, state, "Completed"]
    with pytest.raises(EspalierError, match="has ended already"):
        below.complete()


def test_failed_children_are_told(parent: Run) -> None:
    for number in range(12):
        parent.child_run().fail(f"number {number}")
    parent.complete()
    warnings = parent.get_details()["warnings"]
    assert len(warnings) == 11 and warnings[-1] == "2 more child runs failed."
    assert warnings[0].startswith("The child run exp_") and "failed: number" in warnings[0]


def test_children_of_a_job(submit: Callable[..., Run], ended: Any, reach: Any) -> None:
    """Of the ends of a job that are none of success: which take children along."""
    for fields, command, taken in (
        ({}, "exit 3", "Canceled"),
        ({"children": "detach"}, "exit 3", "Completed"),
        ({"max_run_duration_seconds": 0.3, "children": "detach"}, "sleep 20", "Canceled"),
    ):
        run = submit(f"while ! test -e go; do sleep 0.01; done; {command}", keep_workdir=True, **fields)
        reach(run, "Running")
        child = run.submit_child({"command": "sleep 0.6"})
        (copy_of(run) / "go").touch()
        ended(run)
        assert ended(child)["status"] == taken, (fields, command)
        if taken == "Canceled":
            assert child.get_details()["error"]["message"] == f"Canceled with its parent, {run.id}."
