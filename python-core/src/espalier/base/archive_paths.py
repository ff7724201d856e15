"""The names inside an archive of runs, and what of a run goes into one. Pure."""

import os
import re

from espalier.base.paths import (
    ATTEMPTS,
    CHILDREN,
    EVENTS,
    LOGS,
    META,
    OUTPUTS,
    PARTS,
    PAYLOADS,
    PROVENANCE,
    RUNS,
    SESSIONS,
    SPEC,
    STATUS,
    SYSTEM_LOGS,
    UPLOADS,
    USAGE,
    USER_LOGS,
    WORKDIR,
    temporary,
)

# What of a run goes into an archive: its records, and folders. Not its variables, requests and working copy, which may
# hold secrets.
ARCHIVED_RECORDS = (SPEC, STATUS, META)
ARCHIVED_FOLDERS = (
    EVENTS, PARTS, PAYLOADS, OUTPUTS, LOGS, USER_LOGS, SYSTEM_LOGS, WORKDIR, UPLOADS, PROVENANCE, SESSIONS, CHILDREN,
    ATTEMPTS, os.path.dirname(USAGE),
)  # fmt: skip
# Inside an archive: the list of all it holds.
ARCHIVE_MANIFEST = "manifest.json"

_WRITTEN = re.compile(r"\.tmp-[0-9]+-[0-9a-f]{12}\.zip")


def archive_in_writing(folder: str) -> str:
    """A new name for an archive that is being written there."""
    return f"{temporary(folder)}.zip"


def is_archive_in_writing(name: str) -> bool:
    """Whether this is an archive that is being written, or was when its process was killed."""
    return _WRITTEN.fullmatch(name) is not None


def archived_file(run_id: str, name: str) -> str:
    """Name inside an archive of a run's file."""
    return f"{RUNS}/{run_id}/{name}"


def archived_object(hex_digest: str, is_flat_tree: bool = False) -> str:
    """Name inside an archive of a stored object, or of a manifest in the first format."""
    return f"{'trees' if is_flat_tree else 'objects'}/{hex_digest}"
