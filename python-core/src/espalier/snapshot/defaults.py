"""The built-in excludes. They apply before the rules of the user's file, which may re-include with `!`.

They are looked up, not matched: a path costs a few dictionary look-ups. The rules' texts are the patterns a user would
write. Files that hold secrets by their names never enter a snapshot, or an image's layers, unless the user says so. A
file system may spell a name in capitals, so each rule holds for the usual spellings of its name.

And what of espalier's own never goes into a snapshot: workspaces, folders of state, and the keys of keyvaults. They are
known by what they hold, at any depth and under any name, and no rule of the user's brings them back.
"""

import json
import os
import re
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Tuple

from espalier.base.paths import (
    EXPERIMENTS,
    KEPT_FOLDERS,
    KEYS,
    KEYVAULT,
    KEYVAULT_LOCK,
    LEASES,
    PROJECT_FOLDER,
    QUEUE,
    RUNS,
    SNAPSHOTS,
    TICKETS,
    WORKSPACE,
)

_SECRET_NAMES = """
.env .envrc .Renviron .netrc _netrc .pgpass pgpass.conf .my.cnf .mylogin.cnf .pypirc .npmrc .git-credentials .htpasswd
.httr-oauth .dockercfg .vault-token .s3cfg .boto .databrickscfg .cdsapirc kaggle.json .ssh .gnupg .secrets
credentials.json credentials.yml credentials.yaml credentials.toml .credentials application_default_credentials.json
secrets.json secrets.yml secrets.yaml secrets.toml .secrets.toml
"""
_SUFFIXES = ("pem", "p12", "pfx", "ppk", "key", "kdbx", "jks", "keystore")
_GLOBS = (
    ".env.*", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*service-account*.json", "*service_account*.json",
    "client_secret*.json",
)  # fmt: skip
# What these would match and holds none: examples, and the public halves of keys.
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist", "id_*.pub")
_PATHS = (".aws/credentials", ".docker/config.json", ".kube/config", ".cargo/credentials")


def _spellings(text: str) -> List[str]:
    """A name as it is, in small letters, in capitals, and with a capital; its suffix likewise."""
    stem, dot, suffix = text.rpartition(".")
    stems = {stem, stem.lower(), stem.upper(), stem.title(), stem.capitalize()}
    suffixes = {suffix, suffix.lower(), suffix.upper(), suffix.title()}
    return sorted({one + dot + other for one in stems for other in suffixes})


_BY_NAME = {spelling: name for name in _SECRET_NAMES.split() for spelling in _spellings(name)}
_BY_SUFFIX = {spelling: f"*.{suffix}" for suffix in _SUFFIXES for spelling in {suffix, suffix.upper(), suffix.title()}}
_BY_GLOB = {spelling: glob for glob in _GLOBS for spelling in sorted({glob, glob.upper(), glob.title()})}
_NOT = sorted({spelling for glob in _HARMLESS for spelling in {glob, glob.upper(), glob.title()}})
_BY_PATH = {spelling: path for path in _PATHS for spelling in {path, path.upper()}}

SECRET_RULES = frozenset((*_SECRET_NAMES.split(), *_BY_SUFFIX.values(), *_GLOBS, *_PATHS))


def _regex(globs: List[str]) -> "re.Pattern[str]":
    return re.compile("|".join(re.escape(glob).replace(r"\*", ".*") for glob in globs), re.DOTALL)


_ANY_GLOB, _ANY_NOT = _regex(list(_BY_GLOB)), _regex(_NOT)
_EACH_GLOB = {glob: _regex([glob]) for glob in _BY_GLOB}
_BEGINS = tuple({glob.partition("*")[0] for glob in _BY_GLOB if not glob.startswith("*")})
_ENDS = tuple({glob.rpartition("*")[2] for glob in _BY_GLOB if glob.startswith("*")})


def secret_rule(above: str, name: str) -> Optional[str]:
    """The rule by which a file or folder may hold secrets, None where there is none.

    Args:
        above: The name of the folder that it lies in.
    """
    found = _BY_NAME.get(name) or _BY_SUFFIX.get(name.rpartition(".")[2] if "." in name else "")
    likely = found is None and (name.startswith(_BEGINS) or name.endswith(_ENDS))
    if likely and _ANY_GLOB.fullmatch(name) and not _ANY_NOT.fullmatch(name):
        found = next(rule for glob, rule in _BY_GLOB.items() if _EACH_GLOB[glob].fullmatch(name))
    return found or _BY_PATH.get(f"{above}/{name}")


def secret_patterns() -> Iterator[Tuple[str, str]]:
    """The same as patterns of git, the last that matches decides: the text, and its rule, which is empty for a pattern
    of what holds none."""
    yield from _BY_GLOB.items()
    yield from ((text, "") for text in _NOT)
    found: Dict[str, str] = {**{f"*.{suffix}": rule for suffix, rule in _BY_SUFFIX.items()}, **_BY_NAME}
    yield from found.items()
    yield from ((f"**/{path}", rule) for path, rule in _BY_PATH.items())


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
RENV_RULES = frozenset(_RENV_FOLDERS.values())

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


# Names that make a folder worth a closer look.
SIGNS = frozenset((WORKSPACE, KEYVAULT, QUEUE))
# Keys, and what is on its way to its place: patterns of git, and the rule that people read.
_HEX = "[0-9a-f]"
PATTERNS = (
    ("-".join(_HEX * count for count in (8, 4, 4, 4, 12)) + ".key", "a key of a keyvault"),
    (".tmp-*[0-9]-" + _HEX * 12, "a temporary file of espalier"),
)
_FILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.key|\.tmp-.*[0-9]-[0-9a-f]{12}", re.DOTALL)
# What a folder may hold, bytes, and still be looked at.
_LARGEST = 64 << 20


def own_file(name: str) -> Optional[str]:
    """The rule that leaves out a file or folder of this name, None for most."""
    if (not name.startswith(".tmp-") and not name.endswith(".key")) or not _FILE.fullmatch(name):
        return None
    return PATTERNS[name.startswith(".")][1]


def own_folder(fd: int, names: FrozenSet[str]) -> Optional[str]:
    """What an open folder is: `workspace`, `state`, or None if it isn't espalier's.

    Args:
        fd: The folder.
        names: What it holds; without one of `SIGNS` it isn't looked at.
    """
    if SIGNS.isdisjoint(names):
        return None
    if {"format", "id"} <= _record(fd, WORKSPACE).keys() or {"format", "secrets"} <= _record(fd, KEYVAULT).keys():
        return "workspace"
    return "state" if _has_queue(fd) else None


def own_place(path: str) -> Optional[str]:
    """The rule that leaves out what a link leads to, None for most."""
    folder, name = os.path.split(path)
    try:
        fd = os.open(folder.encode("utf-8", "surrogateescape"), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return own_file(name)
    try:
        kind = own_folder(fd, SIGNS)
    finally:
        os.close(fd)
    return MARKERS[kind] if kind and name in RECORDS[kind] else own_file(name)


def _record(fd: int, name: str) -> Any:
    try:
        with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=fd), "rb") as file:
            record = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _has_queue(fd: int) -> bool:
    """Whether a folder `queue` in it holds the queue of a host."""
    try:
        queue = os.open(QUEUE, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
    except OSError:
        return False
    try:
        return any(_is_dir(queue, host, TICKETS) and _is_dir(queue, host, LEASES) for host in os.listdir(queue))
    except OSError:
        return False
    finally:
        os.close(queue)


def _is_dir(fd: int, *parts: str) -> bool:
    try:
        os.close(os.open(os.path.join(*parts), os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd))
    except OSError:
        return False
    return True
