"""What a job changed in its working copy, found and kept."""

import os
import time
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from defined import defined
from espalier import Experiment, Run, ScriptRunConfig
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.lifecycle import keep
from espalier.lifecycle.collect import collect
from espalier.lifecycle.scratch import note_beginning
from espalier.lifecycle.status import Known, read_status
from espalier.lifecycle.touched import changed_files
from scratch import give_scratch

# Times of files have steps of some milliseconds: what is written within that of the beginning is compared by content.
LATER = "sleep 0.05; "

Ended = Callable[..., Dict[str, Any]]


@pytest.fixture
def job(experiment: Experiment, project: Path, ended: Ended) -> Callable[..., Run]:
    """Run lines of shell in a project of a few files."""
    for name in ("a.txt", "b.txt", "sub/c.txt", "large.bin"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name)
    (project / "link").symlink_to("a.txt")

    def run_job(lines: str, **fields: Any) -> Run:
        (project / "main.sh").write_text(lines)
        run = experiment.submit(ScriptRunConfig(str(project), "main.sh", **fields))
        ended(run)
        return run

    return run_job


def kept(run: Run) -> "set[str]":
    return set(run.get_file_names("workdir/"))


@pytest.mark.parametrize("end", ["", "exit 3", "kill -9 $$"])
def test_new_and_changed_files_are_kept_however_it_ends(job: Any, end: str) -> None:
    run = job(f"{LATER}echo new > new; echo more >> a.txt; printf B.txt > b.txt; touch sub/c.txt; mkdir -p x/y; echo 1 > x/y/z; rm large.bin\n{end}")
    assert kept(run) == {"workdir/new", "workdir/a.txt", "workdir/b.txt", "workdir/sub/c.txt", "workdir/x/y/z"}
    told = run.get_details()["kept"]
    assert (told["count"], told["bytes"], told["deleted"]) == (5, 30, ["large.bin"])
    assert Path(run.run_dir, "workdir/b.txt").read_text() == "B.txt", "of the same size"


def test_a_file_that_is_written_again_as_it_was_is_kept(job: Any) -> None:
    run = job(LATER + "mkdir aside; cp b.txt aside; cat a.txt > same; cat same > a.txt; rm same; chmod 600 b.txt; mv sub other; mv other sub")
    assert kept(run) == {"workdir/a.txt", "workdir/aside/b.txt"}


@pytest.mark.parametrize("more", ["", "cd ..; rm -r work"])
def test_what_lies_beside_the_working_copy_is_kept(job: Any, more: str) -> None:
    run = job(f"echo 1 > ../outside.txt; mkdir -p ../results/x; echo 1 > ../results/x/y; echo 1 > ../a.txt; echo 1 > $TMPDIR/z\n{more}")
    assert kept(run) == {f"workdir/above-workdir/{name}" for name in ("outside.txt", "results/x/y", "a.txt")}
    assert run.get_details()["kept"]["deleted"] == ([] if not more else ["a.txt", "b.txt", "large.bin", "link", "main.sh", "sub/c.txt"])


def test_what_lies_above_the_source_is_kept(job: Any, project: Path) -> None:
    (project.parent / ".here").touch()
    run = job("echo 1 > ../outside.txt; echo 1 > ../../outside.txt")
    assert kept(run) == {"workdir/outside.txt", "workdir/above-workdir/outside.txt"}


def test_one_that_is_canceled(submit: Any, ended: Ended, reach: Any) -> None:
    run = submit("echo x > x; touch outputs/ready; sleep 60")
    reach(lambda: "outputs/ready" in run.get_file_names())
    run.cancel()
    ended(run)
    assert kept(run) == {"workdir/x"}


def test_caches_links_and_devices_are_not(job: Any) -> None:
    run = job(
        "mkdir -p __pycache__ p/.ipynb_checkpoints renv/library/x renv/other .venv node_modules/a; "
        "for d in __pycache__ p/.ipynb_checkpoints renv/library/x renv/other .venv node_modules/a; do echo 1 > $d/f; done; "
        "echo 1 > .Rhistory; ln -s /etc/passwd passwd; ln -s /etc etc; mkfifo fifo; echo 1 > Rplots.pdf; echo 1 > .dot"
    )
    assert kept(run) == {"workdir/renv/other/f", "workdir/Rplots.pdf", "workdir/.dot"}
    assert sorted(run.get_details()["kept"]["skipped"]) == ["etc", "fifo", "passwd"]


def test_a_folder_is_renv_s_by_its_whole_name(job: Any) -> None:
    run = job("mkdir -p myrenv/library p/renv/library; echo 1 > myrenv/library/f; echo 1 > p/renv/library/f")
    assert kept(run) == {"workdir/myrenv/library/f"}


def test_what_the_snapshot_brings_in_folders_that_are_not_kept_is_not_deleted(job: Any, project: Path) -> None:
    (project / ".amlignore").write_text("!.venv/\n!node_modules/\n!renv/local/\n!__pycache__/\n")
    for folder in (".venv/bin", "node_modules", "renv/local", "__pycache__"):
        (project / folder).mkdir(parents=True)
        (project / folder / "f").write_text("brought")
    run = job("ls .venv/bin/f node_modules/f renv/local/f __pycache__/f && rm -r __pycache__ && echo 1 > new")
    assert run.get_status() == "Completed" and kept(run) == {"workdir/new"}
    assert run.get_details()["kept"]["deleted"] == ["__pycache__/f"]


