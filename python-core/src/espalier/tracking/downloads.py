"""Copying many files of a run at once, each whole or not at all."""

import difflib
import os
from typing import Dict, List, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.progress import advance, report
from espalier.tracking.artifacts import copy_parts, file_names, store


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
    folder = os.path.abspath(os.path.expanduser(output_directory or os.curdir))
    targets = _given(names, folder, output_paths) if output_paths is not None else []
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


def _none_begins(run: RunPaths, prefix: str) -> EspalierError:
    known = file_names(run)
    if not known:
        return EspalierError("artifact_missing", "The run has no files yet.", "Wait until it has ended.")
    # A slip is mostly in the folder: "output/" for "outputs/".
    beginnings = {name[: name.find("/") + 1] or name for name in known} | set(known)
    near = difflib.get_close_matches(prefix, sorted(beginnings), 1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    message = f"No file of the run has a name that begins with {prefix!r}."
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
        f"{len(failed)} of {total} files could not be copied; the others were.\n" + "\n".join(shown) + more,
        "Links and devices are never followed; look at the run's folder yourself if you trust it.",
        failed=sorted(failed),
    )
