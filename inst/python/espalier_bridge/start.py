"""Make the core that belongs to this R package importable, without disturbing what the session already runs."""

import json
import os
import re
import secrets
import sys
from typing import Any, Dict, List, Optional, Tuple

from espalier_bridge.absent import explain_absent_modules

_MODULES = {"pyyaml": "yaml"}
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)\s*(?:>=\s*([0-9.]+))?")


def connect(core: str, cache: str, requirements: str, managed: str) -> str:
    """Load our `espalier` from the folder `core`, after checking this Python.

    Args:
        core: Folder that holds the package folder `espalier`.
        cache: Where bytecode of the calls to come goes: the R library may be read-only.
        requirements: JSON list such as `["pyyaml>=5.4"]`.
        managed: Folder of the private environment, which is known to meet them; may be empty.

    Returns:
        JSON: `python`, `prefix`, `version`; `foreign` (file of another loaded module espalier) and `unmet`
        (list of `name`, `need`, `found`, `loaded`); `token`, the word that marks our notes on columns. The core is
        loaded only if there is no `foreign`.
    """
    from espalier_bridge import calls
    from espalier_bridge.arrow import build

    calls.settings["pycache_prefix"] = cache
    state: Dict[str, Any] = {
        "python": sys.executable, "prefix": sys.prefix, "version": "{}.{}.{}".format(*sys.version_info[:3]),
    }
    state["token"] = build.token["value"] = build.token["value"] or secrets.token_hex(16)
    known = bool(managed) and os.path.realpath(sys.prefix) == os.path.realpath(managed)
    state["unmet"] = [] if known else [found for text in json.loads(requirements) for found in _unmet(text)]
    state["foreign"] = None if sys.version_info < (3, 9) else _load(core)
    return json.dumps(state)


def _load(core: str) -> Optional[str]:
    """Load the package from exactly this folder: one of the same name elsewhere on the path must not win."""
    from importlib.util import module_from_spec, spec_from_file_location

    folder = os.path.join(core, "espalier")
    loaded = sys.modules.get("espalier")
    if loaded is not None:
        place = os.path.dirname(getattr(loaded, "__file__", None) or "")
        return None if place and os.path.realpath(place) == os.path.realpath(folder) else place or "<built in>"
    spec = spec_from_file_location(
        "espalier", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["espalier"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["espalier"]
        raise
    return None


def _unmet(text: str) -> List[Dict[str, Any]]:
    match = _REQUIREMENT.match(text)
    assert match is not None
    name, least = match.group(1), match.group(2) or "0"
    module = _module(name)
    loaded = module in sys.modules
    found = _version(name, module)
    if found is not None and _numbers(found) >= _numbers(least):
        return []
    return [{"name": name, "need": least, "found": found, "loaded": loaded and found is not None}]


def _module(name: str) -> str:
    return _MODULES.get(name.lower(), name.lower().replace("-", "_"))


def _version(name: str, module: str) -> Optional[str]:
    """The version that an import would give, or None where there is none."""
    if module in sys.modules:
        version = getattr(sys.modules[module], "__version__", None)
        if isinstance(version, str):
            return version
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def own_environment(variables: str) -> None:
    """Make Python one of espalier's own, which the user did not choose: it has the variables again that the session had
    before reticulate started it, and explains what it lacks.

    Args:
        variables: JSON object: text, or null for those that there were not.
    """
    wanted: Dict[str, Optional[str]] = json.loads(variables)
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    explain_absent_modules()


def add_site(site: str, names: str) -> None:
    """Offer the packages of another site folder, behind everything the session has.

    Args:
        site: The folder; appended to `sys.path`.
        names: JSON list of requirements that must come from there although an older one, not loaded yet, is
            further ahead. They are imported now, with the folder in front for that moment only.
    """
    from importlib import import_module, invalidate_caches

    if site not in sys.path:
        sys.path.append(site)
    invalidate_caches()
    sys.path.insert(0, site)
    try:
        for name in json.loads(names):
            import_module(_module(name))
    finally:
        sys.path.remove(site)  # the first one: the one just put in front
