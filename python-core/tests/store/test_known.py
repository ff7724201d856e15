"""The ids that Tab offers: those of the index, and those it doesn't know yet."""

import os
import shutil
from typing import List

from espalier import Experiment, Run, Workspace
from espalier.base.cache_paths import index_file
from espalier.base.paths import WorkspacePaths
from espalier.store.index.known import index_key, newest_ids


def ids(workspace: Workspace, prefix: str = "", limit: int = 50) -> List[str]:
    return newest_ids(WorkspacePaths(workspace.path), prefix, limit)


def made(workspace: Workspace, count: int, name: str = "exp") -> List[Run]:
    return [Experiment(workspace, name).start_logging() for _ in range(count)]


def test_with_and_without_an_index(workspace: Workspace) -> None:
    assert ids(workspace) == []
    known = [run.id for run in made(workspace, 5)]
    assert sorted(ids(workspace)) == sorted(known)
    workspace.runs.list()
    assert sorted(ids(workspace)) == sorted(known)
    new = [run.id for run in made(workspace, 3, "other")]
    assert sorted(ids(workspace)) == sorted([*known, *new])
    assert sorted(ids(workspace, "oth")) == sorted(new)
    assert set(ids(workspace, "", 3)) <= {*known, *new} and len(ids(workspace, "", 3)) == 3


def test_a_deleted_run_is_not_offered(workspace: Workspace) -> None:
    first, second = made(workspace, 2)
    workspace.runs.list()
    shutil.rmtree(first.run_dir)
    assert ids(workspace) == [second.id]


def test_a_damaged_index_is_as_none(workspace: Workspace) -> None:
    known = [run.id for run in made(workspace, 2)]
    workspace.runs.list()
    file = index_file(os.environ["ESPALIER_CACHE_DIR"], index_key(workspace.path))
    for content in (b"garbage" * 1000, b""):
        with open(file, "wb") as index:
            index.write(content)
        assert sorted(ids(workspace)) == sorted(known)


def test_hostile_names(workspace: Workspace) -> None:
    (run,) = made(workspace, 1)
    workspace.runs.list()
    os.mkdir(os.path.join(workspace.path, "runs", "a\nb"))
    assert [ids(workspace, prefix) for prefix in ("%", "_", "\udcff", "x" * 100_000)] == [[], [], [], []]
    assert ids(workspace) == [run.id]
