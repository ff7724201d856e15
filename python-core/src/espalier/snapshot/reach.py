"""What of the store is in use: the objects that some run, kept snapshot or environment refers to."""

import json
import os
import re
import time
from typing import Any, Iterator, List, Optional, Set, Tuple

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths, WorkspacePaths, is_digest, is_record, is_run_id, is_temporary
from espalier.base.progress import check, report
from espalier.snapshot.kept import kept_digests
from espalier.store.packs import ObjectReader
from espalier.store.trees import objects_of

_NAMED = re.compile(rb"sha256:([0-9a-f]{64})")
# How long deleting a run's folder may take once its definition is gone.
_DELETING_SECONDS = 1.0


def objects_in_use(paths: WorkspacePaths) -> Set[str]:
    """Everything that runs, finished or not, kept snapshots and registered environments refer to.

    Args:
        paths: The workspace.

    Returns:
        SHA-256 of objects and manifests, 64 hex digits each. Whatever else a run's definition names by digest is
        among them.

    Raises:
        EspalierError: when it cannot be told what one of them refers to: `snapshot_damaged`, `damaged`,
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
            snapshots = _snapshots_of(run, named)
        except EspalierError as error:
            raise _undecided(error, f"or delete the run's folder {run.root}, if it is to go") from error
        for snapshot in snapshots:
            yield snapshot, f"the run {os.path.basename(run.root)} refers to it; delete its folder to give it up"


def _runs(paths: WorkspacePaths) -> Iterator[RunPaths]:
    """The folders of all runs, also of those on their way to their place."""
    for shard in _names(paths.runs):
        for name in _names(os.path.join(paths.runs, shard)):
            run = RunPaths(os.path.join(paths.runs, shard, name))
            # (what was left of a killed submit is no run unless its definition is there)
            if is_run_id(name) or (is_temporary(name) and os.path.exists(run.spec)):
                yield run


def _snapshots_of(run: RunPaths, named: Set[str]) -> List[str]:
    """The snapshot of a run, if it has one, and those of its environment's build context; 64 hex digits each."""
    try:
        data = _definition(run)
        if data is None:
            return []
        spec = json.loads(data)
        snapshot = spec["snapshot"]
        digest = str(snapshot["id"])[7:] if snapshot is not None else ""
        if digest and not is_digest(digest):
            raise ValueError("it names no snapshot")
        contexts = list(contexts_in(spec)) if b'"build_context"' in data else []
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        message = f"{run.spec} cannot be read: {error}."
        raise EspalierError("damaged", message, "Restore it from a backup.", path=run.spec) from error
    # (a newer version may refer to more than the snapshot)
    named.update(match.decode("ascii") for match in _NAMED.findall(data))
    return [digest, *contexts] if digest else contexts


def _definition(run: RunPaths) -> Optional[bytes]:
    """The bytes of a run's definition; None when somebody is just deleting the run's folder."""
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
    """The same error, for somebody who asked for garbage."""
    return EspalierError(
        error.code,
        f"Nothing was deleted, for it cannot be told what is in use. {error.message}",
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
                    raise ValueError(f"{item['snapshot']!r} is no snapshot")
                yield digest
            else:
                yield from contexts_in(item)


def registered_contexts(paths: WorkspacePaths) -> Iterator[Tuple[str, str]]:
    """The snapshots that registered environments refer to.

    Args:
        paths: The workspace.

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
        message = f"{path} cannot be read: {error}."
        raise EspalierError("damaged", message, "Restore it from a backup, or delete it.", path=path) from error


def _names(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
