"""How everything in a definition may be spelled: one pattern each, and why.

What is checked here ends up in Dockerfiles, shell lines, requirements files, URLs and command lines. So a value never
begins with `-` (it would be an option), never holds a line break (it would begin an instruction), and nothing that is
put into a shell line holds a quote, `$`, `;` or the like. What isn't text of ours, the user's own Dockerfile lines, is
taken as written.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Iterable, Optional, Pattern
from urllib.parse import parse_qsl, urlsplit

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.base.names import check_label, check_name

KEEP_SECRETS = (
    "Put it into the keyvault, and give its name instead, keyvault_secret(\"<name>\"):\n"
    "  keyvault <- get_default_keyvault(workspace)\n"
    "  set_secrets(keyvault, list(<name> = \"...\"))"
)
# They belong to others, or to what comes with espalier.
_RESERVED = ("azureml", "microsoft", "espalier")
_SECRET_QUERY = re.compile(
    r"(?:.*[_-])?(?:token|password|passwd|secret|sig|signature|key|apikey|credential)s?", re.IGNORECASE
)


def invalid(field: str, message: str, hint: str = "") -> EspalierError:
    """The error about one field of a definition.

    Args:
        field: Its name, with dots, `docker.base_image`.
        message: What is wrong, the end of a sentence that begins with the field.
    """
    return EspalierError("environment_invalid", f"{field} {message}", hint, field=field)


@dataclass(frozen=True)
class Spelling:
    """One kind of text.

    Args:
        what: What it is, with its article.
        pattern: What all of it has to match.
        rule: The pattern in words, a sentence.
    """

    what: str
    pattern: Pattern[str]
    rule: str

    def check(self, field: str, value: object) -> str:
        """The value, once it is known to be spelled so. Raises EspalierError: `environment_invalid`."""
        if isinstance(value, str) and len(value) <= 4096 and self.pattern.fullmatch(value):
            return value
        raise invalid(field, f"is {shown(value)}, which isn't {self.what}.", self.rule)


def _spelling(what: str, pattern: str, rule: str) -> Spelling:
    return Spelling(what, re.compile(pattern, re.ASCII), rule)


# Arguments of R functions and names of folders.
R_PACKAGE = _spelling(
    "the name of an R package", r"[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9]",
    "It has at least two characters, letters, digits and `.`, begins with a letter and doesn't end with `.`.",
)  # fmt: skip
R_PACKAGE_VERSION = _spelling(
    "the version of an R package", r"[0-9]+(?:[.-][0-9]+)+", "It is written as 1.2 or 1.2-3."
)
# (a lock has what the packages call themselves)
LOCKED_VERSION = _spelling(
    "the version of an R package", r"[0-9]{1,20}(?:[.-][0-9]{1,20})*", "It is written as 1, 1.2 or 1.2-3."
)
# Tags of images; and 4.10 is another than 4.1, which is why numbers are refused.
R_VERSION = _spelling("a version of R", r"[0-9]+\.[0-9]+(?:\.[0-9]+)?", "It is written as 4.3 or 4.3.1.")
PYTHON_VERSION = _spelling("a version of Python", r"3\.[0-9]+(?:\.[0-9]+)?", "It is written as 3.11 or 3.11.9.")
ENVIRONMENT_VERSION = _spelling(
    "a version of an environment", r"[1-9][0-9]{0,8}", "register_environment() gives versions: 1, 2, 3, ..."
)
# Parts of URLs.
GITHUB_REPOSITORY = _spelling(
    "a repository on GitHub", r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}",
    "It is written as user/repo.",
)  # fmt: skip
SUBFOLDER = _spelling(
    "a folder inside a repository",
    r"(?:(?!\.{1,2}/)[A-Za-z0-9._][A-Za-z0-9._-]*/)*(?!\.{1,2}$)[A-Za-z0-9._][A-Za-z0-9._-]*",
    "It is a relative path of letters, digits, `.`, `_` and `-`, without `..`.",
)  # fmt: skip
GIT_REF = _spelling(
    "a branch, tag, commit or pull request", r"(?!.*\.\.)(?!.*//)[A-Za-z0-9_][A-Za-z0-9._/+-]*(?<![/.])",
    "It has letters, digits and `.`, `_`, `-`, `/`, `+`.",
)  # fmt: skip
# An argument of `apt-get install` in a shell line.
APT_PACKAGE = _spelling(
    "the name of a Debian package", r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?(?:=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?",
    "It is written as libxml2-dev, or libxml2-dev=2.9.14 for one version.",
)  # fmt: skip
# The first line of a Dockerfile.
_REGISTRY = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
IMAGE = _spelling(
    "the name of an image",
    rf"(?:{_REGISTRY}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?",
    "It is written as rocker/r-ver:4.3.1, registry.example.org/team/image:tag, or name@sha256:...",
)
IMAGE_ID = _spelling("the id of an image", r"sha256:[0-9a-f]{64}", "It is sha256: and 64 hex digits.")
REGISTRY = _spelling("the address of a registry", _REGISTRY, "It is written as registry.example.org:5000.")
PLATFORM = _spelling("a platform", r"linux/[a-z0-9]+(?:/v[0-9]+)?", "It is written as linux/amd64.")
SHM_SIZE = _spelling(
    "a size", r"[0-9]+(?:\.[0-9]+)? ?(?:[kKmMgG](?:i?[bB])?|[bB])?", "It is written as 512m or 2g."
)
USERNAME = _spelling(
    "a user name", r"[A-Za-z0-9_.@+|=$][A-Za-z0-9_.@+|=$-]{0,255}",
    "It has letters, digits and `_`, `.`, `@`, `+`, `|`, `=`, `$`, `-`.",
)  # fmt: skip
SECRET = _spelling(
    "the name of a secret", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}",
    "It has letters, digits and `_`, `.`, `-`, and begins with a letter or digit.",
)  # fmt: skip
# Executed without a shell, but also shown, and put into scripts.
PROGRAM = _spelling(
    "the path of a program", r"[A-Za-z0-9_./~][^\x00-\x1f\x7f-\x9f\u2028\u2029\"'`$;&|<>\\*?!(){}]*",
    "It has no quotes and no signs that a shell reads.",
)  # fmt: skip
VARIABLE = _spelling(
    "the name of a variable", r"[A-Za-z_][A-Za-z0-9_]*", "It has letters, digits and `_`, and begins with no digit."
)
CHANNEL = _spelling(
    "a conda channel", r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9._-]+)*", "It is written as conda-forge, or as a URL."
)
CONDA_PACKAGE = _spelling(
    "a conda package",
    r"(?:[A-Za-z0-9][A-Za-z0-9._/-]*::)?[A-Za-z0-9_][A-Za-z0-9_.-]*(?: *[=<>!~ ][A-Za-z0-9_.,*|<>=!~+ -]*)?",
    "It is written as numpy, numpy=1.26 or `python>=3.10,<3.12`.",
)  # fmt: skip
DOCKERFILE_NAME = _spelling(
    "a file inside a folder",
    r"(?:(?!\.{1,2}/)[A-Za-z0-9._][A-Za-z0-9._ -]*/)*(?!\.{1,2}$)[A-Za-z0-9._][A-Za-z0-9._ -]*",
    "It is a relative path without `..`.",
)  # fmt: skip
REPOSITORY_NAME = _spelling(
    "the name of a repository", r"[A-Za-z][A-Za-z0-9_.-]{0,63}", "It is written as CRAN, or any short name."
)
# In a file of options of R, in requirements files, on command lines of uv.
_URL = re.compile(r"(?:https?://[A-Za-z0-9]|file:///)[A-Za-z0-9._~/%+=:@,?&-]*", re.ASCII)
_PEM_EDGE = re.compile(r"-----(BEGIN|END) (?:TRUSTED )?CERTIFICATE-----")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+")


def environment_name(name: object, taken: Iterable[str] = ()) -> str:
    """A name that an environment may have. Raises EspalierError: `bad_name`."""
    good = check_name("environment", name)
    reserved = next((word for word in _RESERVED if good.lower().startswith(word)), None)
    if reserved or good in taken:
        why = f"names that begin with {reserved!r} are reserved" if reserved else "espalier brings one of that name"
        raise EspalierError("bad_name", f"Can't name an environment {good!r}: {why}.", "Give another name.")
    return good


def snapshot_date(field: str, value: object) -> str:
    """A day, `2024-05-01`. Raises EspalierError `environment_invalid`."""
    try:
        if isinstance(value, date):  # (as YAML and R may give it)
            return value.isoformat()[:10]
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
            raise ValueError
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise invalid(field, f"is {shown(value)}, which isn't a date.", "A date is written as 2024-05-01.") from None


def url(field: str, value: object, user: bool = False) -> str:
    """A URL without credentials.

    Args:
        value: Anything; never shown where it might hold a password.
        user: Whether it may name a user, `https://user@host/`.

    Raises:
        EspalierError: `environment_invalid`.
    """
    if not isinstance(value, str):
        raise invalid(field, f"must be a URL, not {shown(value)}.")
    try:
        parts = urlsplit(value)
        names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        raise invalid(field, "holds a URL that can't be read.") from None
    before, at, _ = parts.netloc.rpartition("@")
    if at and not (user and USERNAME.pattern.fullmatch(before)):
        raise invalid(field, "holds a URL with credentials in it.", KEEP_SECRETS)
    named = next((name for name in names if _SECRET_QUERY.fullmatch(name)), None)
    if named:
        raise invalid(field, f"holds a URL with what looks like a secret in it, {shown(named)}.", KEEP_SECRETS)
    if _URL.fullmatch(value) and len(value) <= 2000:
        return value
    raise invalid(
        field, f"is {shown(value)}, which isn't a URL that can be used.",
        "A URL begins with https://, http:// or file:///, and has no spaces, quotes or signs that a shell reads.",
    )  # fmt: skip


def plain_text(field: str, value: object) -> str:
    """Text of one line. Raises EspalierError `environment_invalid`."""
    if not isinstance(value, str):
        raise invalid(field, f"must be text, not {shown(value)}.")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in value):
        message = f"is {shown(value)}, which isn't one plain line."
        raise invalid(field, message, "It has no line breaks or other control characters.")
    return value


def label(field: str, value: object) -> str:
    """The name of a tag. Raises EspalierError `environment_invalid`."""
    try:
        return plain_text(field, check_label("tag", value))
    except EspalierError as error:
        raise invalid(field, f"has the name {shown(value)}, which isn't allowed.", error.hint) from None


def long_text(field: str, value: object) -> str:
    """Text of any number of lines, as the user wrote it. Raises EspalierError `environment_invalid`."""
    if not isinstance(value, str):
        raise invalid(field, f"must be text, not {shown(value)}.")
    if "\0" in value or any(unicodedata.category(char) == "Cs" for char in value):
        raise invalid(field, "holds a NUL character, or text that is not Unicode.")
    return value.replace("\r\n", "\n")


def certificate(field: str, value: object) -> str:
    """One or more certificates in PEM format. Raises EspalierError `environment_invalid`."""
    text = long_text(field, value)
    if "PRIVATE KEY" in text:
        raise invalid(field, "holds a private key.", "Give the certificate alone.")
    edge, whole = "END", 0
    for line in text.splitlines():
        found = _PEM_EDGE.fullmatch(line.strip())
        if found and found.group(1) != edge:
            edge = found.group(1)
            whole += edge == "END"
        elif found or line.startswith("-----") or (edge == "BEGIN" and not _BASE64.fullmatch(line.strip())):
            whole = 0
            break
    if edge == "END" and whole and text.isascii():
        return text.rstrip() + "\n"
    hint = "It begins with -----BEGIN CERTIFICATE-----. Give the file's text."
    raise invalid(field, "holds no certificate in PEM format.", hint)


def pip_configuration(field: str, value: object) -> str:
    """Text of a pip.conf, without credentials. Raises EspalierError `environment_invalid`."""
    text = long_text(field, value)
    if re.search(r"://[^/\s]*@", text):
        raise invalid(field, "holds a URL with credentials in it.", KEEP_SECRETS)
    return text


def first_conflict(items: Iterable[str]) -> Optional[str]:
    """The first text that is there twice, or None."""
    seen = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return None
