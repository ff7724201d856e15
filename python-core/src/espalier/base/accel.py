"""The compiled parts, where they are built; everything works without them."""

import contextlib
import os
import sys
from functools import lru_cache
from typing import Any, Optional

# What `espalier_native.INTERFACE` has to be.
_INTERFACE = 6
_NAME = "espalier_native"


def native() -> Optional[Any]:
    """The module `espalier_native`; None where it is not built, or `ESPALIER_NATIVE` is `no`."""
    return None if os.environ.get("ESPALIER_NATIVE", "").lower() in ("no", "false", "0") else _load()


def loaded() -> Optional[Any]:
    """The same, but None where it has not been used yet: for work that is done sooner than it is loaded."""
    return native() if _load.cache_info().currsize else None


@lru_cache(maxsize=None)
def _load() -> Optional[Any]:
    import importlib  # (a runner that needs no scanner does without)

    module: Optional[Any]
    try:
        module = importlib.import_module(_NAME)
    except ImportError:
        module = _beside_the_interpreter()
    # (one that was built for another version of the core is as good as none)
    return module if getattr(module, "INTERFACE", None) == _INTERFACE else None


def _beside_the_interpreter() -> Optional[Any]:
    """The module of this environment, for the runner, which looks for no packages (`python -S`)."""
    from importlib.machinery import EXTENSION_SUFFIXES
    from importlib.util import module_from_spec, spec_from_file_location
    from itertools import product

    prefix = os.path.dirname(os.path.dirname(sys.executable))
    packages = os.path.join(prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    # (the second is where R installs it)
    for folder, suffix in product((packages, os.path.join(prefix, "extras", "scanner")), EXTENSION_SUFFIXES):
        path = os.path.join(folder, _NAME + suffix)
        if os.path.exists(path):
            spec = spec_from_file_location(_NAME, path)
            if spec is not None and spec.loader is not None:
                with contextlib.suppress(ImportError):
                    module = module_from_spec(spec)
                    spec.loader.exec_module(module)
                    return module
    return None
