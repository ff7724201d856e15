"""What submit writes of a run: `spec.json`, what it is to execute, and `env.json`, what it gets of the session that
submitted it, both frozen; `meta.json`, text for people (protocol.md, "The run folder")."""

from typing import Any, Dict, Mapping, Optional, Tuple

from espalier.base.model.codec import sparse
from espalier.base.model.record import Record
from espalier.base.model.words import Word
from espalier.base.paths import FORMAT
from espalier.base.resources import Resources
from espalier.base.retry import Retry


class FrozenFolder(Record):
    """The snapshot of the source folder."""

    id: str
    files: int = 0
    bytes: int = 0


class GitState(Record):
    """What git knew of the source folder."""

    commit: Optional[str] = None
    branch: Optional[str] = None
    dirty: Optional[bool] = None
    remote: Optional[str] = None
    problem: Optional[str] = None
    more: Mapping[str, Any] = {}

    def absent(self) -> Tuple[str, ...]:
        return ("problem",)


class CopyRepository(Record):
    """What the repository of a working copy is made from."""

    commit: Optional[str] = None
    common_dir: str = ""


class WorkingCopy(Record):
    """How the working copy is laid out."""

    directory: str = ""
    stubs: Tuple[str, ...] = ()
    git: Optional[CopyRepository] = None


class JobEnvironment(Record):
    """The environment that a run asks for, and what its submitter had."""

    how: str = "session"
    key: Optional[str] = None
    variables: Mapping[str, str] = {}
    r: Optional[Mapping[str, Any]] = None
    python: Optional[Mapping[str, Any]] = None
    name: Optional[str] = None
    version: Optional[str] = None
    definition: Optional[Mapping[str, Any]] = None
    definition_digest: Optional[str] = None
    more: Mapping[str, Any] = {}

    def absent(self) -> Tuple[str, ...]:
        return ("name", "version", "definition", "definition_digest")


class ExecutorCode(Record):
    """Where the code of an executor lies that another package brought: the object, as its entry point names it, and the
    folder that its module was found in."""

    object: str = ""
    folder: str = ""


class Container(Record):
    """How a job's container is set up; its limits are the run's resources."""

    shm_size: Optional[int] = None
    network: str = "bridge"
    mounts: Mapping[str, str] = {}
    init: bool = True
    user: Optional[str] = None


class Input(Record):
    """A file or folder outside of the snapshot that the job reads. `run` and `output` name it where it is an output of
    another run, for which the job waits; what it is then, is found when the job starts. `url` and `sha256` (hex digits)
    are those of a file that is fetched then."""

    name: str
    path: str
    kind: str = "file"
    size: int = 0
    modified_at: str = ""
    files: int = 1
    digest: Optional[str] = None
    run: Optional[str] = None
    output: Optional[str] = None
    url: Optional[str] = None
    sha256: Optional[str] = None

    def absent(self) -> Tuple[str, ...]:
        return ("digest", "run", "output", "url", "sha256")

    @property
    def is_to_come(self) -> bool:
        """Whether it was not there at submit."""
        return self.run is not None and not self.modified_at

    @property
    def is_copied(self) -> bool:
        """Whether the job gets a private copy."""
        return self.digest is not None


class Output(Record):
    """A file or folder of the run, by its name among the run's files, without which the run has failed."""

    name: str
    path: str


class JobSpec(Record):
    """The definition of a run."""

    id: str = ""
    experiment: str = ""
    workspace_id: str = ""
    type: str = "command"
    created_at: str = ""
    user: str = ""
    host: str = ""
    client: str = ""
    parent: Optional[str] = None
    children: str = "wait"
    request: Optional[str] = None
    target: str = "local"
    source_directory: Optional[str] = None
    snapshot: Optional[FrozenFolder] = None
    working_copy: Optional[WorkingCopy] = None
    git: Optional[GitState] = None
    entry_script: Optional[str] = None
    command: Tuple[Word, ...] = ()
    arguments: Tuple[Word, ...] = ()
    params: Mapping[str, Any] = {}
    environment: Optional[JobEnvironment] = None
    docker: Optional[Container] = None
    executor: Optional[ExecutorCode] = None
    inherited: Tuple[str, ...] = ()
    inputs: Tuple[Input, ...] = ()
    outputs: Tuple[Output, ...] = ()
    parts: Tuple[Any, ...] = ()
    resources: Resources = Resources()
    priority: int = 5
    retry: Optional[Retry] = None
    depends_on: Tuple[str, ...] = ()
    secrets: Tuple[str, ...] = ()
    max_run_duration_seconds: Optional[float] = None
    queue_timeout_seconds: Optional[float] = None
    prepare_timeout_seconds: Optional[float] = None
    keep_workdir: bool = False
    seed: Optional[int] = None
    reuse_key: Optional[str] = None
    format: int = FORMAT
    more: Mapping[str, Any] = {}

    def absent(self) -> Tuple[str, ...]:
        return ("request", "executor")

    @property
    def how(self) -> str:
        """How the job gets what it runs on: `session`, `user-managed`, `private` or `image`."""
        return self.environment.how if self.environment else "session"

    @property
    def definition(self) -> Mapping[str, Any]:
        """The definition of its environment; empty without one."""
        return (self.environment and self.environment.definition) or {}

    @property
    def asked_variables(self) -> Mapping[str, str]:
        """The variables that the job's environment and its submitter set."""
        return self.environment.variables if self.environment else {}

    @property
    def container(self) -> Container:
        """How the job's container is set up; as it is by default where the job has none."""
        return self.docker or Container()

    @property
    def script(self) -> str:
        """The entry script; empty if there is none."""
        return self.entry_script or ""


class Fetch(Record):
    """How inputs that have an address are fetched: espalier's folder of caches, and the variables by which proxies and
    certificates are found."""

    cache: str
    variables: Mapping[str, str] = {}


class Programs(Record):
    """The interpreters of the session that submitted."""

    rscript: Optional[str] = None
    r_version: Optional[str] = None
    python: Optional[str] = None


class JobEnv(Record):
    """`env.json`: what a run gets of the session that submitted it."""

    variables: Mapping[str, str] = {}
    # Path below `.job/` -> target, how the job finds espalier in R and in Python.
    links: Mapping[str, str] = {}
    scratch: Optional[str] = None
    fetch: Optional[Fetch] = None
    core_python: Optional[str] = None
    modules: Optional[Tuple[str, ...]] = None
    how: Optional[str] = None
    engine: Mapping[str, str] = {}
    preparing: Mapping[str, str] = {}
    session: Optional[Programs] = None
    prepared: Optional[Mapping[str, Any]] = None
    format: int = FORMAT
    more: Mapping[str, Any] = {}

    def record(self) -> Dict[str, Any]:
        """As `env.json` holds it."""
        return sparse(self, "format", "variables", "links")


class Meta(Record):
    """`meta.json`: what people say of a run, which they may change."""

    format: int = FORMAT
    display_name: Optional[str] = None
    tags: Mapping[str, Any] = {}
    properties: Mapping[str, Any] = {}
    archived_at: Optional[str] = None
    imported: Optional[Mapping[str, Any]] = None
    more: Mapping[str, Any] = {}

    def absent(self) -> Tuple[str, ...]:
        return ("archived_at", "imported")
