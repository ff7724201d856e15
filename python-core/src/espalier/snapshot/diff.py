"""The uncommitted diff of a source folder: what had changed since the commit when a run was submitted.

It is for people who look at a run later; the files themselves are in the snapshot. Only files of the snapshot
appear in it, and lines that look like secrets are masked.
"""

import contextlib
from typing import Dict, Iterator, List, Optional

from espalier.adapters.inside import replace_inside
from espalier.paths import RunPaths
from espalier.snapshot.git import GitMissing, GitProblem
from espalier.snapshot.names import shown
from espalier.snapshot.textdiff import text_diff
from espalier.snapshot.uncommitted import LARGEST, UNREADABLE, Change, Changes, lfs_content, unix_ends

LIMIT_BYTES = 256 * 1024
_LISTED = 100
# Old contents that are fetched from git at a time.
_AT_A_TIME = 16
_MODES = {"f": "100644", "x": "100755", "l": "120000", "m": "160000"}


def store_diff(run: RunPaths, changes: Optional[Changes]) -> None:
    """Keep the diff with its run. What cannot be kept is left out: to repeat the run, its snapshot is enough.

    Args:
        run: The run, in its place; its job does not wait for this.
        changes: What is not committed; None for no diff.
    """
    if changes is None:
        return
    with contextlib.suppress(OSError):
        replace_inside(run.root, run.diff, diff_text(changes))


def diff_text(changes: Changes) -> bytes:
    """The diff, after a head of lines that begin with `#`; takes one second at most."""
    from espalier.snapshot.secrets import mask_secrets

    diff, cut = b"", ""
    try:
        for text in _patches(changes):
            diff += text.encode("utf-8", "surrogateescape")
            if len(diff) > LIMIT_BYTES:
                cut = f"the diff is longer than {LIMIT_BYTES // 1024} KB"
                break
    except (GitProblem, GitMissing) as error:
        cut = str(error)
    except UNREADABLE:
        cut = "the snapshot could not be read"
    finally:
        changes.stored.close()
    diff = diff[:LIMIT_BYTES]
    masked_diff, masked = mask_secrets(diff[: diff.rfind(b"\n") + 1])
    return "".join(f"# {line}\n" for line in _head(changes, masked, cut)).encode("utf-8") + masked_diff


def _head(changes: Changes, masked: int, cut: str) -> List[str]:
    commit = changes.call.state["commit"]
    lines = [f"Changes since commit {commit}, as they were at submit. Paths are the repository's."]
    if cut:
        lines.append(f"Cut, because {cut}.")
    if masked:
        lines.append(f"Lines that look like secrets and were masked: {masked}.")
    if changes.left_out:
        lines.append(f"Committed files that are left out of the snapshot, and here: {changes.left_out}.")
    if changes.untracked:
        lines.append(f"Files that git does not track, whole in the snapshot: {len(changes.untracked)}.")
        lines += ["  " + shown(path) for path in changes.untracked[:_LISTED]]
    return lines


def _patches(changes: Changes) -> Iterator[str]:
    """The diffs of the files, one after another."""
    git, top = changes.call.git(), changes.call.prefix()
    for start in range(0, len(changes.changed), _AT_A_TIME):
        some = changes.changed[start : start + _AT_A_TIME]
        ids = {change.before[1] for change in some if change.before and change.after}
        contents = git.contents(ids, LARGEST)[1]
        for change in some:
            git.refuse_late()
            yield _patch(changes, change, top + change.path, contents)


def _patch(changes: Changes, change: Change, path: str, contents: Dict[str, bytes]) -> str:
    """The diff of one file, as git writes it."""
    name, before, after = shown(path), change.before, change.after
    head = f"diff --git a/{name} b/{name}\n"
    if after is None:  # (of a file that is gone only the name is shown)
        return head + f"deleted file mode {_MODES[before[0]] if before else ''}\n"
    if before is None:
        head += f"new file mode {_MODES[after]}\n"
    elif before[0] != after:
        head += f"old mode {_MODES[before[0]]}\nnew mode {_MODES[after]}\n"
    old = contents.get(before[1]) if before else b""
    new = changes.stored.data(change.path) if changes.stored.find(change.path)[2] <= LARGEST else None
    if old is not None and new is not None and lfs_content(old) is None:
        # (where the commit has line ends of Unix, they may be git's)
        shown_diff = text_diff(path, old if before else None, unix_ends(new) if before and b"\r" not in old else new)
        if shown_diff.note != "binary":
            return head + (shown_diff.text or "")
    return head + f"Binary files {'a/' + name if before else '/dev/null'} and b/{name} differ\n"
