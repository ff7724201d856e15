"""Every on-disk name, and nothing else. Pure: no function here touches the disk."""

import os
import re

FORMAT = 1

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}_[0-9]{1,12}_[0-9a-f]{8}")


def is_run_id(text: str) -> bool:
    """Whether text has the form of a run id (and so is safe as a folder name)."""
    return _RUN_ID.fullmatch(text) is not None


class WorkspacePaths:
    """The names inside one workspace folder."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.record = os.path.join(root, "workspace.json")
        self.experiments = os.path.join(root, "experiments")
        self.runs = os.path.join(root, "runs")
        self.blobs = os.path.join(root, "snapshots", "blobs")
        self.trees = os.path.join(root, "snapshots", "trees")

    def experiment(self, name: str) -> str:
        return os.path.join(self.experiments, name + ".json")

    def shard(self, run_id: str) -> str:
        return os.path.join(self.runs, run_id[-8:-6])

    def run(self, run_id: str) -> "RunPaths":
        return RunPaths(os.path.join(self.shard(run_id), run_id))

    def blob(self, hex_digest: str) -> str:
        return os.path.join(self.blobs, hex_digest[:2], hex_digest)

    def tree(self, hex_digest: str) -> str:
        return os.path.join(self.trees, hex_digest[:2], hex_digest + ".json")


class RunPaths:
    """The names inside one run folder."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.spec = os.path.join(root, "spec.json")
        self.status = os.path.join(root, "status.json")
        self.meta = os.path.join(root, "meta.json")
        self.env = os.path.join(root, "env.json")
        self.events = os.path.join(root, "events")
        self.payloads = os.path.join(root, "payloads")
        self.log = os.path.join(root, "user_logs", "std_log.txt")
        self.runner_log = os.path.join(root, "system_logs", "runner.log")
        self.outputs = os.path.join(root, "outputs")
        self.logs = os.path.join(root, "logs")
        self.cancel = os.path.join(root, "requests", "cancel.json")
        self.work = os.path.join(root, "work")
        self.job = os.path.join(root, ".job")

    @property
    def shard(self) -> str:
        """Where temporary files go, so that a rename changes the shard's mtime."""
        return os.path.dirname(self.root)


# The folders of a run whose files are its artifacts.
ARTIFACT_FOLDERS = ("outputs", "logs", "user_logs", "system_logs")


class QueuePaths:
    """The names of the queue of one host and user."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.lock = os.path.join(root, "lock")
        self.tickets = os.path.join(root, "tickets")
        self.leases = os.path.join(root, "leases")
        self.config = os.path.join(root, "config.json")

    def lease(self, run_id: str) -> str:
        return os.path.join(self.leases, run_id + ".json")
