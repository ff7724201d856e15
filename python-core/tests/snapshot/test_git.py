"""The state of a repository, and that asking for it runs nothing the repository brings along."""

import os
import shutil
import subprocess

import pytest
from espalier.snapshot.git import strip_credentials
from espalier.snapshot.repository import owned_repository
from hanging import not_hanging
from repositories import diff_of, git, state_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.R").write_text("1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_state_of_a_clean_and_a_dirty_folder(paths, repository):
    git(repository, "remote", "add", "origin", "https://me:secret@example.org/p.git?token=x")
    state = state_of(paths, repository)
    assert state == {
        "commit": git(repository, "rev-parse", "HEAD"),
        "branch": "main",
        "dirty": False,
        "remote": "https://example.org/p.git",
    }
    (repository / "new.R").write_text("2\n")
    assert state_of(paths, repository)["dirty"] is True


def test_dirty_is_about_the_folder_only(paths, repository):
    (repository / "job").mkdir()
    (repository / "job" / "a.R").write_text("1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "job")
    (repository / "train.R").write_text("changed\n")
    assert state_of(paths, repository / "job")["dirty"] is False
    assert state_of(paths, repository)["dirty"] is True


def test_no_repository_starts_no_process(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    assert owned_repository(str(tmp_path))[0] is None
    assert state_of(paths, tmp_path) is None


def test_no_git(paths, repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert state_of(paths, repository) is None


def test_no_commit_yet_and_a_detached_head(paths, tmp_path, repository):
    git(tmp_path, "init", "-q", "-b", "trunk", "empty")
    state = state_of(paths, tmp_path / "empty")
    assert (state["commit"], state["branch"], state["dirty"]) == (None, "trunk", False)
    git(repository, "checkout", "-q", "--detach")
    state = state_of(paths, repository)
    assert state["branch"] is None and len(state["commit"]) == 40


def test_worktree(paths, repository, tmp_path):
    git(repository, "remote", "add", "origin", "git@example.org:p.git")
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    state = state_of(paths, tmp_path / "tree")
    assert (state["branch"], state["remote"], state["dirty"]) == ("side", "git@example.org:p.git", False)


def evil(tmp_path, name="evil"):
    """A program that leaves a mark when it runs."""
    mark, program = tmp_path / f"{name}-ran", tmp_path / f"{name}.sh"
    program.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    program.chmod(0o755)
    return mark, str(program)


def make_stale(repository):
    """Same size, other time: git must compare contents, through the filter."""
    (repository / "train.R").write_text("2\n")
    os.utime(repository / "train.R", (1, 1))


# What git runs when it is asked about a work tree by hand, by how it gets to run.
TRAPS = {
    "clean": ({"filter.evil.clean": "{p}", "filter.evil.required": "true"}, "filter=evil"),
    "process": ({"filter.evil.process": "{p}"}, "filter=evil"),
    "external": ({"diff.external": "{p}"}, ""),
    "driver": ({"diff.evil.command": "{p}"}, "diff=evil"),
    "textconv": ({"diff.evil.textconv": "{p}"}, "diff=evil"),
    "fsmonitor": ({"core.fsmonitor": "{p}"}, ""),
    "hook": ({"core.hooksPath": "{hooks}"}, ""),
    "pager": ({"core.pager": "{p}", "pager.ls-files": "{p}", "pager.config": "{p}", "pager.diff-index": "{p}"}, ""),
    "alias": ({"alias.rev-parse": "!{p}", "alias.diff-index": "!{p}", "alias.cat-file": "!{p}"}, ""),
}


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("trap", sorted(TRAPS))
def test_nothing_of_the_repository_runs(paths, repository, tmp_path, trap, included):
    mark, program = evil(tmp_path)
    settings, attribute = TRAPS[trap]
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "pre-auto-gc", "post-checkout", "reference-transaction"):
        shutil.copy(program, hooks / name)
    place = repository / ".git" / "more" if included else repository / ".git" / "config"
    for name, value in settings.items():
        git(repository, "config", "--file", str(place), name, value.format(p=program, hooks=hooks))
    if included:
        git(repository, "config", "include.path", "more")
    if attribute:
        (repository / ".gitattributes").write_text(f"*.R {attribute}\n")
    make_stale(repository)
    if trap not in ("pager", "alias"):
        for words in (["status"], ["diff", "HEAD"]):
            subprocess.run(["git", *words], cwd=repository, capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
        assert mark.exists(), "the trap does not work"
        mark.unlink()
        make_stale(repository)
    text = diff_of(paths, repository)
    assert not mark.exists()
    assert "\n-1\n+2\n" in text and not (repository / ".git" / "index.lock").exists()
    assert "problem" not in state_of(paths, repository)


def test_a_partial_clone_fetches_nothing(paths, repository, tmp_path):
    mark, program = evil(tmp_path)
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    (repository / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::{program}"),
        ("protocol.ext.allow", "always"),
    ):
        git(repository, "config", key, value)
    subprocess.run(["git", "status"], cwd=repository, capture_output=True, timeout=10)
    assert mark.exists(), "the trap does not work"
    mark.unlink()
    (repository / ".git" / "index").unlink()  # (it names the tree, and spares git a look at it)
    state = state_of(paths, repository)
    assert not mark.exists()
    assert state["remote"] == "ext::" and state["commit"] and state["dirty"] is None and "refused" in state["problem"]


def test_a_folder_that_looks_like_a_bare_repository_is_not_taken_for_one(paths, repository, tmp_path):
    mark, program = evil(tmp_path)
    job = repository / "job"
    git(repository, "init", "-q", "--bare", str(job))
    (job / "config").write_text(f"[core]\n bare = false\n worktree = .\n fsmonitor = {program}\n")
    assert state_of(paths, job)["commit"] == git(repository, "rev-parse", "HEAD")
    assert not mark.exists()


@pytest.mark.parametrize("setting", ["include.path", "core.excludesFile"])
def test_a_git_that_hangs_is_killed(paths, repository, tmp_path, setting):
    os.mkfifo(tmp_path / "fifo")
    (repository / "new.R").write_text("1\n")
    git(repository, "config", setting, str(tmp_path / "fifo"))
    with not_hanging():
        state = state_of(paths, repository)
    assert state["dirty"] is None and "within 1 s" in state["problem"]
    assert (state["commit"] is None) == (setting == "include.path")


def test_pipes_in_the_place_of_files_are_not_waited_for(paths, repository):
    (repository / ".git" / "index").unlink()
    os.mkfifo(repository / ".git" / "index")
    with not_hanging():
        state = state_of(paths, repository)
    assert state["commit"] and "problem" in state


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://user:pa@ss@host/x.git", "https://host/x.git"),
        ("https://user:pa/s@host/x.git", "https://host/x.git"),
        ("https://user:pa#s?t@host/x.git", "https://host/x.git"),
        ("https://token@host:8443/x.git?a=b#c", "https://host:8443/x.git"),
        ("https://host:8443/@scope/x.git", "https://host:8443/@scope/x.git"),
        ("ssh://git:pw@host/x", "ssh://host/x"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("ghp_abcdefghij@host:a/b.git", "host:a/b.git"),
        ("ext::sh -c 'curl -u me:pw'", "ext::"),
        ("codecommit::eu://profile@repo", "codecommit::eu://repo"),
        ("https://host/ghp_abcdefghij/x", "https://host/***/x"),
        ("/srv/git/x.git", "/srv/git/x.git"),
        ("../x", "../x"),
    ],
)
def test_credentials_are_stripped(url, left):
    assert strip_credentials(url) == left
