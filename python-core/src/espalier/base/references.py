"""References to inputs of jobs that are no paths; those to outputs of runs are made by `Run.output`."""

from typing import Dict

from espalier.base.arguments import classed_function


@classed_function
def input_url(url: str, sha256: str) -> Dict[str, str]:
    """A file on the web as an input of a job: `inputs={"data": input_url("https://...", sha256="...")}`.

    It is fetched when the job starts, once for all jobs of this user, and given to it only if it has that digest.

    Args:
        url: Its address, https or http, without credentials.
        sha256: The SHA-256 of its content, 64 hexadecimal digits.
    """
    return {"url": url, "sha256": sha256}
