"""Copies of a run's files, and new files of it.

Of files that are copied each is whole or not there. Files are stored all or not at all, never by way of a link out of
the run.
"""

import contextlib
import difflib
import errno
import os
import stat
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from espalier.adapters.files import remove_tree
from espalier.base.errors import EspalierError
from espalier.base.os_errors import os_error
from espalier.base.paths import KEPT_FOLDERS, RUNNER_FOLDERS, RunPaths, temporary
from espalier.base.progress import advance, check, indivisible, report
from espalier.base.records import FILE_MODE, FOLDER_MODE
from espalier.lifecycle.scratch import live_scratch
from espalier.tracking.artifacts import checked_parts, copy_parts, file_names, store, stored_parts, why_there_is_none

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Bytes of a name, and of one part of it: longer ones could not be listed.
_LONGEST_NAME, _LONGEST_PART = 1024, 255


def download_all(
    run: RunPaths,
    prefix: Optional[str] = None,
    output_directory: Optional[str] = None,
    output_paths: Optional[Sequence[str]] = None,
    append_prefix: bool = True,
) -> List[str]:
    """Copy all files whose names begin with a prefix.

    Returns:
        The files written, in the order of their names.

    Raises:
        EspalierError: `artifact_missing` (none has the prefix), `bad_argument` (`output_paths` do not fit);
            `artifact_unsafe` after all others were copied, when some could not be.
    """
    names = [name for name in file_names(run) if name.startswith(prefix or "")]
    if not names:
        raise _none_begins(run, prefix or "")
    folder, targets = _places(names, output_directory, output_paths)
    written: List[str] = []
    failed: Dict[str, str] = {}
    refused: Optional[OSError] = None
    report("Copying files", 0, len(names))
    for number, name in enumerate(names):
        try:
            target = targets[number] if targets else _target(name, folder, prefix or "", append_prefix)
            written.append(store(run, name, target))
        except EspalierError as error:
            failed[name] = error.message
        except OSError as error:
            refused = refused or error
            failed[name] = f"{error.strerror}: {target}"
        advance(1)
    if refused is not None and not written:  # the disk, or the folder, takes no file at all
        raise refused
    if failed:
        raise _not_all(failed, len(names))
    return written


def existing_targets(
    run: RunPaths,
    prefix: Optional[str] = None,
    output_directory: Optional[str] = None,
    output_paths: Optional[Sequence[str]] = None,
    append_prefix: bool = True,
) -> List[str]:
    """The files that `download_all` would replace."""
    names = [name for name in file_names(run) if name.startswith(prefix or "")]
    folder, targets = _places(names, output_directory, output_paths)
    if not targets:
        for name in names:
            with contextlib.suppress(EspalierError):  # (it can't be copied, which the download reports)
                targets.append(_target(name, folder, prefix or "", append_prefix))
    return [target for target in targets if os.path.lexists(target)]


def _places(
    names: List[str], output_directory: Optional[str], output_paths: Optional[Sequence[str]]
) -> Tuple[str, List[str]]:
    """The folder that files are copied to, and where each goes, if that was given."""
    folder = os.path.abspath(os.path.expanduser(output_directory or os.curdir))
    return folder, _given(names, folder, output_paths) if output_paths is not None else []


