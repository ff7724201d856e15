"""Files that the entry script names but the snapshot leaves out: the commonest reason a first run fails."""

import os
import re
from typing import List, NamedTuple, Optional, Set

from espalier.paths import KEPT_FOLDERS
from espalier.snapshot.found import Excluded, Scan
from espalier.snapshot.names import ignore_line, shown

_SIZE = 1 << 20
_LONGEST = 1024
# Comments come first, so that an apostrophe in one opens no string.
_TOKENS = re.compile(
    r"#[^\n]*"
    r'|"""(?P<d3>.*?)"""'
    r"|'''(?P<s3>.*?)'''"
    r'|[rR](?P<q>["\'])(?P<dash>-*)\((?P<raw>.*?)\)(?P=dash)(?P=q)'
    r'|"(?P<d>(?:\\.|[^"\\])*)"'
    r"|'(?P<s>(?:\\.|[^'\\])*)'",
    re.DOTALL,
)


class Mention(NamedTuple):
    """A path that the script names and the snapshot leaves out, and what to tell the user."""

    path: str
    rule: str
    origin: str
    message: str


def mentioned_but_excluded(source: str, entry_script: str, scan: Scan) -> List[Mention]:
    """Looks in the entry script for names of what exists in the folder but is left out.

    Args:
        source: The source folder.
        entry_script: The script's path in it.
        scan: A walk of the folder.

    Returns:
        One mention a path, in the script's order.
    """
    if not scan.excluded:
        return []
    try:
        with open(os.path.join(source, entry_script), "rb") as file:
            text = file.read(_SIZE).decode("utf-8", "replace")
    except OSError:
        return []
    mentions: List[Mention] = []
    seen: Set[str] = set()
    for found in _TOKENS.finditer(text):
        if found.lastgroup is None:
            continue
        literal = found.group(found.lastgroup)
        path = _normal(literal if found.lastgroup == "raw" else literal.replace("\\\\", "\\"))
        if path and path not in seen:
            seen.add(path)
            item = _left_out(source, path, scan)
            if item is not None:
                mentions.append(_mention(path, entry_script, item, scan.ignore_file))
    return mentions


def _normal(literal: str) -> Optional[str]:
    """A literal as a path relative to the folder, None when it cannot be one."""
    if not literal or len(literal) > _LONGEST or "\n" in literal or "\0" in literal or "://" in literal:
        return None
    path = os.path.normpath(literal)
    # (each run has kept folders of its own; a script that names them mostly writes there)
    if os.path.isabs(path) or path.split("/")[0] in (*KEPT_FOLDERS, ".", ".."):
        return None
    return path


def _left_out(source: str, path: str, scan: Scan) -> Optional[Excluded]:
    item = scan.why_excluded(path)
    if item is not None:
        return item if item.path == path or os.path.lexists(os.path.join(source, path)) else None
    # A folder of which nothing is kept is missing in the copy, whatever rule took its files.
    below = path + "/"
    inside = next((item for item in scan.excluded if item.path.startswith(below)), None)
    if inside is None or any(entry.path.startswith(below) for entry in scan.files):
        return None
    return inside


def _mention(path: str, script: str, item: Excluded, ignore_file: str) -> Mention:
    rule, origin = item.decision.rule, item.decision.origin
    where = "a built-in rule" if origin == "default" else origin
    name = re.sub(r"\W+", "_", os.path.splitext(os.path.basename(path))[0]).strip("_") or "data"
    message = (
        f'{script} mentions "{shown(path)}", which exists but is left out of the snapshot by {shown(rule)} ({where}). '
        f"To include it, add the line !{ignore_line(item.path, item.is_dir)} to {ignore_file}; or leave it where "
        f'it is and give it to the job with inputs = list({name} = "{shown(path)}").'
    )
    return Mention(path, rule, origin, message)
