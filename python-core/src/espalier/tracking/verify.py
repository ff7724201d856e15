"""What of a workspace is damaged: the records of each run are read again, and the objects of its snapshot."""

import contextlib
import hashlib
import os
import re
import warnings
from itertools import islice
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.paths import RunPaths, WorkspacePaths, is_run_id
from espalier.base.progress import report
from espalier.base.records import check_kinds, read_record
from espalier.base.types import Frame
from espalier.lifecycle.digests import is_replaced, known_digests
from espalier.lifecycle.extent import lost_logs
from espalier.lifecycle.status import status_record
from espalier.snapshot.hold import holding_objects
from espalier.store.packs import ObjectReader, open_stored
from espalier.store.trees import forget_sources, objects_of
from espalier.tracking.events import Damage, read_events
from espalier.tracking.parts import read_parts
from espalier.tracking.run_rows import summarise

_FILE = re.compile(r"(.+?) (?:is damaged at|can't be read|is gone;|was cut:)", re.DOTALL)
# The length of the name of a folder that runs lie in.
_SHARD = 2


def damage_frame(paths: WorkspacePaths) -> Frame:
    """The damaged files of all runs, a row each: `run_id`, `file`, `problem`; without an id the folders of runs that
    can't be read."""
    rows: List[List[Optional[str]]] = []
    unread: Dict[str, str] = {}
    snapshots = Snapshots(paths)
    folders = sorted(_run_folders(paths.runs, unread))
    rows += [[None, shard, problem] for shard, problem in sorted(unread.items())]
    for done, folder in enumerate(folders):
        report("Verifying runs", done, len(folders))
        run_id = os.path.basename(folder)
        for file, problem in {**damage_of(RunPaths(folder)), **snapshots.damage_of(RunPaths(folder))}.items():
            rows.append([run_id, file, problem[len(file) + 1 :] if problem.startswith(file + " ") else problem])
    return Frame.of_rows(rows, dict.fromkeys(("run_id", "file", "problem"), "string"))


def _run_folders(runs: str, unread: Dict[str, str]) -> Iterator[str]:
    """The folders of all runs.

    Args:
        unread: Gets the folders of runs that can't be read, each with why.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(runs) as shards:
        for shard in shards:
            try:
                names = os.listdir(shard.path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if len(shard.name) == _SHARD:  # (others are none of ours: `lost+found`)
                    unread[shard.path] = f"can't be read: {error.strerror}."
                continue
            yield from (f"{shard.path}/{name}" for name in names if is_run_id(name) and name[-8:-6] == shard.name)


class Snapshots:
    """The stored objects of runs' snapshots, each read once."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths
        self._found: Dict[str, Dict[str, str]] = {}
        # Of each object that was read the file that is damaged, and what was seen.
        self._objects: Dict[str, Optional[Tuple[str, str]]] = {}

    def damage_of(self, run: RunPaths) -> Dict[str, str]:
        """The damaged files that hold a run's snapshot, each with what is wrong with it."""
        try:
            snapshot = read_as(JobSpec, run.spec).snapshot
        except (EspalierError, OSError):  # (the definition itself is damaged)
            return {}
        if snapshot is None:
            return {}
        if snapshot.id not in self._found:
            # (a collection may move objects from one pack to another before and after)
            with holding_objects(self._paths, only_reading=True), ObjectReader(self._paths) as reader:
                self._found[snapshot.id] = self._read(snapshot.id, reader)
        return self._found[snapshot.id]

    def _read(self, snapshot_id: str, reader: ObjectReader) -> Dict[str, str]:
        found: Dict[str, str] = {}
        try:
            for digest in islice(objects_of(self._paths, snapshot_id, reader, set()), 1, None):
                if digest not in self._objects:
                    self._objects[digest] = self._damage_of_object(digest, reader)
                damage = self._objects[digest]
                if damage is not None:
                    forget_sources(self._paths)  # (so that the next snapshot stores it again)
                    found[damage[0]] = f"{damage[1]} (the object {digest} of the snapshot)."
        except EspalierError as error:
            found[str(error.fields.get("file") or self._paths.root)] = error.message
        return found

    def _damage_of_object(self, digest: str, reader: ObjectReader) -> Optional[Tuple[str, str]]:
        if reader.verified_slice(digest) is not None:
            return None
        path = self._paths.blob(digest)
        try:
            hashed = hashlib.sha256()
            with open(open_stored(path), "rb") as file:
                for piece in iter(lambda: file.read(1 << 20), b""):
                    hashed.update(piece)
        except OSError as error:
            damaged = reader.missing(digest, error)
            return damaged.where, damaged.seen
        return None if hashed.hexdigest() == digest else (path, "the content does not match its digest")


def damage_of(run: RunPaths) -> Dict[str, str]:
    """The damaged files of a run, each with what is wrong with it. One run never hides the others."""
    try:
        return _damage_of_records(run)
    except Exception as error:
        return {run.root: f"Can't read its records: {error!r:.200}."}


def _damage_of_records(run: RunPaths) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for path in (run.spec, run.status, run.meta):
        try:
            read_record(path)
        except FileNotFoundError:
            found[path] = f"{path} is missing."
        except (EspalierError, OSError) as error:
            found[path] = _text_of(error)
    if not found:
        found = _damage_of_definition(run) or _damage_of_logs(run)
    if not found:
        row = summarise(run.root)
        if row["status"] in (states.DAMAGED, states.UNREADABLE):
            found[run.root] = str(row["error"])
    return found


def _damage_of_definition(run: RunPaths) -> Dict[str, str]:
    try:
        shown_command(read_as(JobSpec, run.spec))
    except EspalierError as error:
        return {run.spec: error.message}
    return {}


def _damage_of_logs(run: RunPaths) -> Dict[str, str]:
    try:
        status = check_kinds(run.status, status_record(run), {"digests": dict})
    except (EspalierError, OSError) as error:
        return {run.status: _text_of(error)}
    found: Dict[str, str] = {}
    if is_replaced(run, known_digests(status.get("digests") or {})):
        found[run.spec] = f"{run.spec} isn't what it was when the run was submitted."
    damage = Damage()
    for folder, read in ((run.events, _read_events), (run.parts, _read_parts)):
        try:
            read(run, damage, found)
        except (EspalierError, OSError) as error:
            place = error.fields.get("path") if isinstance(error, EspalierError) else error.filename
            found[str(place or folder)] = _text_of(error)
    found.update(damage.by_file())
    if states.is_final(status["state"]):
        found.update(_lost(run, status))
    return found


def _read_events(run: RunPaths, damage: Damage, found: Dict[str, str]) -> None:
    damage.whole(run, read_events(run, damage))


def _read_parts(run: RunPaths, damage: Damage, found: Dict[str, str]) -> None:
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        read_parts(run)
    found.update((_file_of(run, str(each.message)), str(each.message)) for each in noted)


def _lost(run: RunPaths, status: Mapping[str, Any]) -> Dict[str, str]:
    return {_file_of(run, text): text for text in lost_logs(run, status)}


def _file_of(run: RunPaths, text: str) -> str:
    """The file that a sentence is about, which begins with its path."""
    found = _FILE.match(text)
    return found.group(1) if found else run.root


def _text_of(error: Exception) -> str:
    return error.message if isinstance(error, EspalierError) else str(error)
