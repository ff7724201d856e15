"""Files that the scripts name but the snapshot leaves out: the commonest reason a first run fails.

`why_left_out()` is for the runner, after a failure. Standard library only.
"""

import os
import re
from collections import deque
from functools import partial
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from espalier.base.names import argument_name
from espalier.base.paths import KEPT_FOLDERS
from espalier.snapshot.defaults import RENV_RULES, may_be_secret
from espalier.snapshot.entries import Excluded, Scan
from espalier.snapshot.file_names import ignore_line, shown
from espalier.snapshot.ignore import OWN_FILE, IgnoreRules
from espalier.snapshot.literals import CODE, CONFIGURATION, DOCUMENTS, chains, kind_of, modules

_SIZE = 1 << 20
_LONGEST = 1024
_MOST_FILES = 200  # that are read
_MOST_JOINED = 6
_MOST_LINES = 4
_FINDS_ROOT = re.compile(r"\bhere\(|\bfind_\w*root\w*\(|\bproj_path\(")
_PLACEHOLDER = re.compile(r"[{%*$?<]")


class Mention(NamedTuple):
    """A path that the script names and the snapshot leaves out, and what to tell the user."""

    path: str
    rule: str
    origin: str
    message: str


class Literals(NamedTuple):
    """A script's path in the source folder, its literals (see `chains`), and whether it looks for its project's top."""

    file: str
    chains: List[List[str]]
    finds_root: bool


def mentioned_but_excluded(source: str, named: Iterable[Tuple[str, str]], scan: Scan) -> List[Mention]:
    """What a job names that exists in the source folder but is left out of the snapshot.

    Args:
        named: Who names a path, and the path; see `mentioned`.

    Returns:
        One mention a path, in their order.
    """
    mentions: Dict[str, Mention] = {}
    for who, path in named:
        item = left_out_by(path, scan) if path not in mentions else None
        # (renv's start-up script names its library, which jobs find where it is)
        if item is not None and item.decision.rule not in RENV_RULES:
            mentions[path] = _mention(source, path, who, item, scan.rules)
    return list(mentions.values())


def mentioned(
    source: str, scripts: Sequence[str], words: Sequence[Tuple[str, str]] = (), read: Optional[List[Literals]] = None
) -> Iterator[Tuple[str, str]]:
    """What exists in a folder and is named by scripts, or by code and configuration that these name in turn.

    Args:
        scripts: Where to begin: paths in it.
        words: What else names files, with who names them: `("The command", "data/x.csv")`.
        read: Takes up each file that was read.

    Yields:
        Who names a path, and the path, relative to the folder. Each path once.
    """
    seen: Set[str] = set()
    queue = deque(scripts)
    queued = set(scripts)

    def follow(who: str, path: str) -> Iterator[Tuple[str, str]]:
        if path not in seen:
            seen.add(path)
            yield who, path
            for file in readable(source, path):
                if file not in queued and len(queued) < _MOST_FILES:
                    queued.add(file)
                    queue.append(file)

    for who, word in words:
        for path in existing([word], partial(_found, source, "")):
            yield from follow(who, path)
    while queue:
        file = queue.popleft()
        text = text_of(source, file)
        literals = Literals(file, list(chains(file, text)), bool(_FINDS_ROOT.search(text)))
        if read is not None:
            read.append(literals)
        for path in _imported(source, modules(file, text)):
            yield from follow(file, path)
        for chain in literals.chains:
            for path in existing(chain, partial(_found, source, os.path.dirname(file))):
                yield from follow(file, path)


def scripts_of(source: str, script: Optional[str]) -> Tuple[List[Literals], List[Tuple[str, str]]]:
    """The entry script, if there is one, and the code that it names, directly or not; and all that these name, and
    configuration that they name: see `mentioned`."""
    if script is None:
        return [], []
    read: List[Literals] = []
    named = list(mentioned(source, [script], read=read))
    return [each for each in read if each.file == script or kind_of(each.file) in CODE + DOCUMENTS], named


def text_of(source: str, file: str) -> str:
    """The beginning of a file, 1 MB of it; empty if it can't be read."""
    try:
        with open(os.path.join(source, file), "rb", buffering=0) as opened:
            # (memory for all that may be read would take longer to get than most files to read)
            size = min(os.fstat(opened.fileno()).st_size, _SIZE)
            return opened.read(size).decode("utf-8", "replace")
    except OSError:
        return ""


def readable(source: str, path: str) -> List[str]:
    """The file, or the code that lies directly in the folder, if it is of a kind that may name further files."""
    full = os.path.join(source, path)
    if os.path.isfile(full):
        return [path] if kind_of(path) in CODE + DOCUMENTS + CONFIGURATION else []
    try:
        return [os.path.join(path, name) for name in sorted(os.listdir(full)) if kind_of(name) in CODE]
    except OSError:
        return []


def _imported(source: str, paths: List[str]) -> Iterator[str]:
    for path in paths:
        for file in (path + ".py", os.path.join(path, "__init__.py")):
            if os.path.isfile(os.path.join(source, file)):
                yield os.path.normpath(file)


