"""The state of a repository, and that asking for it runs nothing the repository brings along."""

import os
import shutil
import subprocess

import pytest
from espalier.snapshot.git import start_git
from espalier.snapshot.gitconfig import filter_names, find_repository, strip_credentials
from hanging import not_hanging

SCANS = False

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git_state(source):
    return start_git(source).result()


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.R").write_text("1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_state_of_a_clean_and_a_dirty_folder(repository):
    git(repository, "remote", "add", "origin", "https://me:secret@example.org/p.git?token=x")
    state = git_state(str(repository))
    assert state == {
        "commit": git(repository, "rev-parse", "HEAD"),
        "branch": "main",
        "dirty": False,
        "remote": "https://example.org/p.git",
    }
    (repository / "new.R").write_text("2\n")
    assert git_state(str(repository))["dirty"] is True


def test_dirty_is_about_the_folder_only(repository):
    (repository / "job").mkdir()
    (repository / "job" / "a.R").write_text("1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "job")
    (repository / "train.R").write_text("changed\n")
    assert git_state(str(repository / "job"))["dirty"] is False
    assert git_state(str(repository))["dirty"] is True


def test_no_repository_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    assert find_repository(str(tmp_path)) is None
    assert git_state(str(tmp_path)) is None


def test_no_git(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(str(repository)) is None


def test_no_commit_yet_and_a_detached_head(tmp_path, repository):
    git(tmp_path, "init", "-q", "-b", "trunk", "empty")
    state = git_state(str(tmp_path / "empty"))
    assert (state["commit"], state["branch"], state["dirty"]) == (None, "trunk", False)
    git(repository, "checkout", "-q", "--detach")
    state = git_state(str(repository))
    assert state["branch"] is None and len(state["commit"]) == 40


def test_worktree(repository, tmp_path):
    git(repository, "remote", "add", "origin", "git@example.org:p.git")
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    state = git_state(str(tmp_path / "tree"))
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


FILTERS = [
    '[filter "x"]\n clean = {p}\n required = true\n',
    '[filter "x"]\n process = {p}\n',
    "[filter.X]\n clean = {p}\n",
    '[core] bare = false\n[user][FILTER "x"] clean = {p}\n',
]


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.parametrize("included", [False, True])
def test_filters_do_not_run(repository, tmp_path, text, included):
    mark, program = evil(tmp_path)
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "attributes").write_text("* filter=x\n")
    config = repository / ".git" / "config"
    body = text.format(p=program)
    if included:
        (repository / ".git" / "more").write_text(body)
        body = "[include]\n path = more\n"
    config.write_text(config.read_text() + body)
    make_stale(repository)
    subprocess.run(["git", "status"], cwd=repository, capture_output=True, timeout=10)
    assert mark.exists(), "the trap does not work"
    mark.unlink()
    make_stale(repository)
    state = git_state(str(repository))
    assert not mark.exists()
    assert state["dirty"] is True and "problem" not in state


def test_monitor_and_hooks_do_not_run(repository, tmp_path):
    mark, program = evil(tmp_path)
    git(repository, "config", "core.fsmonitor", program)
    hooks = repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    shutil.copy(program, hooks / "post-index-change")
    make_stale(repository)
    subprocess.run(["git", "status"], cwd=repository, capture_output=True, timeout=10)
    assert mark.exists(), "the trap does not work"
    mark.unlink()
    make_stale(repository)
    assert git_state(str(repository))["dirty"] is True
    assert not mark.exists()


def test_a_partial_clone_fetches_nothing(repository, tmp_path):
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
    state = git_state(str(repository))
    assert not mark.exists()
    assert state["remote"] == "ext::" and "problem" in state


def test_a_folder_that_looks_like_a_bare_repository_is_not_taken_for_one(repository, tmp_path):
    mark, program = evil(tmp_path)
    job = repository / "job"
    git(repository, "init", "-q", "--bare", str(job))
    (job / "config").write_text(f"[core]\n bare = false\n worktree = .\n fsmonitor = {program}\n")
    assert git_state(str(job))["commit"] == git(repository, "rev-parse", "HEAD")
    assert not mark.exists()


def test_filter_names_that_no_command_line_can_carry_are_refused():
    assert filter_names(['[filter "a\\"b"]']) == {'a"b'}
    assert filter_names(['[filter "a=b"]']) is None
    assert filter_names(['[filter "\udce9"]']) is None


def test_a_git_that_hangs_is_killed(repository, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo")
    git(repository, "config", "core.excludesFile", str(tmp_path / "fifo"))
    with not_hanging():
        call = start_git(str(repository))
        state = call.result()
    assert state["commit"] is None and "within 1 s" in state["problem"]
    assert call.result() is state


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
