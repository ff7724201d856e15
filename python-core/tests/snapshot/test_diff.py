"""The uncommitted diff: what it shows, what never gets into it, and that making it runs nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from espalier.base.config import ScriptRunConfig, Session
from espalier.base.paths import RunPaths
from espalier.snapshot import diff as diff_module
from espalier.snapshot.diff import LIMIT_BYTES, ask_for_diff, start_diff
from espalier.snapshot.git import start_git
from espalier.snapshot.take import scan_source
from hanging import not_hanging

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    (folder / "job").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.R").write_text("x <- 1\ny <- 2\n")
    (folder / "job" / "job.sh").write_text("true\n")
    (folder / "old name.R").write_text("".join(f"{i}\n" for i in range(50)))
    (folder / ".env").write_text("A=1\n")
    (folder / "data.bin").write_bytes(bytes(range(256)))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def diff_of(folder):
    call = start_diff(ask_for_diff(start_git(str(folder)), scan_source(str(folder))))
    return None if call is None else call.text().decode()


def test_nothing_has_changed(repository):
    assert diff_of(repository) is None


def test_what_has_changed_and_since_when(repository):
    (repository / "train.R").write_text("x <- 1\ny <- 3\n")
    text = diff_of(repository)
    assert text.startswith(f"# Changes since commit {git(repository, 'rev-parse', 'HEAD')}")
    assert "\n-y <- 2\n+y <- 3\n" in text and "+++ b/train.R\n" in text
    git(repository, "add", "train.R")  # staged counts as well
    assert diff_of(repository) == text
    git(repository, "checkout", "-q", "--detach")
    assert diff_of(repository) == text


def test_the_folder_alone_counts_and_paths_are_the_repositorys(repository):
    (repository / "train.R").write_text("changed\n")
    assert diff_of(repository / "job") is None
    (repository / "job" / "job.sh").write_text("false\n")
    text = diff_of(repository / "job")
    assert "+++ b/job/job.sh\n" in text and "train.R" not in text


def test_untracked_files_are_named(repository):
    (repository / "new\nfile.R").write_text("secret content\n")
    (repository / "more").mkdir()
    (repository / "more" / "a.R").write_text("1\n")
    text = diff_of(repository)
    assert "\n#   more/a.R\n#   new\\nfile.R\n" in text
    assert "secret content" not in text


def test_a_folder_of_which_nothing_is_tracked(repository):
    (repository / "more").mkdir()
    (repository / "more" / "a.R").write_text("1\n")
    assert "#   a.R\n" in diff_of(repository / "more")


def test_renamed_deleted_and_binary(repository):
    git(repository, "mv", "old name.R", "new name.R")
    (repository / "train.R").unlink()
    (repository / "data.bin").write_bytes(bytes(range(255)))
    text = diff_of(repository)
    assert "diff --git a/old name.R b/old name.R\ndeleted file mode 100644\n" in text
    assert "+++ b/new name.R" in text and text.count("\n+49\n") == 1
    assert "diff --git a/train.R b/train.R\ndeleted file" in text and "x <- 1" not in text
    assert "Binary files a/data.bin and b/data.bin differ\n" in text


def test_only_what_the_snapshot_holds(repository):
    (repository / "train.R").write_text("x <- 2\n")
    (repository / "job" / "job.sh").write_text("out\n")
    (repository / ".env").write_text("PASSWORD=swordfish\n")
    (repository / ".espalierignore").write_text("/job/\nold*\n")
    (repository / "old name.R").unlink()
    text = diff_of(repository)
    assert "x <- 2" in text
    assert "job.sh" not in text and "swordfish" not in text and ".env" not in text and "old name" not in text
    assert "left out of the snapshot, and here: 3.\n" in text


def test_secrets_are_masked_and_counted(repository):
    (repository / "train.R").write_text('x <- 1\ny <- 2\npassword <- "swordfish"\nz <- 3\n')
    text = diff_of(repository)
    assert "swordfish" not in text and "\n+z <- 3\n" in text
    assert "# Lines that look like secrets and were masked: 1.\n" in text
    assert "\n+<masked: this line looks like a secret>\n" in text


def test_a_long_diff_is_cut_at_a_line(repository):
    (repository / "train.R").write_text("".join(f"line {i}\n" for i in range(200_000)))
    text = diff_of(repository)
    assert "# Cut: the diff is longer than 256 KB.\n" in text
    assert LIMIT_BYTES - 200 < len(text) < LIMIT_BYTES + 400 and text.endswith("\n")


def test_a_huge_file_is_named_within_the_time(repository):
    with open(repository / "train.R", "wb") as file:
        file.truncate(1 << 40)
    with not_hanging():
        text = diff_of(repository)
    assert "Binary files a/train.R and b/train.R differ\n" in text or "# Cut: git was not done" in text


def test_too_many_files_are_counted(repository, monkeypatch):
    for i in range(30):
        (repository / f"f{i:02d}.R").write_text("1\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "more")
    for i in range(30):
        (repository / f"f{i:02d}.R").write_text("2\n")
    monkeypatch.setattr(diff_module, "_LIMIT_NAMES", 6 * 10)
    text = diff_of(repository)
    assert "20 more are not shown" in text and text.count("\n+2\n") == 10


def test_a_git_that_hangs_is_killed(repository, monkeypatch, tmp_path):
    (repository / "train.R").write_text("changed\n")
    asked = ask_for_diff(start_git(str(repository)), scan_source(str(repository)))
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\necho part\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    with not_hanging():
        text = start_diff(asked).text().decode()
    assert "# Cut: git was not done after 1 s.\n" in text and text.endswith("part\n")


def test_a_git_that_refuses_and_one_that_is_gone(repository, monkeypatch, tmp_path):
    (repository / "train.R").write_text("changed\n")
    asked = ask_for_diff(start_git(str(repository)), scan_source(str(repository)))
    broken = asked._replace(changes=asked.changes._replace(commit="0" * 40))
    assert "git refused" in start_diff(broken).text().decode()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start_diff(asked) is None
    assert diff_of(repository) is None


def test_no_repository_and_no_commit(tmp_path):
    assert diff_of(tmp_path) is None
    git(tmp_path, "init", "-q")
    (tmp_path / "a.R").write_text("1\n")
    assert diff_of(tmp_path) is None


@pytest.mark.parametrize("trap", ["external", "driver", "textconv", "clean", "process", "fsmonitor", "hook", "pager"])
def test_nothing_of_the_repository_runs(repository, tmp_path, trap):
    mark, program = tmp_path / "ran", tmp_path / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    program.chmod(0o755)
    (repository / "train.R").write_text("x <- 1\ny <- 3\n")
    keys = {
        "external": ("diff.external",),
        "driver": ("diff.evil.command",),
        "textconv": ("diff.evil.textconv",),
        "clean": ("filter.evil.clean",),
        "process": ("filter.evil.process",),
        "fsmonitor": ("core.fsmonitor",),
        "pager": ("core.pager", "pager.diff-index"),
    }
    for key in keys.get(trap, ()):
        git(repository, "config", key, str(program))
    if trap == "hook":
        for name in ("post-index-change", "pre-auto-gc", "post-checkout"):
            hook = repository / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            shutil.copy(program, hook)
    if trap in ("driver", "textconv", "clean", "process"):
        kind = "filter" if trap in ("clean", "process") else "diff"
        (repository / ".git" / "info" / "attributes").write_text(f"*.R {kind}=evil\n")
    if trap in ("external", "driver", "textconv", "clean", "fsmonitor"):
        subprocess.run(["git", "diff", "HEAD"], cwd=repository, capture_output=True, stdin=subprocess.DEVNULL)
        assert mark.exists(), "the trap does not work"
        mark.unlink()
        (repository / "train.R").write_text("x <- 1\ny <- 3\n")
    text = diff_of(repository)
    assert not mark.exists()
    assert "+y <- 3\n" in text
    assert not (repository / ".git" / "index.lock").exists()


def test_a_run_keeps_it_and_its_files_do_not_show_it(experiment, repository, ended):
    (repository / "job" / "job.sh").write_text("echo new\n")
    config = ScriptRunConfig(str(repository / "job"), entry_script="job.sh")
    run = experiment.submit(config)
    assert "+echo new\n" in Path(RunPaths(run.run_dir).diff).read_text()
    ended(run)
    assert os.path.exists(RunPaths(run.run_dir).diff)
    assert not [name for name in run.get_file_names() if "diff" in name]


def test_opt_out(experiment, repository, ended, monkeypatch):
    (repository / "job" / "job.sh").write_text("echo new\n")
    folder = str(repository / "job")
    by_session = Session(environment={"ESPALIER_RECORD_DIFF": "no", "PATH": os.environ["PATH"]})
    for config in (
        ScriptRunConfig(folder, entry_script="job.sh", record_diff=False),
        ScriptRunConfig(folder, entry_script="job.sh", session=by_session),
    ):
        run = experiment.submit(config)
        assert run.get_details()["runDefinition"]["git"]["dirty"] is True
        ended(run)
        assert not os.path.exists(RunPaths(run.run_dir).diff)
    monkeypatch.setenv("ESPALIER_RECORD_DIFF", "FALSE")
    assert not ScriptRunConfig(folder, entry_script="job.sh").wants_diff
