"""What a user asks for: one job, described. Frozen; nothing is looked up here."""

import math
import os
from dataclasses import InitVar, dataclass, field
from numbers import Real
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from espalier.base.arguments import classed, classed_function
from espalier.base.docker_options import DockerOptions, checked_docker
from espalier.base.errors import EspalierError
from espalier.base.model.codec import given_fields
from espalier.base.names import check_name
from espalier.base.paths import is_run_id
from espalier.base.resources import Resources, bytes_of, checked_count, checked_number
from espalier.base.retry import checked_retry
from espalier.base.types import Text

# A week: a run that waits longer was forgotten. An hour: the largest snapshot is written out in minutes. Six hours:
# a hundred packages are compiled in less.
QUEUE_TIMEOUT_SECONDS = 7 * 86_400.0
PREPARE_TIMEOUT_SECONDS = 3_600.0
BUILD_TIMEOUT_SECONDS = 6 * 3_600.0
_NO = ("no", "false", "off", "0")
# What may become of links that lead out of a folder that is frozen.
OUTSIDE_LINKS = ("refuse", "keep", "copy")


@classed
@dataclass(frozen=True)
class Session:
    """The session that submits: what its jobs should find again.

    Args:
        client: Who speaks, `R 4.2.2` or `Python 3.11.7`.
        environment: The session's variables; only those on the documented list are taken. None: this process's.
        rscript: The Rscript that R jobs run on. None: the one on PATH.
        r_version: Version of that R, `4.2.2`.
        library_paths: Its library paths, first searched first.
        r_package: Folder of the installed R package espalier, offered to R jobs whose libraries lack it.
        python: The Python that Python scripts run on. None: see jobs/surroundings.py.
        reticulate: The Python that the user chose for reticulate in this session.
        core_python: The interpreter that runs the full core. None: this one.
        modules: Folders where it finds the packages that the core needs. None: those this process has.
    """

    client: str = ""
    environment: Optional[Mapping[str, str]] = None
    rscript: Optional[str] = None
    r_version: Optional[str] = None
    library_paths: Sequence[str] = ()
    r_package: Optional[str] = None
    python: Optional[str] = None
    reticulate: Optional[str] = None
    core_python: Optional[str] = None
    modules: Optional[Sequence[str]] = None

    @property
    def variables(self) -> Mapping[str, str]:
        """The session's variables."""
        return os.environ if self.environment is None else self.environment


