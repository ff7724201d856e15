"""A job's private copies of its inputs: what it does to them, the originals stay as they are.

Loaded only for runs that have inputs, standard library only.
"""

import contextlib
import os
import stat
from typing import Optional, Sequence

from espalier.adapters.copying import copy_content
from espalier.adapters.inside import make_inside
from espalier.base.errors import EspalierError
from espalier.base.model.job import Fetch, Input
from espalier.base.paths import RunPaths
from espalier.store.input_digests import LeadsOutside, content_digest, files_below, folder_links, measure, open_plain

# No write permission: a job that tries to write to an input is told so at once, not by a result that is wrong.
_FILE, _FOLDER = 0o444, 0o555


def copy_inputs(run: RunPaths, inputs: Sequence[Input], fetch: Optional[Fetch] = None) -> None:
    """Copy each input whose content was recorded, fetch those that have an address; the others are read where they are.

    Args:
        fetch: How to fetch (protocol.md, `env.json`).

    Raises:
        EspalierError: `input_missing`, `input_changed`: it is not what was submitted.
        OSError: the copy cannot be written.
    """
    copied = [item for item in inputs if item.is_copied]
    if not copied:
        return
    # others may look into a workspace, but not at an input that they could not read where it was
    make_inside(run.root, run.job)
    with contextlib.suppress(FileExistsError):  # made for the job's container, which has it mounted
        os.mkdir(run.inputs, 0o700)
    for item in copied:
        copy = run.input_copy(item.name, item.path)
        os.mkdir(os.path.dirname(copy), 0o700)
        if item.url:
            from espalier.runner.fetch import fetch_input

            assert fetch is not None  # (submit writes how)
            fetch_input(item, copy, fetch, _copy_file)
            os.chmod(os.path.dirname(copy), _FOLDER)
            continue
        _refuse_other_size(item)
        try:
            _copy(item.path, copy)
            seen = content_digest(copy)
        except (LeadsOutside, FileNotFoundError) as error:
            raise _changed(item) from error
        if seen != item.digest:
            raise _changed(item)
        os.chmod(os.path.dirname(copy), _FOLDER)
    os.chmod(run.inputs, 0o500)


def _refuse_other_size(item: Input) -> None:
    """First, and by a look only: what was small at submit may be huge by now."""
    try:
        size, _, files = measure(item.path)
    except OSError as error:
        raise EspalierError(
            "input_missing",
            f"Can't read the input {item.name} ({item.path}) any more: {error.strerror}.",
            "Put it back, and submit again.",
        ) from error
    if (size, files) != (item.size, item.files):
        raise _changed(item)


def _changed(item: Input) -> EspalierError:
    return EspalierError(
        "input_changed",
        f"Can't use the input {item.name} ({item.path}): it changed between submit and the start of the job.",
        "Submit again. A run starts only with the inputs that it was submitted with.",
    )


def _copy(source: str, target: str) -> None:
    if not os.path.isdir(source):
        return _copy_file(source, target)
    folders = []
    for here, _, _ in os.walk(source):
        place = os.path.normpath(os.path.join(target, os.path.relpath(here, source)))
        os.mkdir(place, 0o700)
        folders.append(place)
    for relative, file in files_below(source):
        _copy_file(file, os.path.join(target, relative))
    for relative, to in folder_links(source):
        os.symlink(to, os.path.join(target, relative))
    for place in reversed(folders):
        os.chmod(place, _FOLDER)


def _copy_file(source: str, target: str) -> None:
    """Contents, time of change and executable bits."""
    with open_plain(source) as file:
        seen = os.fstat(file.fileno())
        to = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            copy_content(file.fileno(), to)
            os.utime(to, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            os.fchmod(to, _FILE | stat.S_IMODE(seen.st_mode) & 0o111)
        finally:
            os.close(to)
