"""What downloads would replace: nothing, unless that is asked for."""

import os
from typing import Any, Mapping

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.tracking.artifacts import download_target
from espalier.tracking.transfers import existing_targets

_SHOWN = 3


def refuse_existing(workspace: str, run_id: str, operation: str, arguments: Mapping[str, Any]) -> None:
    """Refuse to replace files.

    Args:
        operation: `download_file` or `download_files`.

    Raises:
        EspalierError: `file_exists`.
    """
    if operation == "download_file":
        target = download_target(arguments["name"], arguments.get("output_file_path") or os.curdir)
        existing = [target] if os.path.lexists(target) else []
    else:
        existing = existing_targets(WorkspacePaths(workspace).run(run_id), **arguments)
    if existing:
        names = ", ".join(existing[:_SHOWN]) + (f" and {len(existing) - _SHOWN} more" if existing[_SHOWN:] else "")
        hint = "Add --overwrite to replace them, or --to to write to another place."
        raise EspalierError("file_exists", f"Can't download: {names} would be replaced.", hint)
