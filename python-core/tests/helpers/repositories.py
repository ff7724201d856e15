"""Repositories of git for tests, and what is recorded about a source folder in one."""

import subprocess

from espalier.snapshot.diff import diff_text
from espalier.snapshot.git import GitCall
from espalier.snapshot.take import scan_source, store_scan
from espalier.snapshot.uncommitted import compare_with_commit

IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]


def git(folder, *arguments):
    """Run git, and return what it writes."""
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def compared(paths, source, outside_links="refuse"):
    """State of the repository and uncommitted changes, as a submit from a folder finds them."""
    call = GitCall(str(source))
    scan = scan_source(str(source), outside_links=outside_links)
    return compare_with_commit(call, paths, scan, store_scan(paths, scan).id)


def state_of(paths, source):
    return compared(paths, source)[0]


def diff_of(paths, source):
    changes = compared(paths, source)[1]
    return None if changes is None else diff_text(changes).decode()
