"""The record of an experiment."""

import os
import time

from espalier.adapters.files import create_file
from espalier.base.os_errors import cannot_write
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.records import dump_record, make_folders, now_iso


def record_experiment(paths: WorkspacePaths, name: str) -> None:
    """Make an experiment's record when it is the first time. Raises EspalierError: `workspace_read_only`."""
    record = paths.experiment(name)
    try:
        if not os.path.exists(record):
            make_folders(paths.experiments, top=paths.root)
            content = {"format": FORMAT, "name": name, "created_at": now_iso(time.time())}
            create_file(record, dump_record(content), paths.experiments)
    except OSError as error:
        raise cannot_write(paths.root, error) from error
