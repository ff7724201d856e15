"""What secrets may be called, and what they may be."""

from typing import Any, Dict, Mapping, Sequence

from espalier.errors import EspalierError
from espalier.names import check_name

# Shorter ones could not be hidden in logs: half of a log would be asterisks.
LEAST_CHARACTERS = 4
MOST_BYTES = 65_536


def checked_name(name: object) -> str:
    """The name of a secret. Raises EspalierError `bad_name`."""
    return check_name("secret", name)


def checked_names(names: Sequence[str]) -> "list[str]":
    """Several of them, each once. Raises EspalierError `bad_name`, `bad_argument`."""
    if isinstance(names, str) or not isinstance(names, (list, tuple)):
        raise EspalierError("bad_argument", "The names of secrets must be a list of strings.")
    return list(dict.fromkeys(checked_name(name) for name in names))


def checked_secrets(secrets: Mapping[str, Any]) -> Dict[str, str]:
    """Secrets by name, each with a value that can be kept and hidden.

    Raises:
        EspalierError: `bad_name`, `bad_argument`; no message holds a value.
    """
    return {checked_name(name): _checked_value(name, value) for name, value in secrets.items()}


def _checked_value(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise EspalierError("bad_argument", f"The secret {name} must be text, not a {type(value).__name__}.")
    if "\0" in value:
        raise _bad(name, "holds a NUL character")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise _bad(name, "is no valid UTF-8") from None
    if len(value.strip()) < LEAST_CHARACTERS:
        message = f"The secret {name} has less than {LEAST_CHARACTERS} characters."
        raise EspalierError("bad_argument", message, "One so short could not be hidden in logs; take a longer one.")
    if size > MOST_BYTES:
        raise _bad(name, f"has {size:,} bytes; at most {MOST_BYTES:,} are kept")
    return value


def _bad(name: str, what: str) -> EspalierError:
    return EspalierError("bad_argument", f"The secret {name} {what}.")
