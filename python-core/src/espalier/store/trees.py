"""The manifests of a workspace's snapshots, each under the SHA-256 of its canonical JSON."""

import json
from typing import Any, Dict

from espalier.canonical import canonical_json, digest_bytes
from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths
from espalier.store.blobs import put_bytes


def put_tree(paths: WorkspacePaths, manifest: Dict[str, Any]) -> str:
    """Puts a manifest into the store.

    Args:
        paths: The workspace.
        manifest: `format` and `entries`, each entry `[path, "f" | "x" | "l", hex digest or target, size]`.

    Returns:
        Its id, `sha256:<64 hex digits>`.

    Raises:
        EspalierError: `workspace_read_only` when the store refuses.
    """
    data = canonical_json(manifest)
    snapshot_id = digest_bytes(data)
    put_bytes(paths, paths.tree(snapshot_id[7:]), data)
    return snapshot_id


def read_tree(paths: WorkspacePaths, snapshot_id: str) -> Dict[str, Any]:
    """Reads a manifest and verifies its digest.

    Args:
        paths: The workspace.
        snapshot_id: `sha256:<64 hex digits>`.

    Returns:
        The manifest.

    Raises:
        EspalierError: `snapshot_damaged` when it is missing or was edited.
    """
    path = paths.tree(snapshot_id[7:])
    seen = "its content does not match its digest"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        data, seen = b"", error.strerror or "it cannot be read"
    if digest_bytes(data) != snapshot_id:
        raise EspalierError(
            "snapshot_damaged",
            f"The file list of snapshot {snapshot_id}, {path}, is damaged: {seen}.",
            f"Remove {path} if it exists, and submit again from the source directory; that stores it anew.",
            path=path,
            snapshot=snapshot_id,
        )
    manifest: Dict[str, Any] = json.loads(data)
    return manifest
