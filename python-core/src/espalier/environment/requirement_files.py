"""Requirements files of pip, read: comments, continued lines, `-r`, indexes. Files come by a function."""

import re
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional

from espalier.environment.definition import PythonSide
from espalier.environment.spelling import invalid, shown

# Reads a file that a line names, as seen from the file it stands in; gives its name and its text.
Reader = Callable[[str, str], "tuple[str, str]"]

_COMMENT = re.compile(r"(^|\s)#.*$")
_INDEX = {"-i": "index_url", "--index-url": "index_url", "--extra-index-url": "extra"}
_FILES = 50


@dataclass
class Requirements:
    """What requirements files say, all together."""

    lines: List[str] = field(default_factory=list)
    index_url: Optional[str] = None
    extra_index_urls: List[str] = field(default_factory=list)
    files: List[str] = field(default_factory=list)

    def side(self, **more: object) -> PythonSide:
        """The same as the Python side of a definition."""
        fields: Dict[str, object] = {
            "pip": tuple(self.lines), "index_url": self.index_url, "extra_index_urls": tuple(self.extra_index_urls),
        }  # fmt: skip
        return PythonSide(**{**fields, **more})  # type: ignore[arg-type]


def read_requirements(lines: List[str], where: str, read: Reader, found: Optional[Requirements] = None) -> Requirements:
    """What a requirements file says, and those it names.

    Args:
        lines: The file's lines.
        where: The file.
        read: Reads one that `-r` names.
        found: What was found before.

    Raises:
        EspalierError: `environment_invalid`.
    """
    found = found or Requirements()
    found.files.append(where)
    if len(found.files) > _FILES:
        raise invalid(where, "is one of too many requirements files that name each other.")
    for line in _joined(lines):
        name, _, value = re.sub(r"^(--?[a-z-]+)=", r"\1 ", line).partition(" ")
        value = value.strip()
        if re.match(r"-[a-z]\S", name):  # (`-rother.txt`)
            name, value = name[:2], name[2:] or value
        if name in ("-r", "--requirement"):
            path, text = read(where, value)
            if path not in found.files:
                read_requirements(text.splitlines(), path, read, found)
        elif name in _INDEX:
            _take_index(found, _INDEX[name], value, where)
        elif name in ("-c", "--constraint"):
            raise invalid(
                where, f"names a file of constraints, {shown(value)}, which an environment cannot hold.",
                "Write the versions into the requirements; lock_environment() fixes those of what they need.",
            )  # fmt: skip
        elif name == "-f":
            found.lines.append(f"--find-links {value}")
        else:
            found.lines.append(line)
    return found


def _joined(lines: List[str]) -> List[str]:
    """Lines without comments, each with those that continue it."""
    whole: List[str] = []
    before = ""
    for line in lines:
        text = before + _COMMENT.sub("", line).rstrip()
        before = text[:-1] + " " if text.endswith("\\") else ""
        if not before and text.strip():
            whole.append(text.strip())
    return whole + ([before.strip()] if before.strip() else [])


def _take_index(found: Requirements, kind: str, value: str, where: str) -> None:
    if kind == "extra":
        found.extra_index_urls.append(value)
    elif found.index_url in (None, value):
        found.index_url = value
    else:
        raise invalid(where, "names another index than the file before it.", "Give one as --extra-index-url.")
