"""The compiled parts, where they are built; everything works without them."""

import importlib
import os
from functools import lru_cache
from typing import Any, Optional

# What `espalier_native.INTERFACE` has to be.
_INTERFACE = 1


def native() -> Optional[Any]:
    """The module `espalier_native`; None where it is not built, or `ESPALIER_NATIVE` is `no`."""
    return None if os.environ.get("ESPALIER_NATIVE", "").lower() in ("no", "false", "0") else _load()


@lru_cache(maxsize=None)
def _load() -> Optional[Any]:
    try:
        module = importlib.import_module("espalier_native")
    except ImportError:
        return None
    # (one that was built for another version of the core is as good as none)
    return module if getattr(module, "INTERFACE", None) == _INTERFACE else None