@classed
@dataclass(frozen=True)
class ScriptRunConfig:
    """One job: a folder, what to run in it, and where.

    Args:
        source_directory: Folder that is frozen for the run; the job's working directory is a private copy of it.
        entry_script: Script inside it (`.R`, `.py`, `.sh`, or any executable). Either this or `command`.
        arguments: What follows the script; numbers become text.
        script_params: Named parameters, appended after `arguments` as `--name value`; None or "" makes a flag.
        command: Program and arguments as a list, executed as it is; or one string, given to `/bin/sh -c`.
        compute_target: `local`; `docker`, which is `local` with `docker` switched on; or the name of an executor that
            another package registers.
        environment: What the job finds: an `Environment`, or the name of a registered one, `"torch"` or `"torch:2"`;
            also a definition as a mapping, `{"definition": <its record as JSON text>}`, or `{"name": ...,
            "version": ...}`. None: what the session has.
        docker: Whether it runs in a container: False, True, or `DockerOptions` or their fields.
        environment_variables: Set for the job, on top of what it inherits.
        inputs: Name -> path of a file or folder outside the snapshot; the job gets it as `--name path` and as
            `ESPALIER_INPUT_<NAME>`: up to 64 MB and 10,000 files a private read-only copy, else the original. Or
            `Run.output()` of a run of the workspace, for which the job waits, or `input_url()`.
        outputs: Name -> file or folder of the run, as `Run.get_file_names` lists it (`outputs/model.rds`): without it
            the run has failed, and `Run.output()` finds it by that name.
        cpus: Processors it takes of those this host gives to runs; more wait in the queue. 0: a job that only waits.
        gpus: Graphics processors it is given, by CUDA_VISIBLE_DEVICES.
        memory: What it takes of this host's memory, `4 GB` or bytes; the queue keeps account. In a container it is a
            limit, elsewhere it isn't enforced.
        priority: 1 to 9; of those that wait the highest is started first.
        retry: How often to execute it at most, or the fields of a `Retry`.
        depends_on: Ids of runs of the workspace that have to complete before it starts.
        max_run_duration_seconds: Stop the job after that many seconds.
        queue_timeout_seconds: Cancel the run when it has not been started after that many seconds; 0 waits for ever.
        prepare_timeout_seconds: Fail the run when its working copy and its environment are not ready after that many
            seconds; 0 for ever. None: an hour, six hours with an environment.
        seed: Random seed; R jobs start with `set.seed(seed)`, every job finds it as `ESPALIER_SEED`.
        keep_workdir: Keep the working copy after the run, to look at.
        display_name: Text for people.
        record_diff: Record what is not committed to git, if the folder lies in a repository. The variable
            `ESPALIER_RECORD_DIFF=no` of the session switches that off for all its jobs.
        children: What the run does about the runs below it when its script has ended well: `wait`, it ends when they
            have ended; `detach`, it ends at once, and they go on. With `wait` they are also canceled when it fails.
        secrets: Names of secrets in the workspace's keyvault that the job may read; they are hidden in its log.
        outside_links: What becomes of links that lead out of the source directory: `refuse` is an error, `keep` takes
            the links as they are, `copy` the files and folders they lead to, as if they lay there.
        session: The session to take interpreters and variables from.
        script: `entry_script`, as azureml-core calls it.
    """

    source_directory: Optional[str] = None
    entry_script: Optional[str] = None
    arguments: Sequence[Text] = ()
    script_params: Mapping[str, Any] = field(default_factory=dict)
    command: Union[str, Sequence[str], None] = None
    compute_target: str = "local"
    environment: Any = None
    docker: Union[bool, Mapping[str, Any], DockerOptions, None] = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Union[str, Mapping[str, str]]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 1
    gpus: int = 0
    memory: Union[int, str, None] = None
    priority: int = 5
    retry: Union[int, Mapping[str, Any], None] = None
    depends_on: Sequence[str] = ()
    max_run_duration_seconds: Optional[float] = None
    queue_timeout_seconds: float = QUEUE_TIMEOUT_SECONDS
    prepare_timeout_seconds: Optional[float] = None
    seed: Optional[int] = None
    keep_workdir: bool = False
    display_name: Optional[str] = None
    record_diff: bool = True
    children: str = "wait"
    secrets: Sequence[str] = ()
    outside_links: str = "refuse"
    session: Session = Session()
    script: InitVar[Optional[str]] = None

    def __post_init__(self, script: Optional[str]) -> None:
        if script is not None:
            if self.entry_script not in (None, script):
                raise _bad("Can't use both entry_script and script: give one.")
            object.__setattr__(self, "entry_script", script)
        if any(isinstance(each, Real) for each in self.arguments):
            arguments = [str(each) if isinstance(each, Real) else each for each in self.arguments]
            object.__setattr__(self, "arguments", arguments)
        object.__setattr__(self, "environment", _environment(self.environment))
        if self.entry_script is None and self.command is None:
            raise _bad("entry_script is missing.", "Name the script, as a path in source_directory, or give a command.")
        if self.entry_script is not None and self.command is not None:
            raise _bad("Can't use both entry_script and command: give one.")
        self._check_place()
        if self.children not in ("wait", "detach"):
            raise _bad(f"children must be 'wait' or 'detach', not {self.children!r}.")
        self._check_numbers()
        self._check_queueing()
        check_outside_links(self.outside_links)
        object.__setattr__(self, "secrets", tuple(dict.fromkeys(check_name("secret", name) for name in self.secrets)))
        for name, value in self.environment_variables.items():
            if not name or "=" in name or "\0" in name:
                raise _bad(f"environment_variables has the name {name!r}, which no variable can have.")
            if "\0" in value:
                raise _bad(f"environment_variables: {name} must have no NUL character, and has {value!r}.")

    def _check_place(self) -> None:
        if self.compute_target == "docker" and self.docker is False:
            raise _bad("compute_target is 'docker', and docker is switched off.")
        switched_on = True if self.docker is None and self.compute_target == "docker" else self.docker
        object.__setattr__(self, "docker", checked_docker(switched_on))
        if self.docker is not None and self.compute_target not in ("local", "docker"):
            raise _bad(f"docker is switched on, and compute_target is {self.compute_target!r}.")
        if self.docker is not None and self.environment is None:
            raise _bad("Can't run a job in a container without an environment, which names the image.")

    def _check_numbers(self) -> None:
        limit = self.max_run_duration_seconds
        if limit is not None and not 0 < limit < math.inf:
            raise _bad(f"max_run_duration_seconds must be a positive number, not {limit!r}.")

    def _check_queueing(self) -> None:
        for name, least in (("cpus", 0), ("gpus", 0), ("priority", 1)):
            object.__setattr__(self, name, checked_count(getattr(self, name), name, least))
        if self.priority > 9:
            raise _bad(f"priority is from 1 to 9, not {self.priority}.")
        if self.prepare_timeout_seconds is None:
            limit = PREPARE_TIMEOUT_SECONDS if self.environment is None else BUILD_TIMEOUT_SECONDS
            object.__setattr__(self, "prepare_timeout_seconds", limit)
        for name in ("queue_timeout_seconds", "prepare_timeout_seconds"):
            checked_number(getattr(self, name), name)
        unknown = next((run_id for run_id in self.depends_on if not is_run_id(run_id)), None)
        if unknown is not None:
            message = f'Can\'t find the run "{unknown!s:.100}" of `depends_on`.'
            raise _bad(message, "Give the run, or its id.")
        checked_retry(self.retry)
        bytes_of(0 if self.memory is None else self.memory)

    @property
    def resources(self) -> Resources:
        """What it takes of its host."""
        return Resources(self.cpus, self.gpus, bytes_of(0 if self.memory is None else self.memory))

    @property
    def executor(self) -> str:
        """The name of what executes it."""
        return self.compute_target if self.docker is None else "docker"

    @property
    def container(self) -> Optional[DockerOptions]:
        """How its container is set up; None where it runs in none."""
        return checked_docker(self.docker)

    @property
    def wants_diff(self) -> bool:
        """Whether what is not committed is to be recorded."""
        return self.record_diff and self.session.variables.get("ESPALIER_RECORD_DIFF", "").lower() not in _NO

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "ScriptRunConfig":
        """A config from plain values, as they come from R or a file. Unknown names are refused."""
        known = given_fields(cls, values)
        if isinstance(known.get("session"), Mapping):
            known["session"] = Session(**given_fields(Session, known["session"], where="session"))
        return cls(**known)


