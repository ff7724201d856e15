"""The working copy looks like the project that its source folder lies in, and is not it."""

import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from espalier import Experiment, ScriptRunConfig
from espalier.base.model.job import WorkingCopy
from espalier.base.project import project_root
from espalier.jobs.working_copy import working_copy

Ended = Callable[..., Dict[str, Any]]


def git(folder: Path, *words: str) -> str:
    config = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *config, *words], cwd=folder, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return done.stdout.strip()


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init", "-q", "-b", "main", ".")
    for name in ("a.sh", "sub/b.txt", "sub/deep/c.txt"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(name)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "one")
    return project


@pytest.fixture
def says(experiment: Experiment, ended: Ended) -> Callable[..., List[str]]:
    """What a command prints in a job, line by line."""

    def job(source: Path, command: str) -> List[str]:
        run = experiment.submit(ScriptRunConfig(str(source), command=command))
        assert ended(run)["status"] == "Completed", Path(run.run_dir, "user_logs/std_log.txt").read_text()
        return Path(run.run_dir, "user_logs/std_log.txt").read_text().splitlines()

    return job


def test_git_finds_the_working_copy(repository: Path, says: Any) -> None:
    top, place, commit, *status = says(repository, "git rev-parse --show-toplevel; pwd; git rev-parse HEAD; git status --short")
    assert top == place and not top.startswith(str(repository)) and status == []
    assert commit == git(repository, "rev-parse", "HEAD")


def test_of_a_subfolder_the_path_is_kept(repository: Path, says: Any) -> None:
    (repository / "x.Rproj").write_text("Version: 1.0\n")
    top, place, head, *_ = says(repository / "sub" / "deep", "git rev-parse --show-toplevel; pwd; head -1 ../../x.Rproj; cat c.txt; ls ../../a.sh && exit 1; exit 0")
    assert place == f"{top}/sub/deep" and head == "Version: 1.0"


@pytest.mark.parametrize(
    "command",
    ["git clean -fdxq", "git stash -q", "git checkout -q -b new", "git gc -q --prune=now",
     "git add -A; git -c user.name=b -c user.email=b@example.org commit -qm two", "git config core.bare true", "rm -rf .git"],
)  # fmt: skip
def test_what_a_job_does_to_it_does_not_reach_the_user_s(repository: Path, says: Any, command: str) -> None:
    (repository / "a.sh").write_text("changed")
    (repository / "untracked").write_text("x")

    def everything() -> Any:
        # (git renews the time of an object that it would have written, had it not been there)
        files = [path for path in sorted(repository.rglob("*")) if path.is_file()]
        return [(str(path), path.read_bytes(), "objects" in str(path) or path.stat().st_mtime_ns) for path in files]

    before = everything()
    says(repository, command)
    assert everything() == before
    assert git(repository, "status", "--short") == "M a.sh\n?? untracked"


def test_the_user_commits_while_the_run_waits(repository: Path, workspace: Any, experiment: Experiment, ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    from espalier.jobs import commit as submission
    from espalier.queue.step import step

    commit = git(repository, "rev-parse", "HEAD")
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = experiment.submit(ScriptRunConfig(str(repository), command="git rev-parse HEAD; git status --short"))
    (repository / "later").write_text("x")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "two")
    step()
    ended(run)
    assert Path(run.run_dir, "user_logs/std_log.txt").read_text().splitlines() == [commit]


def test_other_kinds_of_repositories(repository: Path, tmp_path: Path, says: Any) -> None:
    """A worktree, a submodule, one without a commit, without an index, one that is broken."""
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"))
    git(tmp_path, "init", "-q", "outer")
    git(tmp_path / "outer", "submodule", "--quiet", "add", str(repository), "inner")
    for place in (tmp_path / "tree", tmp_path / "outer" / "inner"):
        top, here, count, *status = says(place, "git rev-parse --show-toplevel; pwd; git log --oneline | wc -l; git status --short")
        assert top == here and count.strip() == "1" and status == [], place
    git(tmp_path, "init", "-q", "fresh")
    (tmp_path / "fresh" / "a").touch()
    assert says(tmp_path / "fresh", "git rev-parse --show-toplevel | grep -c /work$; git status --short") == ["1", "?? a"]
    (repository / ".git" / "index").unlink()
    assert says(repository, "git rev-parse --show-toplevel | grep -c /work$") == ["1"]
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    (tmp_path / "broken" / "a").touch()
    assert says(tmp_path / "broken", "git rev-parse --show-toplevel 2>&1 | grep -c 'not a git'") == ["1"]


def test_a_repository_with_longer_ids(tmp_path: Path, says: Any) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    (tmp_path / "long" / "a").touch()
    git(tmp_path / "long", "add", "-A")
    git(tmp_path / "long", "commit", "-qm", "one")
    assert says(tmp_path / "long", "git rev-parse HEAD; git status --short") == [git(tmp_path / "long", "rev-parse", "HEAD")]


def test_without_git_it_finds_none(project: Path, says: Any) -> None:
    (project / "a").touch()
    (line,) = says(project, "git rev-parse --show-toplevel 2>&1 || true")
    assert "not a git repository" in line


def climbed(folder: Path, name: str) -> str:
    return f"d=$PWD; while [ ! -e $d/{name} ] && [ $d != / ]; do d=$(dirname $d); done; echo $d; pwd"


@pytest.mark.parametrize("mark", ["x.Rproj", ".here", "DESCRIPTION", "renv.lock", "pyproject.toml", "config.yml"])
def test_climbing_ends_in_the_copy_or_finds_nothing(project: Path, says: Any, mark: str) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "a").touch()
    (project / mark).write_text("Version: 1.0\n")
    found, place = says(project / "sub", climbed(project, mark))
    assert found == "/" or place.startswith(found + "/")
    assert not found.startswith(str(project))


def test_the_nearest_mark_is_the_top(project: Path) -> None:
    (project / "sub" / "deep").mkdir(parents=True)
    assert working_copy(str(project / "sub"), None, None).directory == ""
    (project / "top.Rproj").touch()
    (project / "sub" / "sub.Rproj").touch()
    assert project_root(str(project / "sub" / "deep")) == str(project / "sub")
    assert working_copy(str(project / "sub" / "deep"), None, None) == WorkingCopy("deep", ("sub.Rproj",))
