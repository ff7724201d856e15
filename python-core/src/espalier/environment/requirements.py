"""Lines of a requirements file: what of pip's format a definition may hold."""

import re
from typing import Dict, List

from espalier.base.model.codec import shown
from espalier.environment.spelling import KEEP_SECRETS, invalid, url

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\s*\[\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\])?"
_ONE = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9][A-Za-z0-9.*+!_-]*\s*"
_VERSIONS = rf"(?:{_ONE}(?:,{_ONE})*|\s*\({_ONE}(?:,{_ONE})*\)\s*)?"
_TERM = r"""(?:[a-z_.]+|"[A-Za-z0-9 .,*!+_-]*"|'[A-Za-z0-9 .,*!+_-]*')"""
_COMPARED = rf"\(*{_TERM}\s*(?:[<>=!~]=?=?|not\s+in|in)\s*{_TERM}\)*"
_MARKER = rf"(?:\s*;\s*{_COMPARED}(?:\s+(?:and|or)\s+{_COMPARED})*)?"
_HASH = re.compile(r"\s+--hash[= ](sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?=\s|$)", re.ASCII)
_NAMED = re.compile(rf"({_NAME}){_EXTRAS}{_VERSIONS}{_MARKER}", re.ASCII)
_AT = re.compile(rf"({_NAME}){_EXTRAS}\s*@\s*(\S+){_MARKER}", re.ASCII)
_NAMES = re.compile(rf":all:|:none:|{_NAME}(?:,{_NAME})*", re.ASCII)
_FRAGMENT = re.compile(r"[A-Za-z0-9=&._/:\[\]-]*", re.ASCII)
# (a package of many files has a hash for each)
_LONGEST_LOCKED = 1_000_000
# A line of ours: no package that is to be installed, but which version of it, if it is. pip has these in files.
CONSTRAINT = "--constraint"
PREFER_BINARY = "--prefer-binary"
TRUSTED_HOST = "--trusted-host"
_OPTIONS = ("--find-links", "--no-binary", "--only-binary", "--pre", "--no-index", PREFER_BINARY, TRUSTED_HOST)
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?", re.ASCII
)
# A version as conda and R's users write it.
_ONE_SIGN = re.compile(r"([A-Za-z0-9][\w.-]*)\s*=\s*([0-9][\w.*]*)", re.ASCII)
_LOCAL = re.compile(
    r"(?:git\+)?file:.*"
    r"|(?!.*://)(?:\.{1,2}(?:[/\\].*)?|[/~\\].*|[A-Za-z]:[/\\].*|.*\.(?:whl|tar\.gz|zip)|[^@\s]+/[^@\s]*)"
)


def requirement(field: str, line: object) -> str:
    """A line that may stand in `python.pip`: a requirement with its hashes, or one of a few options.

    Returns:
        The line, without what means nothing.

    Raises:
        EspalierError: `environment_invalid`.
    """
    if not isinstance(line, str) or not line.isprintable() or len(line) > 8192:
        raise invalid(field, f"is {shown(line)}, which isn't one line.", "It is a list of single lines.")
    text = line.strip()
    if text.startswith("-"):
        return _option(field, text)
    return _wanted(field, text)


def locked_requirement(field: str, line: str) -> str:
    """A line of a lock: a requirement with any number of hashes, and no option. Raises EspalierError:
    `environment_invalid`."""
    if not line.isprintable() or len(line) > _LONGEST_LOCKED or line.startswith("-"):
        message = f"is {shown(line)}, which isn't a line of a lock."
        raise invalid(field, message, "A lock has lines such as numpy==1.26.4.")
    return _wanted(field, line)


