"""Files that hold secrets by their names: they never enter a snapshot, or an image's layers, unless the user says so.

A file system may spell a name in capitals, so each rule holds for the usual spellings of its name.
"""

import re
from typing import Dict, Iterator, List, Optional, Tuple

_NAMES = """
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


_BY_NAME = {spelling: name for name in _NAMES.split() for spelling in _spellings(name)}
_BY_SUFFIX = {spelling: f"*.{suffix}" for suffix in _SUFFIXES for spelling in {suffix, suffix.upper(), suffix.title()}}
_BY_GLOB = {spelling: glob for glob in _GLOBS for spelling in sorted({glob, glob.upper(), glob.title()})}
_NOT = sorted({spelling for glob in _HARMLESS for spelling in {glob, glob.upper(), glob.title()}})
_BY_PATH = {spelling: path for path in _PATHS for spelling in {path, path.upper()}}

SECRET_RULES = frozenset((*_NAMES.split(), *_BY_SUFFIX.values(), *_GLOBS, *_PATHS))


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
        name: Its name.
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
