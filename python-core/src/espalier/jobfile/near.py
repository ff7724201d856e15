"""Names that a job file may not have, and those that were probably meant."""

import difflib
from typing import Iterable

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.jobfile.reader import Node, bad_job

# What other tools, and the functions of R, call them.
_ALSO_KNOWN = {
    "entry_script": "script", "script_params": "params", "parameters": "params", "compute_target": "target",
    "compute": "target", "code": "source_directory", "args": "arguments", "env": "environment_variables",
    "variables": "environment_variables", "experiment_name": "experiment", "name": "display_name",
    "timeout": "limits.run_seconds", "max_run_duration_seconds": "limits.run_seconds",
    "queue_timeout_seconds": "limits.queue_seconds", "prepare_timeout_seconds": "limits.prepare_seconds",
    "cpus": "resources.cpus", "gpus": "resources.gpus", "memory": "resources.memory",
    "record_diff": "source.record_diff", "outside_links": "source.outside_links",
    "keep_workdir": "source.keep_workdir",
}  # fmt: skip


def unknown_name(node: Node, where: str, name: str, known: Iterable[str]) -> EspalierError:
    """The error about a field that there isn't.

    Args:
        node: Its value.
        where: What it stands in, with dots; empty at the top.
        name: Its name.
        known: The names that there are.
    """
    names = sorted(known)
    meant = _ALSO_KNOWN.get(name, "")
    if meant.partition(".")[0] not in names:
        meant = next(iter(difflib.get_close_matches(name[:60], names, 1)), "")
    prefix = f"{where}." if where else ""
    field = f"`{prefix}{name}`" if name.isascii() and name.isprintable() and len(name) <= 60 else shown(name)
    hint = f"Did you mean `{prefix}{meant}`?" if meant else f"There is {', '.join(names)}."
    return bad_job(node.key or node.place, f"{field} isn't a field of a job.", hint, prefix + name)
