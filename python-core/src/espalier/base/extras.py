"""Optional Python packages: running a job needs none of them, and each is installed when something first needs it.

`extras.json` lists them for Python and R: what pip installs, which modules must be there, how much is downloaded
(megabytes, rounded up), and why. The requirements themselves are in pyproject.toml, under the same names. Nothing here
installs: R does it, after asking, into its private environment (R/python-extras.R).
"""

import json
import os
from importlib.machinery import PathFinder
from typing import Any, Dict, List, Optional, Sequence

from espalier.base.errors import EspalierError


def require(name: str, folders: Optional[Sequence[str]] = None) -> None:
    """Make sure that the packages of an extra are there, for this process or for another.

    Args:
        name: Its name in `extras.json`.
        folders: Where the other process looks, beside Python's own modules; None: this process.

    Raises:
        EspalierError: `extra_missing`; the field `extra` is its name.
    """
    extra = _extras()[name]
    if any(folder_of(module, folders) is None for module in extra["modules"]):
        raise missing(name)


def missing(name: str) -> EspalierError:
    """The error about an extra that isn't installed."""
    extra = _extras()[name]
    packages, several = extra["packages"], " and " in extra["packages"]
    return EspalierError(
        "extra_missing",
        f"Can't find the Python package{'s' if several else ''} {packages}: {extra['because']}.",
        f"In R: install_espalier(\"{name}\"). Elsewhere: python -m pip install {packages.replace(' and ', ' ')}.",
        extra=name,
    )


def folder_of(module: str, folders: Optional[Sequence[str]] = None) -> Optional[str]:
    """The folder in which Python finds a module; None where it finds none.

    Args:
        folders: Where to look; None: where this process looks.
    """
    spec = PathFinder.find_spec(module, None if folders is None else list(folders))
    if spec is None or not spec.origin:
        return None
    file = os.path.abspath(spec.origin)
    return os.path.dirname(file if spec.submodule_search_locations is None else os.path.dirname(file))


def folders_of(modules: Sequence[str]) -> List[str]:
    """The folders in which this process finds those of the modules that are there, each once."""
    found = (folder_of(module) for module in modules)
    return list(dict.fromkeys(folder for folder in found if folder is not None))


def _extras() -> Dict[str, Any]:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "extras.json"), encoding="utf-8") as file:
        extras: Dict[str, Any] = json.load(file)
    return extras
