"""espalier: training jobs on your own machines.

Names are resolved on first use (PEP 562), so that `import espalier` inside a job costs next to nothing.
"""

from typing import TYPE_CHECKING, Any, List

__version__ = "0.1.0"

_HOMES = {
    "Environment": "espalier.environment.definition",
    "EspalierError": "espalier.errors",
    "Experiment": "espalier.experiment",
    "Keyvault": "espalier.keyvault",
    "Run": "espalier.run",
    "ScriptRunConfig": "espalier.config",
    "Workspace": "espalier.workspace",
    "wait_for": "espalier.wait_many",
}

__all__ = [
    "Environment", "EspalierError", "Experiment", "Keyvault", "Run", "ScriptRunConfig", "Workspace", "__version__",
    "wait_for",
]

if TYPE_CHECKING:
    from espalier.config import ScriptRunConfig
    from espalier.environment.definition import Environment
    from espalier.errors import EspalierError
    from espalier.experiment import Experiment
    from espalier.keyvault import Keyvault
    from espalier.run import Run
    from espalier.wait_many import wait_for
    from espalier.workspace import Workspace


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'espalier' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(__all__)
