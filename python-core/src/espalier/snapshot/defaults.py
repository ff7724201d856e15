"""The built-in excludes. They apply before the rules of the user's file, which may re-include with `!`.

They are looked up, not matched: a path costs a few dictionary look-ups. The rules' texts are the patterns a user would
write.
"""

from typing import List, Optional, Tuple

from espalier.base.paths import (
    EXPERIMENTS,
    KEPT_FOLDERS,
    KEYS,
    KEYVAULT,
    KEYVAULT_LOCK,
    PROJECT_FOLDER,
    QUEUE,
    RUNS,
    SNAPSHOTS,
    WORKSPACE,
)
from espalier.snapshot.secret_files import SECRET_RULES, secret_patterns, secret_rule

DEFAULT_ORIGIN = "default"

_FOLDERS = {
    name: name + "/"
    for name in (
        ".hg",
        ".svn",
        ".Rproj.user",
        "venv",
        ".venv",
        "__pycache__",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        "node_modules",
        PROJECT_FOLDER,
    )
}
_ROOT_FOLDERS = {name: f"/{name}/" for name in KEPT_FOLDERS}
_RENV_FOLDERS = {name: f"renv/{name}/" for name in ("library", "staging", "sandbox")}
# `.git` is a file in worktrees and submodules; it names paths of this machine.
_NAMES = frozenset((".git", ".RData", ".Rhistory", ".Ruserdata", ".DS_Store"))
_PYC = "*.pyc"
# Where a workspace's own folder, or one of state, is the source, these are left out.
RECORDS = {
    "workspace": frozenset((WORKSPACE, EXPERIMENTS, RUNS, SNAPSHOTS, KEYVAULT, KEYVAULT_LOCK)),
    "state": frozenset((QUEUE, KEYS)),
}

OUTPUT_RULES = frozenset(_ROOT_FOLDERS.values())

# What a folder turns out to be once it is opened, and the rule that then leaves it out.
MARKERS = {
    "venv": "a folder with pyvenv.cfg",
    "workspace": "an espalier workspace",
    "state": "a folder of espalier's state",
}


def default_rule(path: str, is_dir: bool) -> Optional[str]:
    """The built-in pattern that leaves a path out.

    Args:
        path: The path relative to the source, with `/`.
        is_dir: Whether it is a folder.

    Returns:
        The pattern, None when no built-in exclude is about this path.
    """
    parent, _, name = path.rpartition("/")
    if name in _NAMES:
        return name
    found = secret_rule(parent.rpartition("/")[2], name) or (_PYC if name.endswith(".pyc") else None)
    if found or not is_dir:
        return found
    if not parent and name in _ROOT_FOLDERS:
        return _ROOT_FOLDERS[name]
    above = parent.rpartition("/")[2]
    if above == "renv" and name in _RENV_FOLDERS:
        return _RENV_FOLDERS[name]
    if above == "packrat" and name.startswith("lib"):
        return "packrat/lib*/"
    return _FOLDERS.get(name)


def may_be_secret(path: str) -> bool:
    """Whether the built-in excludes leave a file out because such files often hold secrets.

    Args:
        path: The path relative to the source, with `/`.
    """
    return default_rule(path, False) in SECRET_RULES


def default_patterns() -> List[Tuple[bytes, bool, str]]:
    """The same as patterns of git: text without the `/` at its end, whether it is about folders alone, the rule; that
    is empty for a pattern of what an earlier one shall not leave out."""
    found = [(text, False, rule) for text, rule in secret_patterns()]
    found += [(name, False, name) for name in (*_NAMES, _PYC)]
    found += [(name, True, rule) for name, rule in _FOLDERS.items()]
    found += [("/" + name, True, rule) for name, rule in _ROOT_FOLDERS.items()]
    found += [("**/renv/" + name, True, rule) for name, rule in _RENV_FOLDERS.items()]
    found.append(("**/packrat/lib*", True, "packrat/lib*/"))
    return [(text.encode(), folders_only, rule) for text, folders_only, rule in found]
