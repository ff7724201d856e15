"""The files that an error names, and those that it may have meant: the nearest names in the job's folder."""

import os
import re
from typing import Dict, List, Optional

# What stands in quotes, whatever quotes a language has.
_OPENING, _CLOSING = "'\"`\u2018\u201c\u00ab\u201e\u300c", "'\"`\u2019\u201d\u201c\u00bb\u300d"
_QUOTED = re.compile(f"[{_OPENING}]([^{_CLOSING}\n]{{1,500}})[{_CLOSING}]")
_LOOKS_LIKE_A_FILE = re.compile(r".*(/|\.\w{1,8}$)", re.DOTALL)
_FILES_LOOKED_AT = 5000
_LIKENESS = 0.7


def missing_files(folder: str, message: str) -> List[str]:
    """The missing files that an error message names, seen from `folder`.

    Args:
        message: An error message in any language.
    """
    places = [os.path.normpath(os.path.join(folder, name)) for name in quoted(message) if _is_file(name)]
    return [os.path.relpath(place, folder) for place in places if not os.path.lexists(place)]


def quoted(message: str) -> List[str]:
    """What stands in quotes in an error message in any language, the first five."""
    return [str(name) for name in _QUOTED.findall(message)[:5]]


def _is_file(name: str) -> bool:
    return bool(_LOOKS_LIKE_A_FILE.match(name))


def nearest_file(folder: str, wanted: str) -> Optional[str]:
    """The nearest name with the same ending: of the folder that was asked for, else of any."""
    where, name = os.path.split(os.path.relpath(os.path.join(folder, wanted), folder))
    alike = [path for path in files_below(folder) if _ending(path) == _ending(name)]
    beside = [path for path in alike if os.path.dirname(path) == where]
    return _most_like(beside, name, wanted) or _most_like(alike, name, wanted)


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _most_like(paths: List[str], name: str, wanted: str) -> Optional[str]:
    by_name: Dict[str, List[str]] = {}
    for path in paths:
        by_name.setdefault(os.path.basename(path).lower(), []).append(path)
    import difflib  # only where a job has failed

    near = difflib.get_close_matches(name.lower(), by_name, 1, _LIKENESS)
    if not near:
        return None
    return max(by_name[near[0]], key=lambda path: (difflib.SequenceMatcher(None, path, wanted).ratio(), path))


def files_below(folder: str) -> List[str]:
    """The files below a folder, those at its top first; not those in hidden folders, and of very many the first."""
    found: List[str] = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.relpath(os.path.join(here, name), folder) for name in sorted(names)]
        if len(found) > _FILES_LOOKED_AT:
            break
    return [path for path in found[:_FILES_LOOKED_AT] if path.isprintable()]
