"""Every on-disk name, and nothing else. Pure: no function here touches the disk."""

import os
import re

FORMAT = 1
# That of a definition which has what earlier versions would execute wrongly (typed words, and what came with them).
SPEC_FORMAT = 2

# A workspace's folder.
WORKSPACE = "workspace.json"
EXPERIMENTS = "experiments"
RUNS = "runs"
SNAPSHOTS = "snapshots"
KEYVAULT = "keyvault.json"
KEYVAULT_LOCK = "keyvault.lock"
ENVIRONMENTS = "environments"
IMAGE_RECORDS = "images"
LOCKS = "locks"
DATASTORES = "datastores"
# A folder of state.
QUEUE = "queue"
KEYS = "keys"
TICKETS = "tickets"
LEASES = "leases"
KEEPER_LOG = "keeper.log"
# A project's own folder for workspaces, and the small file by which sessions find one.
PROJECT_FOLDER = ".espalier"
CONFIG = "config.json"

# A run's folder.
SPEC = "spec.json"
STATUS = "status.json"
META = "meta.json"
ENV = "env.json"
EVENTS = "events"
PARTS = "parts"
PAYLOADS = "payloads"
OUTPUTS = "outputs"
LOGS = "logs"
USER_LOGS = "user_logs"
SYSTEM_LOGS = "system_logs"
# How the run came about, recorded beside its definition; not among its artifacts.
PROVENANCE = "provenance"
# What the job's processes ran with.
SESSIONS = "sessions"
# What is asked of the process that executes a run, and the runs that have this one as their parent.
REQUESTS = "requests"
CHILDREN = "children"
CANCEL = os.path.join(REQUESTS, "cancel.json")
# What attempts left that were not the last.
ATTEMPTS = "attempts"
# What the job wrote anywhere else in its working copy, by the path from the top of that.
WORKDIR = "workdir"
# The job's own folders that are kept, those in which only the runner stores files, and all whose files are a run's
# artifacts.
KEPT_FOLDERS = (OUTPUTS, LOGS)
RUNNER_FOLDERS = (USER_LOGS, SYSTEM_LOGS, WORKDIR)
ARTIFACT_FOLDERS = KEPT_FOLDERS + RUNNER_FOLDERS
LOG_FOLDERS = (LOGS, USER_LOGS, SYSTEM_LOGS)
# Where uploaded files lie whose names begin with none of those; the folder isn't a part of their names.
UPLOADS = "uploads"
# What a job in a container logs into children that it records by hand, by their ids.
RECORDED = "recorded"
# The job's part of a run's folder: what its processes write. All else is the record, which the owner's processes write.
JOB_PART = (EVENTS, PARTS, PAYLOADS, SESSIONS, OUTPUTS, LOGS, UPLOADS, REQUESTS, RECORDED)
# The logs among them, and the bodies that these refer to.
EVENT_FOLDERS = (EVENTS, PARTS, PAYLOADS)
IMAGES = OUTPUTS + "/images"
# Below `.job/`: how the job finds espalier in R and in Python.
JOB_R = "R"
JOB_PYTHON = "python"
# What the runner's prelude in R begins its writer's name with.
PRELUDE_WRITER = "rprelude-"

_USER_LOG = os.path.join(USER_LOGS, "std_log.txt")
_RUNNER_LOG = os.path.join(SYSTEM_LOGS, "runner.log")
_BUILD_LOG = os.path.join(SYSTEM_LOGS, "environment.log")
_JOB = ".job"
# Below it: what attempts before this one left in the kept folders, where that was copied to the job and not moved.
EARLIER = "earlier"
_INPUTS = os.path.join(_JOB, "inputs")
_PROCESSES = os.path.join(_JOB, "processes.json")
_USAGE = "usage"
USAGE = os.path.join(_USAGE, "samples.jsonl")
# All folders of a run into which espalier writes, and the files there that grow.
RUN_FOLDERS = (
    OUTPUTS, LOGS, USER_LOGS, SYSTEM_LOGS, WORKDIR, UPLOADS, EVENTS, PARTS, PAYLOADS, PROVENANCE, REQUESTS, CHILDREN,
    ATTEMPTS, _USAGE, _JOB,
)  # fmt: skip
GROWING_FILES = (_USER_LOG, _RUNNER_LOG, _BUILD_LOG, USAGE)
_EVENT_LOG = ".jsonl"
RECORD = ".json"
_TEMPORARY = ".tmp-"
_PART = ".part"
PACK = ".pack"
PACK_INDEX = ".idx"
# (texts: to compile one takes a tenth of a millisecond, and a runner needs few of them)
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}_[0-9]{1,12}_[0-9a-f]{8}")
_HEX = r"[0-9a-f]{64}"
_SET_ASIDE = ".replaced-"


