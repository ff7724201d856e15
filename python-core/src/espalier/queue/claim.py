"""What a process holds that executes a run."""

from espalier.base.model.record import Record


class Claim(Record):
    """A run that this process has claimed: its folder, and its open, locked lease."""

    run_dir: str
    lease: int


# What a runner that has been started before its run is told in place of that run's folder; what follows is the name of
# the run's executor.
AHEAD = "ahead:"
