"""The naming rule (protocol.md, "Names"), in one place; and names that look like those of secrets."""

import os
import re
import unicodedata
from typing import Iterable, List

from espalier.base.errors import EspalierError

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
# What isn't a name in R.
_R_WORDS = frozenset(
    (
        *("if", "else", "repeat", "while", "function", "for", "next", "break", "in"),
        *("TRUE", "FALSE", "NULL", "Inf", "NaN", "NA"),
    )
)
# Characters of a label, at most.
LABEL_LENGTH = 255
_SECRET = re.compile(r"key|token|secret|passw|passphrase|pwd|cred|auth|(?:^|_)(?:pat|pass)(?:_|$)", re.IGNORECASE)


def check_name(what: str, name: object) -> str:
    """A name of a workspace or experiment: 1 to 128 of A-Z a-z 0-9 _ - . beginning with a letter or digit.

    Args:
        what: `workspace`, `experiment`, ... for the message.

    Raises:
        EspalierError: `bad_name`.
    """
    if is_name(name):
        return str(name)
    raise EspalierError(
        "bad_name",
        f"Can't name {'an' if what[0] in 'aeiou' else 'a'} {what} {_shown(name)}.",
        "A name has 1 to 128 of the letters A-Z and a-z, digits, `_`, `-` and `.`, and begins with a letter or digit.",
    )


def is_name(name: object) -> bool:
    """Whether something follows this rule, and is safe as the name of a file."""
    return isinstance(name, str) and re.fullmatch(_NAME, name) is not None


def check_label(what: str, name: object) -> str:
    """A name of a metric, parameter or tag: 1 to 255 characters, no control characters. Raises EspalierError:
    `bad_name`."""
    if is_label(name):
        return str(name)
    raise EspalierError(
        "bad_name",
        f"Can't name a {what} {_shown(name)}.",
        "A name has 1 to 255 characters, without control characters such as newline and tab.",
    )


def is_label(name: object) -> bool:
    """Whether something can be the name of a metric, parameter or tag."""
    good = isinstance(name, str) and 1 <= len(name) <= LABEL_LENGTH
    return good and not any(unicodedata.category(char) in ("Cc", "Cs") for char in str(name))


def argument_name(path: str) -> str:
    """A name made of a file's, for hints: R reads it as it stands there."""
    name = re.sub(r"\W+", "_", os.path.splitext(os.path.basename(path))[0], flags=re.ASCII).strip("_") or "data"
    return f"data_{name}" if name in _R_WORDS or name[0].isdecimal() else name


def is_within(path: str, folder: str) -> bool:
    """Whether a path is that of a folder, or of something in it."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def _shown(name: object) -> str:
    text = ascii(name) if isinstance(name, str) else f"a {type(name).__name__}"
    return text if len(text) <= 60 else f"{text[:50]}... ({len(str(name))} characters)"


def looks_secret(name: str) -> bool:
    """Whether a variable's name is like that of a secret; TOKENIZERS_PARALLELISM is, too."""
    return _SECRET.search(name) is not None


def notes_on(variables: Iterable[str]) -> List[str]:
    """What to tell a user of an environment's variables, a text for each name that looks secret."""
    return [
        f"The environment variable {name} looks like a secret. An environment is stored in plain text, with "
        "the workspace and with each run: if it is one, put it into the keyvault, by set_secrets(), and name it as "
        "`secrets` of the job."
        for name in sorted(variables) if looks_secret(name)
    ]  # fmt: skip
