"""What of the store is in use: the objects that some run, kept snapshot or environment refers to.

A snapshot taken outside of runs has a record, which keeps it until the record is removed.
"""

import contextlib
import json
import os
import re
import time
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, RunPaths, WorkspacePaths, is_digest, is_record, is_run_id, is_temporary
from espalier.base.progress import check, report
from espalier.base.records import make_folders, now_iso, read_record, replace_record
from espalier.base.store_paths import digest_of_record
from espalier.snapshot.take import Snapshot
from espalier.store.packs import ObjectReader
from espalier.store.trees import objects_of


def keep(paths: WorkspacePaths, snapshot: Snapshot) -> None:
    """Keeps a snapshot; taken again, it has the time and folder of the last time.

    Args:
        paths: The workspace, whose objects are held.
        snapshot: What is in its store.

    Raises:
        OSError: the record cannot be written.
    """
    record = {
        "format": FORMAT,
        "id": snapshot.id,
        "taken_at": now_iso(time.time()),
        "source_directory": snapshot.source_directory,
        "files": snapshot.files,
        "bytes": snapshot.bytes,
    }
    make_folders(paths.kept, top=paths.root)
    replace_record(paths.kept_snapshot(snapshot.id[7:]), record, paths.kept, sync=True)


def kept_snapshots(paths: WorkspacePaths) -> List[Dict[str, Any]]:
    """The records of the kept snapshots, newest first; of one that cannot be read only the `id`."""
    records = []
    for digest in kept_digests(paths):
        record: Dict[str, Any] = {}
        with contextlib.suppress(EspalierError, OSError):
            record = read_record(paths.kept_snapshot(digest))
        records.append({**record, "id": "sha256:" + digest})
    return sorted(records, key=lambda record: str(record.get("taken_at", "")), reverse=True)


def kept_digests(paths: WorkspacePaths) -> List[str]:
    """The kept snapshots, 64 hex digits each."""
    names = os.listdir(paths.kept) if os.path.isdir(paths.kept) else []
    return [digest for digest in map(digest_of_record, names) if digest]


def remove_record(paths: WorkspacePaths, snapshot_id: str) -> bool:
    """Removes a snapshot's record; its files stay until garbage is collected.

    Args:
        snapshot_id: `sha256:<64 hex digits>`.

    Returns:
        Whether it was kept.

    Raises:
        OSError: the record cannot be removed.
    """
    try:
        os.unlink(paths.kept_snapshot(snapshot_id[7:]))
    except FileNotFoundError:
        return False
    return True


_NAMED = re.compile(rb"sha256:([0-9a-f]{64})")
# How long deleting a run's folder may take once its definition is gone.
_DELETING_SECONDS = 1.0


def objects_in_use(paths: WorkspacePaths) -> Set[str]:
    """Everything that runs, finished or not, kept snapshots and registered environments refer to.

    Returns:
        SHA-256 of objects and manifests, 64 hex digits each. Everything else that a run's definition names by digest is
        among them.

    Raises:
        EspalierError: when it isn't known what one of them refers to: `snapshot_damaged`, `damaged`,
            `newer_format`.
    """
    found: Set[str] = set()
    seen: Set[str] = set()
    with ObjectReader(paths) as reader:
        for number, (digest, who) in enumerate(_roots(paths, found)):
            report("Looking what is in use", number)
            try:
                found.update(objects_of(paths, "sha256:" + digest, reader, seen))
            except EspalierError as error:
                raise _undecided(error, who) from error
    return found


def _roots(paths: WorkspacePaths, named: Set[str]) -> Iterator[Tuple[str, str]]:
    """Each snapshot that is referred to, with who does; what runs name besides goes to `named`."""
    for digest in kept_digests(paths):
        yield digest, f"it is kept, see list_snapshots(); delete_snapshot() of sha256:{digest} gives it up"
    try:
        yield from registered_contexts(paths)
    except EspalierError as error:
        raise _undecided(error, "or delete that version of the environment, if it is to go") from error
    for run in _runs(paths):
        try:
            snapshots = snapshots_of(run, named)
        except EspalierError as error:
            if is_temporary(os.path.basename(run.root)):
                continue  # left half-written by a killed process: one that lives holds the objects
            raise _undecided(error, f"or delete the run's folder {run.root}, if it is to go") from error
        for snapshot in snapshots:
            yield snapshot, f"the run {os.path.basename(run.root)} refers to it; delete its folder to give it up"


