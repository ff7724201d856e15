"""The names in a run's `requests/`. Pure: no function here touches the disk."""

import re

_RECORD = ".json"
_REQUEST = r"(?:r|py)-[0-9]{1,10}-[0-9a-f]{8}-[0-9]{1,9}\.json"
_WAITING = r"waiting-(?:r|py)-[0-9]{1,10}-[0-9a-f]{8}\.json"


def request(writer: str, seq: int) -> str:
    """Name inside `requests/` of what a process of the job asks for."""
    return f"{writer}-{seq}{_RECORD}"


def is_request(name: str) -> bool:
    """Whether a file of `requests/` has the name of a job's request."""
    return re.fullmatch(_REQUEST, name) is not None


def answer(name: str) -> str:
    """Name inside `requests/` of a request's answer."""
    return name[: -len(_RECORD)] + ".answer" + _RECORD


def taken(name: str) -> str:
    """Name inside `requests/` of the sign that a process handles a request."""
    return name[: -len(_RECORD)] + ".taken"


def waiting(writer: str) -> str:
    """Name inside `requests/` of the mark of a process that waits for other runs."""
    return f"waiting-{writer}{_RECORD}"


def is_waiting(name: str) -> bool:
    """Whether a file of `requests/` has the name of that mark."""
    return re.fullmatch(_WAITING, name) is not None