def _environment(given: Any) -> Optional[Mapping[str, Any]]:
    """A job's environment as the record has it. (Its class is loaded only by those who use it.)"""
    if given is None or isinstance(given, Mapping):
        return given
    if isinstance(given, str) and given:
        name, _, version = given.partition(":")
        return {"name": name, **({"version": version} if version else {})}
    identity = given._identity() if type(given).__name__ == "Environment" and hasattr(given, "_identity") else {}
    if "definition" not in identity:
        raise _bad(f"`environment` must be an Environment or the name of a registered one, not {_kind(given)}.")
    return {"definition": identity["definition"]}


def _kind(value: object) -> str:
    return f"an empty {type(value).__name__}" if value == "" else f"a value of type {type(value).__name__}"


def check_outside_links(value: object) -> None:
    """Refuses what isn't a way to treat links that lead out of a folder.

    Raises:
        EspalierError: `bad_argument`.
    """
    if value not in OUTSIDE_LINKS:
        raise _bad(f"outside_links must be one of {', '.join(OUTSIDE_LINKS)}, not {value!r}.")


def _bad(message: str, hint: str = "") -> EspalierError:
    return EspalierError("bad_argument", message, hint)


@classed_function
def input_url(url: str, sha256: str) -> Dict[str, str]:
    """A file on the web as an input of a job: `inputs={"data": input_url("https://...", sha256="...")}`.

    It is fetched when the job starts, once for all jobs of this user, and given to it only if it has that digest.

    Args:
        url: Its address, https or http, without credentials.
        sha256: The SHA-256 of its content, 64 hexadecimal digits.
    """
    return {"url": url, "sha256": sha256}