def _runs(paths: WorkspacePaths) -> Iterator[RunPaths]:
    """The folders of all runs, also of those on their way to their place."""
    for shard in _names(paths.runs):
        for name in _names(os.path.join(paths.runs, shard)):
            run = RunPaths(os.path.join(paths.runs, shard, name))
            # (what was left of a killed submit isn't a run unless its definition is there)
            if is_run_id(name) or (is_temporary(name) and os.path.exists(run.spec)):
                yield run


def snapshots_of(run: RunPaths, named: Set[str]) -> List[str]:
    """The snapshot of a run, if it has one, and those of its environment's build context; 64 hex digits each.

    Args:
        named: Gets everything else that its definition names by digest.

    Raises:
        EspalierError: `damaged`.
    """
    try:
        data = _definition(run)
        if data is None:
            return []
        found = snapshots_in(json.loads(data), has_contexts=b'"build_context"' in data)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        message = f"Can't read {run.spec}: {error}."
        raise EspalierError("damaged", message, "Restore it from a backup.", path=run.spec) from error
    # (a newer version may refer to more than the snapshot)
    named.update(match.decode("ascii") for match in _NAMED.findall(data))
    return found


def snapshots_in(spec: Any, *, has_contexts: bool = True) -> List[str]:
    """The snapshots that a definition names, likewise.

    Args:
        has_contexts: False: it is known to have no build context.

    Raises:
        ValueError, LookupError, TypeError: it can't be read.
    """
    snapshot = spec["snapshot"]
    digest = str(snapshot["id"])[7:] if snapshot is not None else ""
    if digest and not is_digest(digest):
        raise ValueError("it names no snapshot")
    contexts = list(contexts_in(spec)) if has_contexts else []
    return [digest, *contexts] if digest else contexts


def _definition(run: RunPaths) -> Optional[bytes]:
    """The bytes of a run's definition; None when the run's folder is being deleted."""
    until = time.monotonic() + _DELETING_SECONDS
    while True:
        try:
            with open(run.spec, "rb") as file:
                return file.read()
        except FileNotFoundError:
            if not os.path.isdir(run.root):
                return None
            if time.monotonic() > until:
                raise
            check()
            time.sleep(0.005)


def _undecided(error: EspalierError, who: str) -> EspalierError:
    """The same error, for a user who asked for garbage."""
    return EspalierError(
        error.code,
        f"Can't tell which files are in use, so nothing was deleted. {error.message}",
        f"{error.hint} ({who[0].upper()}{who[1:]}.)",
        **error.fields,
    )


def contexts_in(value: Any) -> Iterator[str]:
    """The snapshots of all build contexts in a JSON value, 64 hex digits each."""
    if isinstance(value, list):
        for item in value:
            yield from contexts_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "build_context" and isinstance(item, dict) and isinstance(item.get("snapshot"), str):
                digest = item["snapshot"][7:]
                if not is_digest(digest):
                    raise ValueError(f"{item['snapshot']!r} isn't a snapshot")
                yield digest
            else:
                yield from contexts_in(item)


def registered_contexts(paths: WorkspacePaths) -> Iterator[Tuple[str, str]]:
    """The snapshots that registered environments refer to.

    Returns:
        Each with who refers to it, in words.

    Raises:
        EspalierError: `damaged` when what one of them refers to can't be read.
    """
    for name in _names(paths.environments):
        for file in filter(is_record, _names(os.path.join(paths.environments, name))):
            path = os.path.join(paths.environments, name, file)
            for digest in _contexts_of(path):
                yield digest, f"version {file.partition('.')[0]} of the environment {name} refers to it"


def _contexts_of(path: str) -> List[str]:
    try:
        with open(path, "rb") as file:
            return list(contexts_in(json.loads(file.read())))
    except (OSError, ValueError, RecursionError) as error:
        message = f"Can't read {path}: {error}."
        raise EspalierError("damaged", message, "Restore it from a backup, or delete it.", path=path) from error


def _names(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