def _wanted(field: str, text: str) -> str:
    hashes = _HASH.findall(text)
    wanted = _HASH.sub("", text).strip()
    if len(wanted) > 1000:
        raise invalid(field, "holds a line that is too long.")
    if wanted.partition("://")[0] in ("http", "https", "git+https"):
        location(field, wanted)
    elif not _NAMED.fullmatch(wanted):
        at = _AT.fullmatch(wanted)
        _refuse_local(field, at.group(2) if at and not wanted.startswith("git@") else wanted)
        if not at:
            one_sign = _ONE_SIGN.fullmatch(wanted)
            is_no_requirement = f"is {shown(text)}, which isn't a requirement."
            raise invalid(
                field, "has a URL that holds credentials." if "@" in wanted else is_no_requirement,
                f"Did you mean {one_sign[1]}=={one_sign[2]}?" if one_sign else
                "Write numpy, `numpy==1.26.4`, `numpy>=1.26; python_version < \"3.12\"` or `name @ https://...`.",
            )  # fmt: skip
        location(field, at.group(2))
    return " ".join([wanted, *(f"--hash={one}" for one in hashes)])


def _refuse_local(field: str, where: str) -> None:
    """What lies on this machine, or is reached with a key of this user, is not there where environments are built."""
    if re.match(r"(?:git\+)?ssh://|(?:git\+)?[A-Za-z0-9_.-]+@[^@/\s]+:", where):
        raise invalid(
            field, "asks for a repository by SSH, and the key for it isn't where environments are built.",
            "Write `name @ git+https://host/user/repo.git@tag`, or put a wheel of it on an index.",
        )  # fmt: skip
    if _LOCAL.fullmatch(where):
        raise invalid(
            field, f"asks for files of this machine, {shown(where)}, which aren't where environments are built.",
            "Put the wheel on an index, or into a folder that a web server shows, and name that by --find-links. "
            "If it is the job's own project, leave the line out: its code is in the job's working copy.",
        )  # fmt: skip


def package_name(line: str) -> str:
    """The name that a requirement asks for, as indexes spell it; empty for an option or a bare URL."""
    found = _AT.fullmatch(_HASH.sub("", line).strip()) or _NAMED.fullmatch(_HASH.sub("", line).strip())
    return normalised(found.group(1)) if found else ""


def normalised(name: str) -> str:
    """A project's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def conflicting(lines: List[str]) -> str:
    """The first project that two different lines without marker ask for, or nothing."""
    seen: Dict[str, str] = {}
    for line in lines:
        name = package_name(line)
        if name and ";" not in line and seen.setdefault(name, line) != line:
            return name
    return ""


def _option(field: str, text: str) -> str:
    name, _, value = re.sub(r"^(--[a-z-]+)=", r"\1 ", text).partition(" ")
    value = value.strip()
    if name == "--find-links":
        if "://" not in value:
            raise invalid(
                field, f"names a folder of this machine, {shown(value)}, which is not where environments are built.",
                "Give a URL: https://, or file:/// for one that every machine has.",
            )  # fmt: skip
        return f"--find-links {url(field, value)}"
    if name in ("--no-binary", "--only-binary") and _NAMES.fullmatch(value):
        return f"{name} {value}"
    if text in ("--pre", "--no-index", PREFER_BINARY):
        return text
    if name == TRUSTED_HOST and _HOST.fullmatch(value):
        return f"{name} {value}"
    if name == CONSTRAINT and not value.startswith("-"):
        return f"{name} {_wanted(field, value)}"
    if name in ("-e", "--editable"):
        raise invalid(
            field, f"asks for an editable installation of {shown(value)}. Environments hold fixed packages.",
            "Leave the line out: the project's code is in the job's working copy. If it lies in a folder of it, add "
            'environment_variables = list(PYTHONPATH = "src") to the job.',
        )  # fmt: skip
    raise invalid(
        field, f"holds an option that isn't supported: {shown(name)}.",
        f"Supported options are {', '.join(_OPTIONS)}. Give an index as python.index_url. Lines that begin with "
        "-r or -c are read by environment_from_pip_requirements(). Leave others out.",
    )  # fmt: skip


def location(field: str, text: str) -> str:
    """The address of a package: a URL, also `git+https://...`, with the part of it that is meant after a `#`. Raises
    EspalierError: `environment_invalid`."""
    where, _, fragment = text.partition("#")
    if not _FRAGMENT.fullmatch(fragment):
        raise invalid(field, f"holds a URL that ends in {shown(fragment)}.", KEEP_SECRETS)
    url(field, where[4:] if where.startswith("git+") else where)
    return text
