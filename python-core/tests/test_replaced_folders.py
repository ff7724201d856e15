"""Jobs that put a link in the place of a folder of their run: nothing of the run is written by way of it."""

import os
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Experiment, ScriptRunConfig
from espalier.adapters.inside import open_log, replace_inside
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths, set_aside_name

# What the runner, the queue or another process writes to while a run is executed or ends.
FOLDERS = (
    *("outputs", "logs", "user_logs", "system_logs", "workdir", "events", "parts", "payloads", "requests", "children"),
    *("attempts", "attempts/1", "provenance", "usage", "uploads", ".job"),
)
WORK = 'echo kept > outputs/m.txt; echo kept > logs/l.txt; echo kept > other.txt; echo printed'


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the user that has nothing to do with espalier."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "precious").write_text("x")
    return folder


def content(folder: Path) -> Dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*")}


def swap(folder: str, target: Path) -> str:
    """A shell line that replaces a folder of the run by a link."""
    place = f'"$ESPALIER_RUN_DIR/{folder}"'
    return f'mkdir -p "$(dirname {place})"; rm -rf {place}; ln -s {target} {place}; '


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_written_behind_a_link(
    experiment: Experiment, ended: Callable[..., Any], victim: Path, folder: str
) -> None:
    run = experiment.submit(ScriptRunConfig(command=f"{swap(folder, victim)} {WORK}{'; sleep 1.2' if folder == 'usage' else ''}"))
    details = ended(run)
    assert content(victim) == {"precious": "x"}
    assert details["status"] == "Completed"
    names = run.get_file_names()
    assert {"outputs/m.txt", "logs/l.txt", "workdir/other.txt"} <= set(names)
    if folder not in ("attempts/1", ".job"):
        assert any(folder in text and str(victim) in text for text in details["warnings"]), details["warnings"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_nor_by_the_next_attempt(
    experiment: Experiment, ended: Callable[..., Any], victim: Path, tmp_path: Path, folder: str
) -> None:
    mark = tmp_path / "again"
    fail = f"test -e {mark} || {{ touch {mark}; {swap(folder, victim)} {WORK}; exit 3; }}; {WORK}"
    run = experiment.submit(ScriptRunConfig(command=fail, retry={"attempts": 2}))
    details = ended(run)
    assert content(victim) == {"precious": "x"}
    assert details["status"] == "Completed"
    assert run.get_log()[-1] == "printed"


@pytest.mark.parametrize("file", ["user_logs/std_log.txt", "system_logs/runner.log", "usage/samples.jsonl"])
@pytest.mark.parametrize("what", ["ln -s {victim}", "mkfifo", "ln -s /dev/zero", "mkdir"])
def test_a_log_that_is_none(
    experiment: Experiment, ended: Callable[..., Any], victim: Path, tmp_path: Path, file: str, what: str
) -> None:
    mark = tmp_path / "again"
    place = f'"$ESPALIER_RUN_DIR/{file}"'
    swap_file = f"rm -f {place}; {what.format(victim=victim / 'precious')} {place}"
    fail = f"test -e {mark} || {{ touch {mark}; {swap_file}; {WORK}; exit 3; }}; {WORK}{'; sleep 1.2' if 'usage' in file else ''}"
    run = experiment.submit(ScriptRunConfig(command=fail, retry={"attempts": 2}))
    details = ended(run)
    assert content(victim) == {"precious": "x"}
    assert details["status"] == "Completed"
    assert run.get_log()[-1] == "printed"


@pytest.mark.parametrize("folder", ["outputs", "outputs/sub", "outputs/images", "events", "payloads", "uploads", "logs", "."])
def test_a_recorded_run_keeps_its_outputs_in_its_folder(
    experiment: Experiment, victim: Path, tmp_path: Path, folder: str
) -> None:
    """A session writes to a run as well, of which any other process may have replaced a folder."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "m.txt").write_text("kept")
    (source / "sub" / "m.txt").write_text("kept")
    run = experiment.start_logging(outputs=str(source))
    place = Path(run.run_dir, folder)
    if place.is_dir():
        place.rename(tmp_path / "was")
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(victim)
    before = content(victim)
    run.log("a", 1.5)
    run.log_list("long", list(range(20000)))
    run.log_image("i", path=str(source / "m.txt"))
    try:
        run.upload_file("note", str(source / "m.txt"))
    except EspalierError as error:
        assert error.code in ("artifact_unsafe", "damaged")
    try:
        run.complete()
    except EspalierError:
        assert folder == "."
    assert content(victim) == before
    if folder != ".":
        assert {"outputs/m.txt", "outputs/sub/m.txt"} <= set(run.get_file_names())


@pytest.mark.parametrize("place", [".job", "requests", "provenance", "system_logs", "attempts", "attempts/1/events"])
@pytest.mark.parametrize("what", [os.mkfifo, "link", "file"])
def test_each_folder_is_made_afresh(tmp_path: Path, victim: Path, place: str, what: Any) -> None:
    run = RunPaths(str(tmp_path / "ab" / "e_1_abcdef01"))
    path = Path(run.root, place)
    path.parent.mkdir(parents=True)
    if what == "link":
        path.symlink_to(victim)
    elif what == "file":
        path.write_text("x")
    else:
        what(path)
    replace_inside(run.root, str(path / "x.json"), b"{}")
    os.close(open_log(run.root, str(path / "x.log")))
    assert sorted(os.listdir(path)) == ["x.json", "x.log"] and not path.is_symlink()
    assert [set_aside_name(name) for name in os.listdir(path.parent) if name != path.name] == [path.name]
    assert content(victim) == {"precious": "x"}


def test_a_job_that_replaces_it_all_the_time(experiment: Experiment, ended: Callable[..., Any], victim: Path) -> None:
    """A process that goes on while the run ends: nothing is written behind its links, whenever they come."""
    swap_on = (
        f'cd "$ESPALIER_RUN_DIR"; n=0; while :; do for f in outputs logs workdir user_logs requests; do n=$((n+1)); '
        f"mv -T $f was-$n 2>/dev/null; ln -sT {victim} $f 2>/dev/null; done; done"
    )
    run = experiment.submit(ScriptRunConfig(command=f"({swap_on}) & {WORK}; sleep 0.3"))
    assert ended(run)["status"] in ("Completed", "Failed")
    assert content(victim) == {"precious": "x"}
