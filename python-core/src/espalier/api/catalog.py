"""The catalogue of operations: `api.json` beside this file, made from the declarations by `api/describe.py`."""

import functools
import importlib
import json
import os
import sys
from typing import Any, Dict, Optional

from espalier.base.errors import EspalierError

FILE = os.path.join(os.path.dirname(__file__), "api.json")


@functools.lru_cache(maxsize=None)
def catalogue() -> Dict[str, Dict[str, Any]]:
    """The records of all façades, by name; see `describe()`. Read once a process: the file is part of this version.
    Raises EspalierError: `damaged` when the file of the installation can't be read."""
    try:
        with open(FILE, encoding="utf-8") as file:
            return {record["name"]: record for record in json.load(file)["classes"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EspalierError("damaged", f"Can't read {FILE}: {error}.", "Install espalier again.", path=FILE) from error


def facade(name: str) -> Any:
    """The class of a façade. Raises LookupError: there is none of that name."""
    record = catalogue().get(name)
    if record is None:
        raise LookupError(f"{name} is not part of the described API")
    module = sys.modules.get(record["module"]) or importlib.import_module(record["module"])
    return getattr(module, name)


def noun_class(noun: str) -> Optional[Any]:
    """The façade that is a noun of a workspace, `ws.<noun>`; None if there is none."""
    found = [name for name, record in catalogue().items() if record["noun"] == noun and record["in_workspace"]]
    return facade(found[0]) if found else None
