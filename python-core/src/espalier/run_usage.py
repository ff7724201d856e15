"""What a run used of its machine. Standard library, Python 3.8 or later."""

from espalier.paths import RunPaths
from espalier.tracking.usage import read_usage
from espalier.types import Frame


class RunUsage:
    """The method of `Run` that tells what its job used."""

    def get_usage(self) -> Frame:
        """What the job used while it ran, a row a sample: each second at first, less often the older it is.

        The columns are `time`, `seconds` since the start, `cores` (processors in use since the sample before),
        `cpu_seconds` so far, `memory_bytes` and `processes` at that moment, `read_bytes` and `written_bytes` (from and
        to disks) so far, and `gpu_memory_bytes` where there is a GPU. What it used in all is in `get_details()`.

        Raises:
            EspalierError: `damaged` with file and line number, `newer_format`, `run_missing`.
        """
        return read_usage(self._existing())

    def _existing(self) -> RunPaths:
        """The run's files, or `run_missing`."""
        raise NotImplementedError
