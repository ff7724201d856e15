"""What is known of a run whose end is written: read once, under the lock of who writes it, and passed to each act."""

from typing import Optional, Union

from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths


class Known:
    """A run's folder, its status, and its definition, which is read when it is asked for.

    Args:
        run: The run.
        status: As it was read or last written.
        spec: Its definition, where it has been read.
    """

    __slots__ = ("_spec", "run", "status")

    def __init__(self, run: RunPaths, status: Status, spec: Optional[JobSpec] = None) -> None:
        self.run, self.status = run, status
        self._spec: Union[JobSpec, bool, None] = spec or False  # (False: not read)

    @property
    def spec(self) -> Optional[JobSpec]:
        """The definition; None where it can't be read, on which no end depends."""
        if isinstance(self._spec, bool):
            try:
                self._spec = read_as(JobSpec, self.run.spec)
            except Exception:
                self._spec = None
        return self._spec

    def with_status(self, status: Status) -> "Known":
        """The same run after its status was changed."""
        known = Known(self.run, status)
        known._spec = self._spec
        return known
