"""Variables whose names look like those of secrets: what they hold is in plain where environments are kept."""

import re
from typing import Iterable, List

_SECRET = re.compile(r"key|token|secret|passw|passphrase|pwd|cred|auth|(?:^|_)(?:pat|pass)(?:_|$)", re.IGNORECASE)


def looks_secret(name: str) -> bool:
    """Whether a variable's name is like that of a secret; TOKENIZERS_PARALLELISM is, too."""
    return _SECRET.search(name) is not None


def notes_on(variables: Iterable[str]) -> List[str]:
    """What to tell a user of an environment's variables, a text for each name that looks secret."""
    return [
        f"The environment variable {name} looks like a secret. What an environment holds is kept in plain text, with "
        "the workspace and with each run: if it is one, put it into the keyvault, by set_secrets(), and name it as "
        "`secrets` of the job."
        for name in sorted(variables) if looks_secret(name)
    ]  # fmt: skip
