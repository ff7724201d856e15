"""What starts the full core where the standard library is all there is: in processes that a runner starts."""

import importlib.util
import os
from typing import Any, Dict, List

from espalier.base.config import Session
from espalier.queue.spawn import interpreter

# What the core loads beside itself, as far as it is there.
_MODULES = ("cryptography", "docker", "yaml", "pathspec", "uv", "rattler", "espalier_native")


def full_core(session: Session) -> Dict[str, Any]:
    """Fields of `env.json`: `core_python`, the interpreter, and `modules`, the folders where it finds packages. Those
    of compiled packages go with one interpreter, and the runner may be another session's."""
    modules = _folders_of_modules() if session.modules is None else list(session.modules)
    return {"core_python": session.core_python or interpreter(), "modules": tuple(modules)}


def _folders_of_modules() -> List[str]:
    found: List[str] = []
    for name in _MODULES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            file = os.path.abspath(spec.origin)
            folder = os.path.dirname(file if spec.submodule_search_locations is None else os.path.dirname(file))
            if folder not in found:
                found.append(folder)
    return found