def existing(chain: List[str], find: Callable[[str], Optional[str]]) -> Iterator[str]:
    """The paths that literals in a row name: joined as far as that exists, else each for itself.

    Args:
        chain: The literals.
        find: The path that a literal names, None if that doesn't exist.
    """
    at = 0
    while at < len(chain):
        for count in range(min(len(chain) - at, _MOST_JOINED), 0, -1):
            path = find("/".join(chain[at : at + count]))
            if path is not None:
                yield path
                break
        at += count


def path_in(literal: str) -> Optional[str]:
    """A literal as a path, of one with a placeholder the folder before that; None if it is none."""
    if not literal or len(literal) > _LONGEST or "\n" in literal or "\0" in literal or "://" in literal:
        return None
    if _PLACEHOLDER.search(literal):  # sprintf("data/%s.csv"), f"data/{name}.csv"
        literal = os.path.dirname(_PLACEHOLDER.split(literal)[0])
    return literal or None


def _found(source: str, folder: str, literal: str) -> Optional[str]:
    """A literal as the path of what exists, seen from the source folder or else from the folder of its script."""
    named = path_in(literal)
    if named is None:
        return None
    for path in dict.fromkeys((os.path.normpath(named), os.path.normpath(os.path.join(folder, named)))):
        # (each run has kept folders of its own; a script that names them mostly writes there)
        if os.path.isabs(path) or path.split("/")[0] in (*KEPT_FOLDERS, ".", ".."):
            continue
        if os.path.lexists(os.path.join(source, path)):
            return path
    return None


def left_out_by(path: str, scan: Scan) -> Optional[Excluded]:
    """What leaves out a path, or all files of a folder; None if it is in the snapshot."""
    item = scan.why_excluded(path)
    if item is not None:
        return item
    # A folder of which nothing is kept is missing in the copy, whatever rule took its files.
    below = path + "/"
    inside = next((item for item in scan.excluded if item.path.startswith(below)), None)
    if inside is None or any(entry.path.startswith(below) for entry in scan.files):
        return None
    return inside


def _mention(source: str, path: str, who: str, item: Excluded, rules: IgnoreRules) -> Mention:
    rule, origin = item.decision.rule, item.decision.origin
    where = "a built-in rule" if origin == "default" else origin
    lines = lines_to_include(source, path, rules) or ["!" + ignore_line(item.path, item.is_dir)]
    remedy = (
        f"To include it, add the line{'s' * (len(lines) > 1)} {' and '.join(lines)} to {OWN_FILE}. "
        f'Or leave it where it is and give it to the job with inputs = list({argument_name(path)} = "{shown(path)}"), '
        "and read its path in the script with job_params()."
    )
    if may_be_secret(path):
        remedy = "Put the secrets in it into the keyvault with set_secrets(), and name them in secrets = of the job."
    message = (
        f'{shown(who)} mentions "{shown(path)}", which exists but is left out of the snapshot by {shown(rule)} '
        f"({where}). {remedy}"
    )
    return Mention(path, rule, origin, message)


def lines_to_include(source: str, path: str, rules: IgnoreRules) -> List[str]:
    """The lines of `.espalierignore` by which a path, and of a folder its files, are in the snapshot.

    Returns:
        Lines that begin with `!`; none if no few lines would do.
    """
    lines: List[str] = []
    while True:
        line = _next_line(source, path, rules.followed_by(lines))
        if line is None:
            return lines
        if line in lines or len(lines) == _MOST_LINES:
            return []
        lines.append(line)


def _next_line(source: str, path: str, rules: IgnoreRules) -> Optional[str]:
    """The line that takes back the first rule by which something is left out; None if everything is in."""
    parts = path.split("/")
    full = os.path.join(source, path)
    is_dir = os.path.isdir(full) and not os.path.islink(full)
    for count in range(1, len(parts) + 1):
        part = "/".join(parts[:count])
        is_folder = is_dir or count < len(parts)
        if rules.decide_here(part, is_folder).excluded:
            return "!" + ignore_line(part, is_folder)
    if not is_dir:
        return None
    left_out = _only_left_out(source, path, rules)
    if left_out is None:
        return None
    rule = rules.decide_here(left_out, os.path.isdir(os.path.join(source, left_out))).rule
    return "!" + rule if "/" in rule.rstrip("/") else f"!{ignore_line(path, True)}**/{rule}"


def _only_left_out(source: str, path: str, rules: IgnoreRules) -> Optional[str]:
    """The first path below a folder that is left out, if no file below it is kept."""
    left_out = None
    for top, folders, files in os.walk(os.path.join(source, path)):
        inside = os.path.relpath(top, source)
        for name in sorted(folders + files):
            is_dir = name in folders
            if rules.decide_here(f"{inside}/{name}", is_dir).excluded:
                left_out = left_out or f"{inside}/{name}"
                folders[:] = [folder for folder in folders if folder != name]
            elif not is_dir:
                return None
    return left_out


def why_left_out(source: str, wanted: str) -> Optional[str]:
    """Why a file of a source folder is in no snapshot of it by today's rules, and how the job gets it.

    Args:
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
        wanted: The file's path, seen from there.

    Raises:
        EspalierError: `source_unreadable`: an ignore file.
    """
    return IgnoreRules.load(source).decide(os.path.normpath(wanted), False).excluded
