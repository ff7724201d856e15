"""Environments of conda as definitions: of the file that describes one, and of one that is installed."""

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from espalier.environment.definition import Conda, Environment, PythonSide
from espalier.environment.requirement_files import Reader, read_requirements
from espalier.environment.spelling import invalid, shown

_FIELDS = ("name", "channels", "dependencies", "variables", "prefix")
_CHANNEL = re.compile(r"https?://conda\.anaconda\.org/([A-Za-z0-9._-]+)(?:/[a-z0-9_-]+)?/?")


def conda_environment(name: str, values: object, where: str, read: Reader) -> Environment:
    """The definition that a conda specification (`environment.yml`) describes.

    Args:
        name: The environment's name.
        values: What the file holds.
        where: The file.
        read: Reads a file that its pip part names.

    Raises:
        EspalierError: `environment_invalid`.
    """
    if not isinstance(values, Mapping):
        raise invalid(where, "is no conda specification.", "It has `channels:` and `dependencies:`.")
    unknown = next((key for key in values if key not in _FIELDS), None)
    if unknown is not None:
        raise invalid(where, f"has {shown(str(unknown))}, which is no field of a conda specification.")
    packages: List[str] = []
    pip: List[str] = []
    for one in _list(values.get("dependencies"), f"{where}: dependencies"):
        if isinstance(one, Mapping) and list(one) == ["pip"]:
            pip += [str(line) for line in _list(one["pip"], f"{where}: pip")]
        elif isinstance(one, str):
            packages.append(one)
        else:
            raise invalid(where, "has something among its dependencies that is neither a package nor `pip:`.")
    channels = [str(one) for one in _list(values.get("channels"), f"{where}: channels")]
    requirements = read_requirements(pip, where, read)
    side = requirements.side(conda=Conda(tuple(channels), tuple(packages)))
    variables = values.get("variables") or {}
    if not isinstance(variables, Mapping) or not all(isinstance(value, str) for value in variables.values()):
        raise invalid(where, "has variables that are no text.")
    return Environment(name, python=side, variables=dict(variables))


def conda_side(records: Sequence[Mapping[str, Any]], pip: Sequence[str], where: str) -> Environment:
    """The definition of an installed environment, exact to the build.

    Args:
        records: Its `conda-meta/*.json`.
        pip: What pip has installed into it, `name==version`.
        where: Its folder.
    """
    channels: Dict[str, None] = {}
    packages: List[str] = []
    for one in sorted(records, key=lambda one: str(one.get("name"))):
        if not all(isinstance(one.get(key), str) for key in ("name", "version", "build")):
            raise invalid(where, "is no environment of conda: a record has no name, version and build.")
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
