"""espalier: training jobs on your own machines.

Names are resolved on first use (PEP 562), so that `import espalier` inside a job costs next to nothing.
"""

from typing import TYPE_CHECKING, Any, List

__version__ = "0.1.0"

_HOMES = {
    "Environment": "espalier.environment.definition",
    "EspalierError": "espalier.base.errors",
    "Experiment": "espalier.api.experiment",
    "Host": "espalier.api.host",
    "Keyvault": "espalier.api.keyvault",
    "Run": "espalier.api.run",
    "ScriptRunConfig": "espalier.base.config",
    "Workspace": "espalier.api.workspace",
    "input_url": "espalier.base.config",
    "read_job": "espalier.jobfile.files",
    "wait_for": "espalier.api.wait_many",
    "write_job": "espalier.jobfile.files",
}

__all__ = [
    "Environment", "EspalierError", "Experiment", "Host", "Keyvault", "Run", "ScriptRunConfig", "Workspace",
    "__version__", "input_url", "read_job", "wait_for", "write_job",
]

if TYPE_CHECKING:
    from espalier.api.experiment import Experiment
    from espalier.api.host import Host
    from espalier.api.keyvault import Keyvault
    from espalier.api.run import Run
    from espalier.api.wait_many import wait_for
    from espalier.api.workspace import Workspace
    from espalier.base.config import ScriptRunConfig, input_url
    from espalier.base.errors import EspalierError
    from espalier.environment.definition import Environment
    from espalier.jobfile.files import read_job, write_job


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
