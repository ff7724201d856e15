"""Where the code of another package's executor lies, and importing it from there alone: the working directory and
the folder of the user's script may hold a module of any name. Standard library only."""

import contextlib
import os
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from espalier.adapters.trust import refuse_foreign_code
from espalier.base.errors import EspalierError
from espalier.executors.contract import Interruption

GROUP = "espalier.executors"


def registered() -> Dict[str, Tuple[str, List[str]]]:
    """Name -> object of each executor that an installed package registers, and the folders that its code may lie in."""
    from importlib.metadata import distributions  # (not where the standard library is all there is)

    found: Dict[str, Tuple[str, List[str]]] = {}
    for distribution in distributions(path=list(_places_of_packages())):
        with contextlib.suppress(Exception):  # (one that is damaged doesn't hide the others)
            for entry in distribution.entry_points:
                if entry.group == GROUP:
                    found.setdefault(entry.name, (entry.value, _folders(distribution)))
    return found


def _places_of_packages() -> Iterator[str]:
    main = sys.modules.get("__main__")
    projects = [os.curdir]
    if getattr(main, "__spec__", None) is None:  # (it was not found on the path, but is a script)
        projects.append(os.path.dirname(getattr(main, "__file__", None) or os.curdir))
    left_out = set()
    for folder in projects:
        with contextlib.suppress(OSError):  # (the working directory has been deleted)
            left_out.add(os.path.realpath(folder))
    return (place for place in sys.path if os.path.isabs(place) and os.path.realpath(place) not in left_out)


def _folders(distribution: Any) -> List[str]:
    """Where an installed package is; one that is installed as editable names further folders in a separate file."""
    folders = [str(distribution.locate_file(""))]
    for file in distribution.files or ():
        if file.suffix == ".pth":
            with open(str(distribution.locate_file(file)), encoding="utf-8") as lines:
                folders += [line for line in map(str.strip, lines) if os.path.isdir(line)]
    return [os.path.abspath(folder) for folder in folders]


def file_of(folder: str, target: str) -> Optional[str]:
    """The file of an executor's module, if that lies in a folder."""
    return _file(os.path.join(folder, *target.partition(":")[0].split(".")))


def _file(place: str) -> Optional[str]:
    return next(filter(os.path.isfile, (os.path.join(place, "__init__.py"), place + ".py")), None)


def imported(name: str, target: str, folder: str, path: str) -> Any:
    """The module of an executor, from that folder and no other.

    Args:
        path: What `file_of` found.

    Raises:
        EspalierError: `executor_failed`, `writable_by_others`.
    """
    try:
        refuse_foreign_code(folder, path)
    except OSError as error:  # (it is being installed just now, or is damaged)
        raise failed(name, f"its files can't be looked at: {error}") from error
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # (what is beside it is what was looked at)
    try:
        parts = target.partition(":")[0].split(".")
        for count in range(1, len(parts) + 1):
            module = _imported(".".join(parts[:count]), os.path.join(folder, *parts[:count]))
        return module
    except (Interruption, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise failed(name, f"its module can't be imported, {type(error).__name__}: {error!s:.300}") from error
    finally:
        sys.dont_write_bytecode = before


def _imported(full: str, place: str) -> Any:
    import importlib.machinery
    import importlib.util

    above, _, last = full.rpartition(".")
    path = _file(place)
    if full not in sys.modules:
        if path is None:  # (a folder that several packages share)
            spec = importlib.machinery.PathFinder.find_spec(full, sys.modules[above].__path__ if above else None)
        else:
            inside = [place] if path.startswith(place + os.sep) else None
            spec = importlib.util.spec_from_file_location(full, path, submodule_search_locations=inside)
        if spec is None or (path is None and spec.origin not in (None, "namespace")):
            raise ImportError(f"the module {full} is hidden by {spec and spec.origin}")
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        try:
            if path is not None and spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(full, None)
            raise
        if above:
            setattr(sys.modules[above], last, module)
    module = sys.modules[full]
    found = os.path.realpath(getattr(module, "__file__", None) or os.sep)
    if path is not None and found != os.path.realpath(path):
        raise ImportError(f"the module {full} is hidden by {found}")
    return module


def failed(name: str, why: str, lines: Sequence[str] = ()) -> EspalierError:
    """What an executor did that it must not."""
    message = f"Can't use the executor {name!r:.100} of another package: {why}."
    hint = "Report this to the authors of that package."
    return EspalierError("executor_failed", message, hint, traceback=list(lines))
