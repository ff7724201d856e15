"""What is damaged in a workspace is found: in the records of runs, and in the stored objects of their snapshots."""

from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest
from espalier import Experiment, Run, Workspace
from espalier.base.paths import RunPaths, WorkspacePaths


@pytest.fixture
def run(experiment: Experiment, project: Path, ended: Any) -> Run:
    """A run with a snapshot, of which one file is too large for a pack."""
    for number in range(200):
        (project / f"small{number}.txt").write_text(f"small {number}\n" * 10)
    (project / "large.bin").write_bytes(bytes(range(256)) * (1 << 17))
    run = experiment.submit({"source_directory": str(project), "command": "true"})
    assert ended(run)["status"] == "Completed"
    return run


def found(workspace: Workspace) -> List[Tuple[str, str, str]]:
    columns = workspace.verify().columns
    return list(zip(columns["run_id"], columns["file"], columns["problem"]))


def packs(run: Run) -> List[Path]:
    return sorted(Path(WorkspacePaths(run.workspace_path).packs).glob("*.pack"))


def zeroed(path: Path) -> None:
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:10] + bytes(len(data) - 10))


def test_nothing_is_found_where_all_is_well(run: Run, workspace: Workspace) -> None:
    assert found(workspace) == []


def test_zeroed_bytes_of_a_pack(run: Run, workspace: Workspace) -> None:
    (pack,) = packs(run)
    zeroed(pack)
    rows = found(workspace)
    assert [row[:2] for row in rows] == [(run.id, str(pack))] and "does not match its digest" in rows[0][2]


@pytest.mark.parametrize(("damage", "said"), [(zeroed, "does not match its digest"), (Path.unlink, "No such file")])
def test_a_file_stored_by_itself(run: Run, workspace: Workspace, damage: Callable[[Path], None], said: str) -> None:
    paths = WorkspacePaths(run.workspace_path)
    top = Path(paths.packs).parent
    (blob,) = [path for path in top.rglob("*") if path.is_file() and path.stat().st_size == 1 << 25]
    damage(blob)
    ((run_id, file, problem),) = found(workspace)
    assert (run_id, file) == (run.id, str(blob)) and said in problem


def test_what_can_not_be_found(run: Run, workspace: Workspace) -> None:
    Path(RunPaths(run.run_dir).outputs, "made").write_text("later")
    assert found(workspace) == [], "as ?verify_workspace says"
