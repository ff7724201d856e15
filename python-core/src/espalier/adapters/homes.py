"""Where espalier keeps what belongs to a user and not to a workspace. Standard library only: the runner loads it."""

import os


def state_folder() -> str:
    """The folder of espalier's own state for this user, whatever the host."""
    chosen = os.environ.get("ESPALIER_STATE_DIR")
    if chosen:
        return os.path.abspath(chosen)
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "espalier")