def test_folders_that_were_moved_or_replaced(job: Any, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").write_text("older than the job")
    os.utime(tmp_path / "old" / "file", (1, 1))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "c.txt").write_text("not the job's")
    run = job(f"mv {tmp_path}/old .; mv sub sub2; ln -s {tmp_path}/precious sub; rm link; echo 1 > link")
    assert kept(run) == {"workdir/old/file", "workdir/sub2/c.txt", "workdir/link"}
    assert os.listdir(tmp_path / "precious") == ["c.txt"]
    assert run.get_details()["kept"]["deleted"] == ["sub/c.txt"]


@pytest.mark.parametrize("limit,large", [("10", ["large2", "new"]), ("0", ["large2", "new", "small"]), ("1 kB", [])])
def test_the_largest_are_left_out(job: Any, limit: str, large: Any) -> None:
    run = job("printf 123 > small; printf 12345678 > new; printf 123456789 > large2", environment_variables={"ESPALIER_KEEP_LIMIT": limit})
    details = run.get_details()
    assert [item["name"] for item in details["kept"]["too_large"]] == large
    assert kept(run) == {f"workdir/{name}" for name in {"small", "new", "large2"} - set(large)}
    assert [text for text in details["warnings"] if "large2 (9 B), new (8 B)" in text and "ESPALIER_KEEP_LIMIT" in text] or not large


def test_a_limit_that_is_none(job: Any) -> None:
    run = job("echo 1 > new", environment_variables={"ESPALIER_KEEP_LIMIT": "much"})
    assert kept(run) == {"workdir/new"} and "ESPALIER_KEEP_LIMIT must be a size" in run.get_details()["warnings"][0]


def test_a_number_of_files(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = job("for i in $(seq 12); do echo $i > f$i; done")
    assert len(kept(run)) == 12 and keep.LIMIT_FILES == 10_000


def test_with_the_working_copy_kept_they_are_copies(job: Any) -> None:
    run = job("echo 1 > new", keep_workdir=True)
    assert Path(run.run_dir, "work", "new").read_text() == Path(run.run_dir, "workdir", "new").read_text() == "1\n"
    assert os.stat(Path(run.run_dir, "work", "new")).st_ino != os.stat(Path(run.run_dir, "workdir", "new")).st_ino


def test_an_attempt_that_was_not_the_last(submit: Any, ended: Ended) -> None:
    run = submit('echo $$ > x; test -e outputs/second && exit 0; touch outputs/second; exit 1', retry=2)
    assert ended(run)["status"] == "Completed" and kept(run) == {"workdir/x"}
    assert Path(run.run_dir, "attempts/1/workdir/x").exists()
    assert run.get_details()["attempts"][0]["kept"]["count"] == 1


def test_a_clock_that_was_set_back(tmp_path: Path, workspace: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of change say nothing then, and contents are compared."""
    (project / "a.txt").write_text("before")
    snapshot = workspace.snapshots.take(str(project))
    run = RunPaths(os.path.join(workspace.path, "runs", "ab", "e_1_abcdef01"))
    os.makedirs(run.root)
    scratch = give_scratch(run, str(tmp_path / "w"))
    os.unlink(scratch.began)
    Path(scratch.work, "a.txt").write_text("after!")
    time.sleep(0.05)
    note_beginning(scratch)
    spec = defined(snapshot={"id": snapshot})
    assert changed_files(Known(run, Status("Running"), spec), scratch, []).files == {}
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    assert changed_files(Known(run, Status("Running"), spec), scratch, []).files == {"": [("a.txt", 6)]}


def test_a_snapshot_that_cannot_be_read_any_more(tmp_path: Path) -> None:
    run = RunPaths(str(tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"))
    os.makedirs(run.root)
    Path(run.spec).write_text("{")
    scratch = give_scratch(run, str(tmp_path / "w"))
    os.unlink(scratch.began)
    Path(scratch.work, "old").write_text("1")
    time.sleep(0.05)
    note_beginning(scratch)
    Path(scratch.work, "new").write_text("1")
    record = collect(Known(run, read_status(run)), [])
    assert record is not None and os.listdir(run.files) == ["new"]


def test_after_a_power_cut(workspace: Any, project: Path, tmp_path: Path) -> None:
    """The note of when the job began had not reached the disk: contents tell."""
    for name in ("a.txt", "b.txt"):
        (project / name).write_text(name)
    snapshot = workspace.snapshots.take(str(project))
    run = RunPaths(os.path.join(workspace.path, "runs", "ab", "e_1_abcdef01"))
    os.makedirs(run.root)
    scratch = give_scratch(run, str(tmp_path / "w"))
    for name, content in (("a.txt", "a.txt"), ("b.txt", "B.txt"), ("new", "1")):
        Path(scratch.work, name).write_text(content)
    os.truncate(scratch.began, 0)
    spec = defined(snapshot={"id": snapshot})
    assert changed_files(Known(run, Status("Running"), spec), scratch, []).files == {"": [("b.txt", 5), ("new", 1)]}
