"""What is registered under a name: versions that never change, and aliases that point to them.

Each version is a file, made by a link that the first of several processes wins: none is lost, and equal definitions get
the same version. An alias is one record, replaced whole under a lock: its moves. The last says where it points.
"""

import contextlib
import json
import os
import re
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.files import create_file
from espalier.base.canonical import canonical_json
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decoded, encode
from espalier.base.model.record import Record
from espalier.base.names import check_name, is_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import FORMAT, WorkspacePaths, is_record
from espalier.base.records import dump_record, make_folders, now_iso, read_record, refuse_unreadable, replace_record
from espalier.base.store_paths import LAST_VERSION, VersionPaths, version_of_record

# What stands for the newest version everywhere, and what would be read as a version.
LATEST = "latest"
_LIKE_A_VERSION = re.compile(r"[vV]?[0-9]+([._-][0-9]+)*")
Definition = Mapping[str, Any]


class Kind(NamedTuple):
    """What is registered.

    Args:
        word: What it is, for messages: `environment`.
        missing, damaged: The codes of the errors for a missing one, and for one that can't be read.
        remedy: What to do where there is none.
        whole: A definition with all fields of today, so that equal ones are the same; raises for what is none.
    """

    word: str
    missing: str
    damaged: str
    remedy: str
    whole: Callable[[Definition], Definition] = dict


class Version(NamedTuple):
    """A version: its number, its definition with `name` and `version`, when it was registered."""

    number: int
    definition: Definition
    registered_at: Optional[str]


class Move(Record):
    """A change of an alias: when, who, from which version to which. None: it stood, or stands, for none."""

    at: str
    by: str
    before: Optional[int] = None
    version: Optional[int] = None


class _Alias(Record):
    history: Tuple[Move, ...]