def is_run_id(text: str) -> bool:
    """Whether text has the form of a run id (and so is safe as a folder name)."""
    return _RUN_ID.fullmatch(text) is not None


def is_event_log(name: str) -> bool:
    """Whether a file of `events/` or `parts/` is one writer's log."""
    return name.endswith(_EVENT_LOG)


def is_record(name: str) -> bool:
    """Whether a file is a whole record, and not one that is being written."""
    return name.endswith(RECORD) and not is_temporary(name)


def payload(writer: str, seq: int) -> str:
    """Path inside the run folder of an event's body that is too long for its line."""
    return f"{PAYLOADS}/{writer}-{seq}{RECORD}"


def temporary(folder: str) -> str:
    """A new name for a file that is written whole and then renamed."""
    return os.path.join(folder, f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}")


def is_temporary(name: str) -> bool:
    """Whether this is a file, or a run's folder, on its way to its place."""
    return name.startswith(_TEMPORARY)


def set_aside(name: str) -> str:
    """A new name for what was found in the place of a run's own folder or file."""
    return f"{name[:200]}{_SET_ASIDE}{os.urandom(4).hex()}"


def set_aside_name(name: str) -> str:
    """The name in whose place it was; empty for any other name."""
    stem, _, digits = name.rpartition(_SET_ASIDE)
    return stem if len(digits) == 8 and not digits.strip("0123456789abcdef") else ""


def is_digest(text: str) -> bool:
    """Whether text is a SHA-256 as 64 hex digits."""
    return re.fullmatch(_HEX, text) is not None


def partial(path: str) -> str:
    """Where something large is put together before it is renamed."""
    return path + _PART


class Below:
    """A path below a folder, put together when it is asked for: most of the many names are not, at each time."""

    def __init__(self, *names: str) -> None:
        self._path = os.path.join(*names)

    def __get__(self, owner: "Folder", kind: type) -> str:
        return owner.top + self._path


class Folder:
    """A folder, and what its own names are put after."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.top = root if not root or root.endswith(os.sep) else root + os.sep


class WorkspacePaths(Folder):
    """The names inside one workspace folder."""

    record = Below(WORKSPACE)
    experiments = Below(EXPERIMENTS)
    runs = Below(RUNS)
    blobs = Below(SNAPSHOTS, "blobs")
    trees = Below(SNAPSHOTS, "trees")
    packs = Below(SNAPSHOTS, "packs")
    stat_caches = Below(SNAPSHOTS, "cache")
    kept = Below(SNAPSHOTS, "kept")
    # Environments: registered definitions, what was built of them, locks, and the workspace's registries.
    environments = Below(ENVIRONMENTS)
    images = Below(IMAGE_RECORDS)
    base_images = Below(IMAGE_RECORDS, "bases")
    locks = Below(LOCKS)
    registries = Below("registries.json")
    default_datastore = Below(DATASTORES, "default")
    keyvault = Below(KEYVAULT)
    keyvault_lock = Below(KEYVAULT_LOCK)
    # Held by those who refer to what is stored, and by garbage collection; see snapshot/hold.py.
    hold = Below(SNAPSHOTS, "lock")
    hold_turn = Below(SNAPSHOTS, "lock.turn")

    def experiment(self, name: str) -> str:
        return os.path.join(self.experiments, name + RECORD)

    def shard(self, run_id: str) -> str:
        return os.path.join(self.runs, run_id[-8:-6])

    def run(self, run_id: str) -> "RunPaths":
        return RunPaths(os.path.join(self.shard(run_id), run_id))

    def new_run(self, run_id: str) -> "RunPaths":
        """The run while its folder is put together."""
        return RunPaths(os.path.join(self.shard(run_id), _TEMPORARY + run_id))

    def blob(self, hex_digest: str) -> str:
        return os.path.join(self.blobs, hex_digest[:2], hex_digest)

    def pack(self, name: str) -> str:
        return os.path.join(self.packs, name + PACK)

    def pack_index(self, name: str) -> str:
        return os.path.join(self.packs, name + PACK_INDEX)

    def stat_cache(self, key: str) -> str:
        """What is known of one source folder on one host."""
        return os.path.join(self.stat_caches, key)

    def tree(self, hex_digest: str) -> str:
        """The manifest of a snapshot in the first format."""
        return os.path.join(self.trees, hex_digest[:2], hex_digest + RECORD)

    def kept_snapshot(self, hex_digest: str) -> str:
        """The record of a snapshot that is kept though no run may refer to it."""
        return os.path.join(self.kept, hex_digest + RECORD)

    def image_record(self, hex_key: str) -> str:
        """What was built, or found, for an environment's key."""
        return os.path.join(self.images, hex_key + RECORD)

    def build_log(self, hex_key: str) -> str:
        """What the output of the last build for that key."""
        return os.path.join(self.images, hex_key + ".log")

    def base_image(self, hex_name: str) -> str:
        """Which digest a base image's name stood for when it was first asked for; by the digest of the name."""
        return os.path.join(self.base_images, hex_name + RECORD)

    def lock_record(self, hex_definition: str) -> str:
        """The exact packages of a definition, by the digest of what it asks for."""
        return os.path.join(self.locks, hex_definition + RECORD)

    def deleted(self) -> str:
        """A new name beside the workspace for its last moments."""
        return f"{self.root}.deleted-{os.urandom(4).hex()}"


