"""The built-in excludes. They apply before the rules of the user's file, which may re-include with `!`.

They are looked up, not matched: a path costs a few dictionary look-ups. The rules' texts are the patterns a user would
write.
"""

from typing import List, Optional, Tuple

from espalier.paths import EXPERIMENTS, KEPT_FOLDERS, PROJECT_FOLDER, RUNS, SNAPSHOTS, WORKSPACE

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
_KEYS = ("id_rsa", "id_dsa", "id_ed25519", "id_ecdsa")
_SECRETS = frozenset((".Renviron", ".env", ".env.local", ".netrc", ".pgpass", ".pypirc", ".git-credentials", *_KEYS))
# (each of four characters)
_SECRET_SUFFIXES = {".pem": "*.pem", ".p12": "*.p12", ".pfx": "*.pfx", ".ppk": "*.ppk"}
_SUFFIXES = {".pyc": "*.pyc", **_SECRET_SUFFIXES}
# Where a workspace's own folder is the source, its records are left out.
RECORDS = frozenset((WORKSPACE, EXPERIMENTS, RUNS, SNAPSHOTS))

SECRET_RULES = _SECRETS.union(_SECRET_SUFFIXES.values())
OUTPUT_RULES = frozenset(_ROOT_FOLDERS.values())

# What a folder turns out to be once it is opened, and the rule that then leaves it out.
MARKERS = {"venv": "a folder with pyvenv.cfg", "workspace": "an espalier workspace"}


def default_rule(path: str, is_dir: bool) -> Optional[str]:
    """The built-in pattern that leaves a path out.

    Args:
        path: The path relative to the source, with `/`.
        is_dir: Whether it is a folder.

    Returns:
        The pattern, None when no built-in exclude is about this path.
    """
    parent, _, name = path.rpartition("/")
    if name in _NAMES or name in _SECRETS:
        return name
    if not is_dir:
        return _SUFFIXES.get(name[-4:])
    if not parent and name in _ROOT_FOLDERS:
        return _ROOT_FOLDERS[name]
    above = parent.rpartition("/")[2]
    if above == "renv" and name in _RENV_FOLDERS:
        return _RENV_FOLDERS[name]
    if above == "packrat" and name.startswith("lib"):
        return "packrat/lib*/"
    return _FOLDERS.get(name) or _SUFFIXES.get(name[-4:])


def default_patterns() -> List[Tuple[bytes, bool, str]]:
    """The same as patterns of git: text without the `/` at its end, whether it is about folders alone, the rule."""
    found = [(name, False, name) for name in (*_NAMES, *_SECRETS)]
    found += [(rule, False, rule) for rule in _SUFFIXES.values()]
    found += [(name, True, rule) for name, rule in _FOLDERS.items()]
    found += [("/" + name, True, rule) for name, rule in _ROOT_FOLDERS.items()]
    found += [("**/renv/" + name, True, rule) for name, rule in _RENV_FOLDERS.items()]
    found.append(("**/packrat/lib*", True, "packrat/lib*/"))
    return [(text.encode(), folders_only, rule) for text, folders_only, rule in found]


def is_record(name: str) -> bool:
    """Whether this is the name of one of the parts that espalier keeps in a workspace's folder."""
    return name in RECORDS
