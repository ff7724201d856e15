"""What all workspaces of a user share on one host: its resources, and the keeper of its queue."""

from typing import Any, Dict, List, Mapping, Optional

from espalier.adapters import posix
from espalier.base.arguments import classed
from espalier.base.operation import operation
from espalier.base.resources import bytes_of, checked_count
from espalier.base.types import Frame, Text
from espalier.keeper import timer
from espalier.queue.capacity import capacity, free_now, set_capacity
from espalier.queue.home import queue_paths
from espalier.queue.step import step


@classed
class Host:
    """This host, for all workspaces of its user: resources of runs, and the keeper of the queue."""

    NOUN = "host"

    def _identity(self) -> Dict[str, str]:
        return {}

    @classmethod
    def _from_identity(cls, identity: Mapping[str, str]) -> "Host":
        return cls()

    @classmethod
    @operation("PUT /host/resources")
    def resources(
        cls,
        cpus: Optional[int] = None,
        gpus: Optional[List[Text]] = None,
        memory: Optional[Text] = None,
    ) -> Frame:
        """Show or set the resources for runs: what this host gives to runs of this user, in all workspaces together,
        and what of it is free.

        Args:
            cpus: Set how many processors. A run takes one unless it asks for more, so it is also how many such runs are
                executed at once; more wait in the queue. At first all that this user may use.
            gpus: Set which graphics processors, by the ids that CUDA_VISIBLE_DEVICES takes. At first those that
                NVIDIA's driver lists.
            memory: Set how much memory, `16 GB` or a number of bytes. At first all there is.

        Returns:
            `resource` (cpus, gpus, memory in bytes), `total`, `free`, and the `ids` of what has some.

        Raises:
            EspalierError: `bad_argument`.
        """
        given = None if cpus is None else checked_count(cpus, "cpus", least=1)
        size = None if memory is None else bytes_of(memory)
        if not (given is None and gpus is None and size is None):
            set_capacity(queue_paths(), given, None if gpus is None else list(map(str, gpus)), size)
            step()
        total, free = capacity(queue_paths()), free_now(queue_paths())
        columns: Dict[str, List[Any]] = {
            "resource": ["cpus", "gpus", "memory"],
            "total": [float(total.cpus), float(len(total.gpus)), float(total.memory)],
            "free": [float(max(free.cpus, 0)), float(len(free.gpus)), float(max(free.memory, 0))],
            "ids": [None, " ".join(total.gpus), None],
        }
        return Frame(columns, {"resource": "string", "total": "double", "free": "double", "ids": "string"})

    @classmethod
    @operation("GET /host/keeper")
    def keeper_status(cls) -> Any:
        """Show the keeper of this host's queue: whether it lives (`running`: it does while anything is queued), and
        what calls it after a reboot (`how`: `systemd`, `cron` or None; `command`)."""
        found = timer.installed()
        return {
            "running": posix.is_locked(queue_paths().keeper),
            "how": found.how if found else None,
            "command": found.command if found else None,
        }

    @classmethod
    @operation("PUT /host/keeper")
    def keeper_install(cls) -> Any:
        """Install the keeper: systemd or cron moves the queue on after a reboot, though no process reads runs.

        Returns:
            As `keeper_status`.

        Raises:
            EspalierError: `not_supported` where neither can.
        """
        posix.refuse_where_no_jobs_run()
        timer.install()
        return cls.keeper_status()

    @classmethod
    @operation("DELETE /host/keeper")
    def keeper_uninstall(cls) -> bool:
        """Uninstall the keeper: take back what `keeper_install` did.

        Returns:
            Whether there was something.
        """
        return timer.remove()
