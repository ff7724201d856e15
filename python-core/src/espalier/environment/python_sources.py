"""Python packages as files of pip and conda describe them, and an installed conda environment, as definitions.

Of requirements files: comments, continued lines, `-r`, `-c`, indexes, variables. A function reads the files.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from espalier.base.model.codec import shown
from espalier.base.names import looks_secret
from espalier.environment.definition import Conda, Environment, PythonSide
from espalier.environment.requirements import CONSTRAINT, requirement
from espalier.environment.spelling import KEEP_SECRETS, invalid, url

# Reads a file that a line names, as seen from the file it stands in; gives its name and its text.
Reader = Callable[[str, str], "tuple[str, str]"]

_COMMENT = re.compile(r"(^|\s)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # (as pip has it)
_INDEX = {"-i": "index_url", "--index-url": "index_url", "--pypi-url": "index_url", "--extra-index-url": "extra"}
_FILES = ("-r", "--requirement", "-c", "--constraint")
_MOST_FILES = 50
_CONDA_FIELDS = ("name", "channels", "dependencies", "variables", "prefix")
_CHANNEL = re.compile(r"https?://conda\.anaconda\.org/([A-Za-z0-9._-]+)(?:/[a-z0-9_-]+)?/?")


@dataclass
class Requirements:
    """What requirements files say, all together."""

    lines: List[str] = field(default_factory=list)
    index_url: Optional[str] = None
    extra_index_urls: List[str] = field(default_factory=list)
    files: List[Tuple[str, bool]] = field(default_factory=list)  # with whether it was read as constraints
    wants_hashes: bool = False

    def side(self, **more: object) -> PythonSide:
        """The same as the Python side of a definition."""
        fields: Dict[str, object] = {
            "pip": tuple(self.lines), "index_url": self.index_url, "extra_index_urls": tuple(self.extra_index_urls),
        }  # fmt: skip
        return PythonSide(**{**fields, **more})  # type: ignore[arg-type]


def read_requirements(lines: List[str], where: str, read: Reader) -> Requirements:
    """What a requirements file says, and those it names.

    Args:
        read: Reads one that `-r` or `-c` names.

    Raises:
        EspalierError: `environment_invalid`, with the file and the line.
    """
    found = Requirements()
    _read(found, lines, where, read, constraints=False)
    bare = next((line for line in found.lines if not line.startswith("-") and "--hash=" not in line), None)
    if found.wants_hashes and bare is not None:
        hint = "Add it, or leave the option out."
        raise invalid(where, f"has --require-hashes, and {shown(bare)} has no hash.", hint)
    return found


def _read(found: Requirements, lines: List[str], where: str, read: Reader, constraints: bool) -> None:
    found.files.append((where, constraints))
    if len(found.files) > _MOST_FILES:
        raise invalid(where, "is one of too many requirements files that name each other.")
    for number, line in _joined(lines):
        place = f"{where}:{number}"
        name, value = _option(_expanded(line, place))
        if name in _FILES:
            path, text = read(where, value)
            is_constraint = constraints or name in _FILES[2:]
            if (path, is_constraint) not in found.files:
                _read(found, text.splitlines(), path, read, is_constraint)
        elif name in _INDEX:
            _take_index(found, _INDEX[name], value, place)
        elif name == "--require-hashes":
            found.wants_hashes = True
        elif name in ("-e", "--editable") and value.startswith(("git+https://", "git+http://")):
            found.lines.append(requirement(place, _named(value)))  # (what a checkout is edited for isn't here)
        else:
            name = {"-f": "--find-links", "-e": "--editable"}.get(name, name)
            text = f"{name} {value}".strip()
            is_wanted = constraints and not text.startswith("-")
            found.lines.append(requirement(place, f"{CONSTRAINT} {text}" if is_wanted else text))


def _option(line: str) -> Tuple[str, str]:
    """An option and its value; of any other line all of it, and nothing."""
    if not line.startswith("-"):
        return line, ""
    name, _, value = re.sub(r"^(--?[a-z-]+)=", r"\1 ", line).partition(" ")
    if re.match(r"-[a-z]\S", name):  # (`-rother.txt`)
        name, value = name[:2], name[2:] + (" " + value if value else "")
    return name, value.strip()


def _named(address: str) -> str:
    """The address of a repository with its name in front, where `#egg=` says it."""
    name = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", address)
    return f"{name.group(1)} @ {address}" if name else address


def _joined(lines: List[str]) -> Iterator[Tuple[int, str]]:
    """Lines without comments, each with those that continue it, and the number of its first."""
    before, first = "", 0
    for number, line in enumerate(lines, 1):
        first = first if before else number
        text = before + _COMMENT.sub("", line).rstrip()
        before = text[:-1] + " " if text.endswith("\\") else ""
        if not before and text.strip():
            yield first, text.strip()
    if before.strip():
        yield first, before.strip()


def _expanded(line: str, place: str) -> str:
    """A line with the values of the variables it names. Those of secrets never stand in a definition."""
    for name in _VARIABLE.findall(line):
        if looks_secret(name) or re.search(rf"://[^/\s]*\$\{{{name}\}}[^/\s]*@", line):
            hint = "For an index: pip_index_password of python_environment().\n" + KEEP_SECRETS
            raise invalid(place, f"takes a secret from the variable {name}.", hint)
        if name not in os.environ:
            hint = f'Set it: Sys.setenv({name} = "...").'
            raise invalid(place, f"names the variable {name}, which is not set.", hint)
    return _VARIABLE.sub(lambda found: os.environ[found.group(1)], line)


def _take_index(found: Requirements, kind: str, value: str, place: str) -> None:
    address = url(place, value, user=True)
    if kind == "extra":
        found.extra_index_urls.append(address)
    elif found.index_url in (None, address):
        found.index_url = address
    else:
        raise invalid(place, "names another index than the file before it.", "Give one as --extra-index-url.")


def conda_environment(name: str, values: object, where: str, read: Reader) -> Environment:
    """The definition that a conda specification (`environment.yml`) describes.

    Args:
        read: Reads a file that its pip part names.

    Raises:
        EspalierError: `environment_invalid`.
    """
    if not isinstance(values, Mapping):
        raise invalid(where, "isn't a conda specification.", "It has `channels:` and `dependencies:`.")
    unknown = next((key for key in values if key not in _CONDA_FIELDS), None)
    if unknown is not None:
        raise invalid(where, f"has {shown(str(unknown))}, which isn't a field of a conda specification.")
    packages: List[str] = []
    pip: List[str] = []
    for one in _list(values.get("dependencies"), f"{where}: dependencies"):
        if isinstance(one, Mapping) and list(one) == ["pip"]:
            pip += [str(line) for line in _list(one["pip"], f"{where}: pip")]
        elif isinstance(one, str):
            packages.append(one)
        else:
            raise invalid(where, "has a dependency that is neither a package nor `pip:`.")
    channels = [str(one) for one in _list(values.get("channels"), f"{where}: channels")]
    requirements = read_requirements(pip, where, read)
    side = requirements.side(conda=Conda(tuple(channels), tuple(packages)))
    variables = values.get("variables") or {}
    if not isinstance(variables, Mapping) or not all(isinstance(value, str) for value in variables.values()):
        raise invalid(where, "has variables that aren't text.")
    return Environment(name, python=side, variables=dict(variables))


def conda_side(records: Sequence[Mapping[str, Any]], pip: Sequence[str], where: str) -> Environment:
    """The definition of an installed environment, exact to the build.

    Args:
        records: Its `conda-meta/*.json`.
        pip: What pip has installed into it, `name==version`.
    """
    channels: Dict[str, None] = {}
    packages: List[str] = []
    for one in sorted(records, key=lambda one: str(one.get("name"))):
        if not all(isinstance(one.get(key), str) for key in ("name", "version", "build")):
            raise invalid(where, "isn't a conda environment: a record has no name, version and build.")
        packages.append(f"{one['name']}={one['version']}={one['build']}")
        channel = _channel_of(one)
        if channel:
            channels[channel] = None
    return Environment("e", python=PythonSide(conda=Conda(tuple(channels), tuple(packages)), pip=tuple(pip)))


def _channel_of(record: Mapping[str, Any]) -> Optional[str]:
    channel = str(record.get("channel") or "")
    found = _CHANNEL.fullmatch(channel)
    if found:
        return found.group(1)
    # (a URL ends in the platform)
    return re.sub(r"/(?:noarch|[a-z0-9]+-[a-z0-9]+)/?$", "", channel) or None


def _list(value: object, where: str) -> List[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(where, "must be a list.")
    return value