class Versions:
    """All of one kind in a workspace. Each method raises EspalierError `bad_name` for what isn't a name.

    Args:
        top: The folder of the kind in it.
    """

    def __init__(self, paths: WorkspacePaths, top: str, kind: Kind) -> None:
        self._workspace, self._top, self._kind = paths.root, top, kind

    def register(self, name: str, definition: Definition, candidate: int = 0) -> Version:
        """Register a definition, unless it is equal to the newest version, or to another that may be it.

        Args:
            definition: JSON values; `name` and `version` of it don't count.
            candidate: The number of the other.

        Raises:
            EspalierError: `bad_argument`, `workspace_read_only`; the kind's `damaged`: no number is left.
        """
        place, given = self._place(name), self._kind.whole(self._as_read(name, definition))
        while True:
            numbers = self.numbers(name)
            for number in {candidate: None, **dict.fromkeys(numbers[-1:])}:
                with contextlib.suppress(EspalierError):  # (a damaged one is equal to none)
                    if number in numbers and _same((there := self.read(name, number)).definition, given):
                        return there
            new = max(numbers, default=0) + 1
            if new > LAST_VERSION:  # (else what is written would not be read, and be tried for ever)
                path = place.version(LAST_VERSION)
                message = f"Can't register another version: {path} has the highest possible number."
                raise EspalierError(self._kind.damaged, message, "Delete that file if you didn't write it.", path=path)
            version = Version(new, {**given, "name": name, "version": str(new)}, now_iso(time.time()))
            record = {"format": FORMAT, "registered_at": version.registered_at, "definition": version.definition}
            refuse_unreadable(place.version(new), dump_record(record))
            with self._writing(place.root):
                if create_file(place.version(new), dump_record(record), place.root):
                    return version

    def names(self) -> List[str]:
        """The names that have a version, in their order."""
        return [name for name in sorted(_entries(self._top)) if is_name(name) and self.numbers(name)]

    def numbers(self, name: str) -> List[int]:
        """The versions of a name, the oldest first; empty where there is none."""
        return sorted(filter(None, map(version_of_record, _entries(self._place(name).root))))

    def read(self, name: str, number: int) -> Version:
        """One version. Raises EspalierError: the kind's `missing` or `damaged`; `newer_format`."""
        path = self._place(name).version(number)
        record = self._record(path)
        if record is None:
            raise self.missing(f"The {self._kind.word} {name!r} has no version {number}.")
        try:
            found = self._kind.whole(dict(record["definition"]))
            if (found["name"], found["version"]) != (name, str(number)):
                raise ValueError(f"it is version {found['version']} of {found['name']}")
        except (EspalierError, LookupError, TypeError, ValueError) as error:
            raise self._damaged(path, f"{path} isn't a version: {getattr(error, 'message', error)}") from error
        at = record.get("registered_at")
        return Version(number, found, at if isinstance(at, str) else None)

    def find(self, name: str, version: Optional[str] = None) -> Version:
        """What a number or an alias stands for; by default the newest version. Raises as `read`."""
        numbers = self.numbers(name)
        if not numbers:
            raise self.missing(f"Can't find the {self._kind.word} {name!r} in {self._workspace}.")
        if version in (None, LATEST) or version in map(str, numbers):
            return self.read(name, numbers[-1] if version in (None, LATEST) else int(str(version)))
        moves = self._moves(self._place(name).alias(str(version))) if _may_be_alias(version) else []
        if not moves or moves[-1].version is None:
            known = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
            raise self.missing(f"The {self._kind.word} {name!r} has no version {version!r}, but {known}.")
        return self.read(name, moves[-1].version)

    def aliases(self, name: str) -> Dict[str, int]:
        """The aliases of a name, each with the version that it stands for. Raises as `read`."""
        place = self._place(name)
        found = sorted(os.path.splitext(entry)[0] for entry in _entries(place.aliases) if is_record(entry))
        moves = {alias: self._moves(place.alias(alias))[-1:] for alias in filter(_may_be_alias, found)}
        return {alias: move.version for alias, last in moves.items() for move in last if move.version is not None}

    def alias_history(self, name: str, alias: str) -> List[Move]:
        """All moves of an alias, the oldest first, also where it was deleted. Raises as `read`."""
        moves = self._moves(self._place(name).alias(_checked_alias(alias)))
        if not moves:
            raise self.missing(f"The {self._kind.word} {name!r} has no alias {alias!r}.")
        return moves

    def set_alias(self, name: str, alias: str, version: Optional[int]) -> None:
        """Let an alias stand for a version from now on.

        Args:
            alias: A name that doesn't look like a version.
            version: The version; None deletes the alias, and keeps its history.

        Raises:
            EspalierError: as `read`; `workspace_read_only`.
        """
        place = self._place(name)
        path = place.alias(_checked_alias(alias))
        if version is None:
            self.alias_history(name, alias)  # (of what isn't there)
        elif version not in self.numbers(name):
            raise self.missing(f"The {self._kind.word} {name!r} has no version {version!r}.")
        with self._writing(place.aliases) as folder:
            posix.lock(folder)
            moves = self._moves(path)
            before = moves[-1].version if moves else None
            if before != version:
                moves.append(Move(now_iso(time.time()), posix.user_name(), before, version))
                replace_record(path, {"format": FORMAT, "history": encode(moves)}, place.aliases, sync=True)

    def missing(self, message: str) -> EspalierError:
        """The error for a missing one."""
        return EspalierError(self._kind.missing, message, self._kind.remedy)

    def _place(self, name: str) -> VersionPaths:
        return VersionPaths(os.path.join(self._top, check_name(self._kind.word, name)))

    def _as_read(self, name: str, definition: Definition) -> Dict[str, Any]:
        try:
            return dict(json.loads(dump_record({**definition, "name": name, "version": "1"})))
        except (TypeError, ValueError, RecursionError) as error:
            message = f"Can't register the {self._kind.word} {name!r}: its definition isn't JSON: {error}."
            raise EspalierError("bad_argument", message, "Give text, numbers, logicals, and lists of them.") from error

    def _moves(self, path: str) -> List[Move]:
        record = self._record(path)
        try:
            return [] if record is None else list(decoded(_Alias, path, record).history)
        except EspalierError as error:
            raise self._damaged(path, error.message) from error

    def _record(self, path: str) -> Optional[Dict[str, Any]]:
        """A record; None where there is none. (Links are followed: the user may keep a part of it elsewhere.)"""
        try:
            return read_record(path, follow=True)
        except FileNotFoundError:
            return None
        except (EspalierError, OSError) as error:
            if getattr(error, "code", "") == "newer_format":
                raise
            raise self._damaged(path, getattr(error, "message", f"{path} can't be opened: {error}")) from error

    def _damaged(self, path: str, message: str) -> EspalierError:
        word, remedy = self._kind.word, f"Restore the file from a backup, or register the {self._kind.word} again."
        return EspalierError(self._kind.damaged, f"Can't read a registered {word}. {message}", remedy, path=path)

    @contextlib.contextmanager
    def _writing(self, folder: str) -> Iterator[int]:
        """With a folder that is there, open; what the disk refuses is an error of the workspace."""
        try:
            make_folders(folder, top=self._workspace)
            fd = os.open(folder, os.O_RDONLY)
            try:
                yield fd
            finally:
                os.close(fd)
        except OSError as error:
            raise cannot_write(self._workspace, error) from error


def _checked_alias(alias: str) -> str:
    if _may_be_alias(check_name("alias", alias)):
        return alias
    message = f"Can't use {alias!r} as an alias: it looks like a version."
    raise EspalierError("bad_name", message, 'Choose another, such as "production".')


def _may_be_alias(text: object) -> bool:
    return is_name(text) and text != LATEST and not _LIKE_A_VERSION.fullmatch(str(text))


def _entries(folder: str) -> List[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return os.listdir(folder)
    return []


def _same(one: Definition, other: Definition) -> bool:
    """Whether two are equal but for their versions. (As JSON: there 1, 1.0 and true differ.)"""
    return canonical_json({**one, "version": None}) == canonical_json({**other, "version": None})
