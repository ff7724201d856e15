"""What a user reads who imports a package that espalier's private environment has not.

A session has one Python. If espalier started it, a choice that the user makes for reticulate later counts no more, and
reticulate says nothing of it.
"""

import sys
from importlib.machinery import ModuleSpec
from types import FrameType
from typing import Any, Optional

# Modules that stand between an import and the one who asked for it.
_BETWEEN = ("importlib._bootstrap", "_frozen_importlib", "rpytools", "espalier_bridge.absent")


class _Absent:
    """The last to be asked for a module; explains to R and its user, and to nobody else, why there is none."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if path is None and "." not in name and _asked_by_user(sys._getframe(1)):
            raise ModuleNotFoundError(
                f"No module named '{name}'. espalier started this session's Python, its private one ({sys.prefix}), "
                "because none had been chosen. To use another with reticulate, restart R and choose it before the "
                "first call of espalier, by reticulate::use_python() or RETICULATE_PYTHON.",
                name=name,
            )
        return None


def explain_absent_modules() -> None:
    """Have imports that R asks for explain themselves where they fail."""
    if not any(isinstance(finder, _Absent) for finder in sys.meta_path):
        sys.meta_path.append(_Absent())  # type: ignore[arg-type]


def _asked_by_user(frame: Optional[FrameType]) -> bool:
    """Whether R asked, or code that R was given; a module that looks what there is goes on without."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(_BETWEEN):
            return name == "__main__"
        frame = frame.f_back
    return True