class RunPaths(Folder):
    """The names inside one run folder."""

    spec = Below(SPEC)
    status = Below(STATUS)
    meta = Below(META)
    env = Below(ENV)
    events = Below(EVENTS)
    parts = Below(PARTS)
    payloads = Below(PAYLOADS)
    provenance = Below(PROVENANCE)
    sessions = Below(SESSIONS)
    recorded = Below(RECORDED)
    log = Below(_USER_LOG)
    runner_log = Below(_RUNNER_LOG)
    build_log = Below(_BUILD_LOG)
    outputs = Below(OUTPUTS)
    logs = Below(LOGS)
    files = Below(WORKDIR)
    requests = Below(REQUESTS)
    children = Below(CHILDREN)
    cancel = Below(CANCEL)
    # The working copy, where it is kept after the end.
    work = Below("work")
    job = Below(_JOB)
    # The index of git at submit, for the repository of the working copy.
    git_index = Below(_JOB, "git-index")
    inputs = Below(_INPUTS)
    earlier = Below(_JOB, EARLIER)
    # What the job's container sees of the workspace; and what the job has handed on to its children as inputs.
    view = Below(_JOB, "view")
    handed_on = Below(_JOB, "handed-on")
    processes = Below(_PROCESSES)
    # What was made ready for the job, and its container, if it has one.
    prepared = Below(_JOB, "environment.json")
    container = Below(_JOB, "container.json")
    # That an executor of another package may hold something of the job.
    executor = Below(_JOB, "executor.json")
    usage = Below(USAGE)

    def attempt_events(self, attempt: int) -> str:
        """Where the event logs of an attempt lie that was not the last."""
        return os.path.join(self.root, ATTEMPTS, str(attempt), EVENTS)

    def attempt_files(self, attempt: int) -> str:
        """What that attempt wrote to its working copy."""
        return os.path.join(self.root, ATTEMPTS, str(attempt), WORKDIR)

    def seen(self, run_id: str) -> "RunPaths":
        """What the job's container sees of a run."""
        return WorkspacePaths(self.view).run(run_id)

    @property
    def experiment(self) -> str:
        """The experiment that the run's id names."""
        return os.path.basename(self.root).rsplit("_", 2)[0]

    @property
    def aside(self) -> "tuple[str, str]":
        """Where what is copied to the run lies until it is whole: a folder and a name in it. Goes with `.job/`."""
        return self.root, _JOB

    @property
    def shard(self) -> str:
        """Where temporary files go, so that a rename changes the shard's mtime."""
        return os.path.dirname(self.root)

    @property
    def workspace(self) -> "WorkspacePaths":
        """The workspace that the run lies in."""
        return WorkspacePaths(os.path.dirname(os.path.dirname(self.shard)))

    def event_log(self, writer: str) -> str:
        return os.path.join(self.events, writer + _EVENT_LOG)

    def part_log(self, writer: str) -> str:
        return os.path.join(self.parts, writer + _EVENT_LOG)

    @property
    def diff(self) -> str:
        """What had not been committed when the run was submitted."""
        return os.path.join(self.provenance, "uncommitted.diff")

    @property
    def environment_record(self) -> str:
        """What was made ready for the job, kept."""
        return os.path.join(self.provenance, "environment.json")

    def session(self, writer: str) -> str:
        """What one R or Python process of the job ran with."""
        return os.path.join(self.sessions, writer + RECORD)

    def recorded_by_hand(self, child_id: str) -> "RunPaths":
        """Where a job in a container logs into a child that it records by hand."""
        return RunPaths(os.path.join(self.recorded, child_id))

    def input_copy(self, name: str, original: str) -> str:
        """The job's private copy of an input; it ends as the original does, for programs go by a file's ending."""
        return os.path.join(self.inputs, name, os.path.basename(original))


def started_notes(state: str, host: str) -> str:
    """Where the queue of a host notes each attempt at a run that was started, in a folder a month."""
    return os.path.join(state, QUEUE, host, "started")


def keyvault_key(state: str, workspace_id: str) -> str:
    """The key of a workspace's keyvault, in espalier's folder of state."""
    return os.path.join(state, KEYS, workspace_id + ".key")
