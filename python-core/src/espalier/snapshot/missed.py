"""Why a job's copy hasn't a file that its project has. Standard library only: the runner loads this file."""

import os
from typing import Optional

from espalier.base.names import argument_name
from espalier.base.paths import KEPT_FOLDERS
from espalier.snapshot.defaults import may_be_secret
from espalier.snapshot.ignore import OWN_FILE, IgnoreRules
from espalier.snapshot.mentions import lines_to_include
from espalier.snapshot.names import shown


def why_left_out(source: str, wanted: str) -> Optional[str]:
    """Why a file of a source folder is in no snapshot of it by today's rules, and how the job gets it.

    Args:
        source: The source folder.
        wanted: The path that the job asked for, seen from there.

    Returns:
        Why, and the remedy. None where there is no such file, or no rule leaves it out.

    Raises:
        EspalierError: `source_unreadable`: an ignore file.
    """
    path = os.path.normpath(wanted)
    if os.path.isabs(path) or path in (os.curdir, os.pardir) or not os.path.lexists(os.path.join(source, path)):
        return None
    as_input = f'give it to the job with inputs = list({argument_name(path)} = "{shown(path)}")'
    if path.startswith(os.pardir + os.sep):
        why = "The file exists, but outside of the folder that was submitted."
        return f"{why} Submit a folder above it, or {as_input}."
    rules = IgnoreRules.load(source)
    decision = rules.decide(path, os.path.isdir(os.path.join(source, path)))
    if not decision.excluded:
        return None
    where = "a built-in rule" if decision.origin == "default" else decision.origin
    why = f'The project has "{shown(path)}", but {shown(decision.rule)} ({where}) leaves it out of the snapshot.'
    if may_be_secret(path):
        return f"{why} Give what is secret in it to the job with set_secrets() and secrets =."
    lines = [] if path.split("/")[0] in KEPT_FOLDERS else lines_to_include(source, path, rules)
    if not lines:
        return f"{why} {as_input[0].upper()}{as_input[1:]}."
    return f"{why} Add {' and '.join(lines)} to {OWN_FILE}, or {as_input}."


def is_left_out(source: str, wanted: str) -> bool:
    """Whether a file of a source folder would be in no snapshot of it, as are its outputs.

    Args:
        source: The source folder.
        wanted: The file's path, seen from there.

    Raises:
        EspalierError: `source_unreadable`: an ignore file.
    """
    return IgnoreRules.load(source).decide(os.path.normpath(wanted), False).excluded