def _none_begins(run: RunPaths, prefix: str) -> EspalierError:
    known = file_names(run)
    if not known:
        why = why_there_is_none(run)
        hint = "Wait until it has ended." if why == " yet." else ""
        return EspalierError("artifact_missing", f"Can't find files of the run{why}", hint)
    # A slip is mostly in the folder: "output/" for "outputs/".
    beginnings = {name[: name.find("/") + 1] or name for name in known} | set(known)
    near = difflib.get_close_matches(prefix, sorted(beginnings), 1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    message = f"Can't find files of the run with names that begin with {prefix!r}."
    return EspalierError("artifact_missing", message, meant + "get_run_file_names() returns all names.")


def _given(names: List[str], folder: str, output_paths: Sequence[str]) -> List[str]:
    targets = [os.path.join(folder, os.path.expanduser(path)) for path in output_paths]
    if len(targets) != len(names) or len(set(targets)) != len(targets):
        raise EspalierError(
            "bad_argument",
            f"`output_paths` has {len(targets)} paths, {len(set(targets))} of them different, for {len(names)} files.",
            "Give one for each file, in the order of their names.",
        )
    return targets


def _target(name: str, folder: str, prefix: str, append_prefix: bool) -> str:
    # (what is cut off are whole folders: of `outputs/mod` it is `outputs/`)
    kept = name if append_prefix else name[prefix.rfind("/") + 1 :]
    return os.path.join(folder, *copy_parts(kept))


def _not_all(failed: Dict[str, str], total: int) -> EspalierError:
    shown = [f"{name!r}: {why}" for name, why in list(failed.items())[:5]]
    more = f"\nand {len(failed) - 5} more" if len(failed) > 5 else ""
    return EspalierError(
        "artifact_unsafe",
        f"Can't copy {len(failed)} of {total} files. The others were copied.\n" + "\n".join(shown) + more,
        "espalier doesn't follow links or read devices. If you trust them, read them in the run's folder.",
        failed=sorted(failed),
    )


def upload(run: RunPaths, files: Sequence[Tuple[str, str]]) -> None:
    """Store files under names; what does not begin with `outputs/` or `logs/` goes to the run's `uploads/`.

    Raises:
        EspalierError: `file_exists` (the run has that file, or a name is given twice), `artifact_missing` (no such
            source), `artifact_unsafe` (a link on the way), `bad_name`, `workspace_read_only`. Nothing was stored.
    """
    targets = [_target_parts(name) for name, _ in files]
    seen: Set[Tuple[str, ...]] = set()
    for parts, (name, source) in zip(targets, files):
        if tuple(parts) in seen or _is_taken(run, parts):
            raise _exists(name)
        seen.add(tuple(parts))
        if not os.path.isfile(source):
            raise EspalierError("artifact_missing", f"Can't find the file {source}.", "Correct the path.")
    stages: Dict[str, str] = {}
    try:
        stages = _make_stages(run, {parts[0] for parts in targets})
        staged = [os.path.join(stages[parts[0]], str(number)) for number, parts in enumerate(targets)]
        report("Uploading files", 0, len(files))
        for (_, source), path in zip(files, staged):
            _stage(source, path)
            advance(1)
        with indivisible():
            _publish(run, staged, targets)
    except OSError as error:
        raise os_error(error, run.workspace.root) or error from error
    finally:
        for stage in set(stages.values()):
            remove_tree(stage)


def files_below(name: str, folder: str) -> List[Tuple[str, str]]:
    """The files of a folder as names below `name` and sources, sorted. Links to files count as those files. Raises
    EspalierError: `source_missing`; `source_unreadable` for links to folders, pipes and the like."""
    if not os.path.isdir(folder):
        raise EspalierError("source_missing", f"Can't find the folder {folder}.", "Correct the path.")
    found, pending = [], [(name.rstrip("/"), folder)]
    while pending:
        prefix, parent = pending.pop()
        try:
            entries = list(os.scandir(parent))
        except OSError as error:
            raise EspalierError("source_unreadable", f"Can't read {parent}: {error.strerror}.") from error
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append((f"{prefix}/{entry.name}", entry.path))
            elif entry.is_file():
                found.append((f"{prefix}/{entry.name}", entry.path))
            else:
                why = f"Can't upload {entry.path}: it's neither a file nor a folder, or a link to a folder."
                raise EspalierError("source_unreadable", why, "Remove it, or upload single files.", path=entry.path)
    return sorted(found)


def _target_parts(name: str) -> List[str]:
    parts = checked_parts(name)
    too_long = len(os.fsencode(name)) > _LONGEST_NAME or any(len(os.fsencode(part)) > _LONGEST_PART for part in parts)
    if too_long or parts[0] in RUNNER_FOLDERS or (len(parts) == 1 and parts[0] in KEPT_FOLDERS):
        why = "is too long" if too_long else "belongs to espalier itself"
        raise EspalierError(
            "bad_name", f"Can't use the name {name[:80]!r}: it {why}.", "Choose another, such as outputs/model.rds."
        )
    return stored_parts(parts)


def _is_taken(run: RunPaths, parts: List[str]) -> bool:
    """Whether the run has it, also in a folder of its job, which is moved home at the job's end."""
    roots = [run.root]
    scratch = live_scratch(run) if parts[0] in KEPT_FOLDERS else None
    if scratch is not None:
        roots.append(scratch.job)
    return any(os.path.lexists(os.path.join(root, *parts)) for root in roots)


def _make_stages(run: RunPaths, tops: Set[str]) -> Dict[str, str]:
    """Make the folders in which files are written aside, by the folder of the run that they go to.

    It is one, beside the run. A job in a container can't write there, and each of its folders is a separate mount, from
    which no file moves to another: there it is one in each.
    """
    stage = temporary(run.shard)
    try:
        os.mkdir(stage, 0o700)
        return dict.fromkeys(tops, stage)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        stages = {top: temporary(os.path.join(run.root, top)) for top in tops}
        try:
            for stage in stages.values():
                os.mkdir(stage, 0o700)
        except OSError:
            for stage in stages.values():
                remove_tree(stage)
            raise error from None
        return stages


def _stage(source: str, target: str) -> None:
    to = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with open(source, "rb") as reader, open(to, "wb") as writer:
        while True:
            chunk = reader.read(1024 * 1024)
            if not chunk:
                return
            check()
            writer.write(chunk)


def _publish(run: RunPaths, staged: List[str], targets: List[List[str]]) -> None:
    done: List[List[str]] = []
    try:
        for path, parts in zip(staged, targets):
            with _opened_folder(run, parts) as folder:
                _place(path, parts, folder)
            done.append(parts)
    except BaseException:
        for parts in done:
            with contextlib.suppress(OSError, EspalierError), _opened_folder(run, parts) as folder:
                os.unlink(parts[-1], dir_fd=folder)
        raise


def _place(staged: str, parts: List[str], folder: int) -> None:
    """Give a whole file its name, never in place of another."""
    try:
        os.link(staged, parts[-1], dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise _exists("/".join(parts)) from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        # a file system without hard links
        with contextlib.suppress(FileNotFoundError):
            os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            raise _exists("/".join(parts)) from None
        os.rename(staged, parts[-1], dst_dir_fd=folder)


@contextlib.contextmanager
def _opened_folder(run: RunPaths, parts: List[str]) -> Iterator[int]:
    """The folder a file goes to, made where it is missing, opened part by part without following links."""
    folder = os.open(run.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, FOLDER_MODE, dir_fd=folder)
            try:
                deeper = os.open(part, _FOLDER, dir_fd=folder)
            except OSError as error:
                raise _no_folder(part, parts, folder) or error from None
            os.close(folder)
            folder = deeper
        yield folder
    finally:
        os.close(folder)


def _no_folder(part: str, parts: List[str], folder: int) -> Optional[EspalierError]:
    mode = os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode
    name = "/".join(parts)
    if stat.S_ISLNK(mode):
        why = f"Can't store {name} behind the link {part}: espalier doesn't follow links of a run."
        return EspalierError("artifact_unsafe", why, "Choose another name.")
    return None if stat.S_ISDIR(mode) else _exists(part)


def _exists(name: str) -> EspalierError:
    return EspalierError(
        "file_exists", f"Can't store {name!r}: the run has a file of that name.", "Choose another name."
    )
