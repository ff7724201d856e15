"""What a job needs, described: the definition of an environment. A value; nothing is looked up here.

An object of these classes has been checked: each looks at its own fields when it is made (`spelling.py` says how
they may be spelled), so that nothing which is rendered from a definition can be anything but what it seems.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from espalier.base.arguments import classed
from espalier.base.canonical import canonical_json
from espalier.base.errors import EspalierError
from espalier.base.model.codec import Wrong, checked, decode_written, encode, shown
from espalier.base.operation import operation
from espalier.base.resources import SMALLEST_SHM, bytes_of
from espalier.environment import spelling
from espalier.environment.conversion import MadeFrom
from espalier.environment.requirements import conflicting, requirement
from espalier.environment.spelling import Spelling, invalid

FORMAT = 1
# Where the address of a repository has the day.
_DATE = "{snapshot_date}"
_set = object.__setattr__


@dataclass(frozen=True)
class Secret:
    """The name of a secret in the workspace's keyvault, where its value would have to stand."""

    secret: str

    def __post_init__(self) -> None:
        spelling.SECRET.check("secret", self.secret)

    @classmethod
    def read(cls, value: object) -> "Secret":
        """One from its record. Text in its place is never shown: it may be the secret."""
        if isinstance(value, str):
            raise Wrong("holds text where only the name of a secret may stand", hint=spelling.KEEP_SECRETS)
        return decode_written(cls, value)


@dataclass(frozen=True)
class CranPackage:
    """A package of a CRAN-like repository: by default of those of the environment, else one's name or URL."""

    name: str
    version: Optional[str] = None
    repository: Optional[str] = None

    def __post_init__(self) -> None:
        spelling.R_PACKAGE.check("r.cran.name", self.name)
        _optional(spelling.R_PACKAGE_VERSION, f"r.cran.version of {self.name}", self.version)
        if self.repository is not None and not spelling.REPOSITORY_NAME.pattern.fullmatch(str(self.repository)):
            spelling.url(f"r.cran.repository of {self.name}", self.repository)


@dataclass(frozen=True)
class GithubPackage:
    """A package of a repository on GitHub, `user/repo`; `ref` is a branch, tag, commit, or `refs/pull/<n>/head`."""

    repository: str
    subdir: Optional[str] = None
    ref: Optional[str] = None
    auth_token: Optional[Secret] = None

    def __post_init__(self) -> None:
        spelling.GITHUB_REPOSITORY.check("r.github.repository", self.repository)
        _optional(spelling.SUBFOLDER, f"r.github.subdir of {self.repository}", self.subdir)
        _optional(spelling.GIT_REF, f"r.github.ref of {self.repository}", self.ref)


@dataclass(frozen=True)
class RSide:
    """What R jobs need."""

    version: Optional[str] = None
    rscript_path: Optional[str] = None
    snapshot_date: Optional[str] = None
    repositories: Mapping[str, str] = field(default_factory=dict)
    cran: Sequence[CranPackage] = ()
    github: Sequence[GithubPackage] = ()
    urls: Sequence[str] = ()
    bioconductor: Sequence[str] = ()

    def __post_init__(self) -> None:
        _optional(spelling.R_VERSION, "r.version", self.version)
        _optional(spelling.PROGRAM, "r.rscript_path", self.rscript_path)
        if self.snapshot_date is not None:
            _set(self, "snapshot_date", spelling.snapshot_date("r.snapshot_date", self.snapshot_date))
        _set(self, "repositories", dict(self.repositories))
        for name, address in self.repositories.items():
            spelling.REPOSITORY_NAME.check("r.repositories", name)
            spelling.url(f"r.repositories.{name}", str(address).replace(_DATE, "2024-05-01"))
        for name in ("cran", "github"):
            _set(self, name, _once(getattr(self, name)))
        _set(self, "urls", _once(spelling.url("r.urls", url) for url in _texts("r.urls", self.urls)))
        names = _texts("r.bioconductor", self.bioconductor)
        _set(self, "bioconductor", _once(spelling.R_PACKAGE.check("r.bioconductor", name) for name in names))
        self._check_whole()

    def _check_whole(self) -> None:
        twice = spelling.first_conflict([one.name for one in self.cran] + list(self.bioconductor))
        if twice:
            raise invalid("r.cran", f"and r.bioconductor ask for {twice} twice, and not for the same.")
        twice = spelling.first_conflict(one.repository + "/" + (one.subdir or "") for one in self.github)
        if twice:
            raise invalid("r.github", f"asks for {twice.rstrip('/')} twice, and not for the same.")
        _contradict("r.rscript_path", self.rscript_path, "means that nothing is installed", {
            f"r.{name}": getattr(self, name)
            for name in ("version", "snapshot_date", "repositories", "cran", "github", "urls", "bioconductor")
        })  # fmt: skip
        dated = [name for name, address in self.repositories.items() if _DATE in address]
        if self.snapshot_date and "CRAN" in self.repositories and "CRAN" not in dated:
            raise invalid(
                "r.snapshot_date", "and r.repositories.CRAN contradict each other: a date means CRAN as it was then.",
                f"Leave one of them out, or write {_DATE} where the address has the date.",
            )  # fmt: skip
        if dated and not self.snapshot_date:
            raise invalid(f"r.repositories.{dated[0]}", f"has {_DATE} without an r.snapshot_date.")

    @property
    def is_managed(self) -> bool:
        """Whether packages are to be installed, or were; else what is there is used."""
        return self.rscript_path is None

    @property
    def has_packages(self) -> bool:
        """Whether it asks for any package."""
        return bool(self.cran or self.github or self.urls or self.bioconductor)


@dataclass(frozen=True)
class Conda:
    """Packages of conda channels."""

    channels: Sequence[str] = ()
    dependencies: Sequence[str] = ()

    def __post_init__(self) -> None:
        channels = _texts("python.conda.channels", self.channels)
        _set(self, "channels", _once(_channel(one) for one in channels))
        packages = _texts("python.conda.dependencies", self.dependencies)
        found = (spelling.CONDA_PACKAGE.check("python.conda.dependencies", one.strip()) for one in packages)
        _set(self, "dependencies", _once(found))


@dataclass(frozen=True)
class PythonSide:
    """What Python jobs need."""

    interpreter_path: Optional[str] = None
    version: Optional[str] = None
    conda: Optional[Conda] = None
    pip: Sequence[str] = ()
    index_url: Optional[str] = None
    extra_index_urls: Sequence[str] = ()
    index_password: Optional[Secret] = None

    def __post_init__(self) -> None:
        _optional(spelling.PROGRAM, "python.interpreter_path", self.interpreter_path)
        _optional(spelling.PYTHON_VERSION, "python.version", self.version)
        _set(self, "pip", _once(requirement("python.pip", line) for line in _texts("python.pip", self.pip)))
        if self.index_url is not None:
            spelling.url("python.index_url", self.index_url, user=True)
        urls = _texts("python.extra_index_urls", self.extra_index_urls)
        _set(self, "extra_index_urls", _once(spelling.url("python.extra_index_urls", one, user=True) for one in urls))
        self._check_whole()

    def _check_whole(self) -> None:
        twice = conflicting(list(self.pip))
        if twice:
            raise invalid("python.pip", f"asks for {twice} twice, and not for the same.")
        _contradict("python.interpreter_path", self.interpreter_path, "means that nothing is installed", {
            f"python.{name}": getattr(self, name)
            for name in ("version", "conda", "pip", "index_url", "extra_index_urls", "index_password")
        })  # fmt: skip
        if self.index_password and not (self.index_url or self.extra_index_urls):
            raise invalid("python.index_password", "is given without python.index_url.")
        if self.version and self.conda and any(_is_python(one) for one in self.conda.dependencies):
            raise invalid("python.version", "and python.conda.dependencies both say which Python.", "Leave one out.")

    @property
    def is_managed(self) -> bool:
        """Whether packages are to be installed, or were; else what is there is used."""
        return self.interpreter_path is None

    @property
    def has_packages(self) -> bool:
        """Whether it asks for any package."""
        return bool(self.pip or (self.conda and self.conda.dependencies))


@dataclass(frozen=True)
class Registry:
    """A registry of images, and how to log in there."""

    address: Optional[str] = None
    username: Optional[str] = None
    password: Optional[Secret] = None

    def __post_init__(self) -> None:
        _optional(spelling.REGISTRY, "docker.registry.address", self.address)
        _optional(spelling.USERNAME, "docker.registry.username", self.username)
        if (self.username is None) != (self.password is None):
            raise invalid("docker.registry.username", "and docker.registry.password are given together, or neither.")


@dataclass(frozen=True)
class BuildContext:
    """A folder with a Dockerfile: on this machine (`path`), or frozen in the workspace (`snapshot`)."""

    path: Optional[str] = None
    snapshot: Optional[str] = None
    dockerfile: str = "Dockerfile"

    def __post_init__(self) -> None:
        if (self.path is None) == (self.snapshot is None):
            raise invalid("docker.build_context", "needs either path or snapshot.")
        if self.path is not None:
            spelling.plain_text("docker.build_context.path", self.path)
        _optional(spelling.IMAGE_ID, "docker.build_context.snapshot", self.snapshot)
        spelling.DOCKERFILE_NAME.check("docker.build_context.dockerfile", self.dockerfile)


@dataclass(frozen=True)
class DockerSide:
    """What an image is made of, beside packages of R and Python."""

    base_image: Optional[str] = None
    base_dockerfile: Optional[str] = None
    build_context: Optional[BuildContext] = None
    steps: Sequence[str] = ()
    apt: Sequence[str] = ()
    registry: Optional[Registry] = None
    platform: Optional[str] = None
    ca_certificate: Optional[str] = None
    pip_config: Optional[str] = None

    def __post_init__(self) -> None:
        _optional(spelling.IMAGE, "docker.base_image", self.base_image)
        _optional(spelling.PLATFORM, "docker.platform", self.platform)
        for name, check in (
            ("base_dockerfile", spelling.long_text), ("ca_certificate", spelling.certificate),
            ("pip_config", spelling.pip_configuration),
        ):  # fmt: skip
            if getattr(self, name) is not None:
                _set(self, name, check(f"docker.{name}", getattr(self, name)))
        steps = _texts("docker.steps", self.steps)
        _set(self, "steps", tuple(spelling.long_text("docker.steps", step) for step in steps))
        packages = _texts("docker.apt", self.apt)
        _set(self, "apt", _once(spelling.APT_PACKAGE.check("docker.apt", one) for one in packages))
        self._check_whole()

    def _check_whole(self) -> None:
        bases = [n for n in ("base_image", "base_dockerfile", "build_context") if getattr(self, n) is not None]
        if len(bases) > 1:
            raise invalid(f"docker.{bases[0]}", f"and docker.{bases[1]} contradict each other.", "Give one of them.")
        if self.base_dockerfile is not None and not self.base_dockerfile.strip():
            raise invalid("docker.base_dockerfile", "is empty.")
        if self.registry is not None and not bases:
            raise invalid(
                "docker.registry", "is given without a base image.",
                "It is the registry that docker.base_image, or what a Dockerfile begins with, is pulled from.",
            )  # fmt: skip


@classed
@dataclass(frozen=True)
class Environment(MadeFrom):
    """What a job needs around it: packages of R and Python, and what its image is made of. A value.

    Args:
        name: What people call it.
        version: Which of the registered ones of that name; given when it is registered.
        description: Text for people.
        tags: Further text for people, by name.
        r: What R jobs need.
        python: What Python jobs need.
        docker: What an image is made of, beside packages of R and Python.
        variables: Variables that jobs find.
        use_gpu: Whether jobs take a graphics processor, if they do not say how many.
        shm_size: How much shared memory a container has, `2g`.
    """

    NOUN: ClassVar[str] = "environments"

    name: str
    version: Optional[str] = None
    description: Optional[str] = None
    tags: Mapping[str, str] = field(default_factory=dict)
    r: Optional[RSide] = None
    python: Optional[PythonSide] = None
    docker: Optional[DockerSide] = None
    variables: Mapping[str, str] = field(default_factory=dict)
    use_gpu: bool = False
    shm_size: Optional[str] = None

    def __post_init__(self) -> None:
        spelling.environment_name(self.name)
        _optional(spelling.ENVIRONMENT_VERSION, "version", self.version)
        if self.description is not None:
            _set(self, "description", spelling.long_text("description", self.description))
        _set(self, "tags", {
            spelling.label("tags", name): spelling.plain_text(f"tags.{name}", text) for name, text in self.tags.items()
        })  # fmt: skip
        _set(self, "variables", dict(self.variables))
        for name, value in self.variables.items():
            spelling.VARIABLE.check("variables", name)
            spelling.plain_text(f"variables.{name}", value)
            if name.startswith("ESPALIER_"):
                raise invalid("variables", f"cannot hold {name}: ESPALIER_... are set by espalier.")
        if not isinstance(self.use_gpu, bool):
            raise invalid("use_gpu", f"must be true or false, not {shown(self.use_gpu)}.")
        _optional(spelling.SHM_SIZE, "shm_size", self.shm_size)
        if self.shm_size is not None and bytes_of(self.shm_size) < SMALLEST_SHM:
            raise invalid("shm_size", f"must be at least {SMALLEST_SHM} bytes, not {shown(self.shm_size)}.")
        if self.docker and self.docker.platform is None and self.docker == DockerSide():
            _set(self, "docker", None)  # (nothing said is nothing asked for)

    def __hash__(self) -> int:
        return hash(canonical_json(self.record()))

    @classmethod
    @operation("POST /environment/from-mapping", command="")
    def from_mapping(cls, values: Mapping[str, Any]) -> "Environment":
        """An environment from its fields, nested as in its YAML.

        Args:
            values: The fields; those left out, or null, have their defaults.

        Raises:
            EspalierError: `environment_invalid`, naming a field that is unknown, misspelt or contradicts another;
                `bad_name`; `newer_format`.
        """
        _check_format(values.get("format", FORMAT))
        given = {name: value for name, value in values.items() if name != "format"}
        return checked(cls, given, "environment_invalid", whole="The definition")

    @operation("POST /environment/record", command="")
    def record(self) -> Any:
        """All its fields as JSON; `from_mapping` reads them back."""
        return {"format": FORMAT, **encode(self)}

    def _identity(self) -> Dict[str, str]:
        return {"definition": canonical_json(self.record()).decode("utf-8")}

    @classmethod
    def _from_identity(cls, identity: Mapping[str, str]) -> "Environment":
        return cls.from_mapping(json.loads(identity["definition"]))


def _check_format(given: object) -> None:
    text = str(given)
    if isinstance(given, bool) or not text.isdecimal() or int(text) < 1:
        raise invalid("format", f"must be {FORMAT}, not {shown(given)}.")
    if int(text) > FORMAT:
        message = f"Can't read the environment: it has format {text}, and this espalier reads up to {FORMAT}."
        raise EspalierError("newer_format", message, "Install a newer espalier.")


def _optional(check: Spelling, name: str, value: Optional[str]) -> None:
    if value is not None:
        check.check(name, value)


def _texts(name: str, values: object) -> List[str]:
    """A list of text, which one text is not."""
    if isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values):
        return list(values)
    raise invalid(name, f"must be a list of text, not {shown(values)}.")


def _once(items: Iterable[Any]) -> Tuple[Any, ...]:
    """The items, each once, in their order."""
    found: List[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return tuple(found)


def _channel(text: str) -> str:
    name = "python.conda.channels"
    return spelling.url(name, text) if "://" in text else spelling.CHANNEL.check(name, text)


def _is_python(dependency: str) -> bool:
    return re.fullmatch(r"(?:.*::)?python(?![A-Za-z0-9_.-]).*", dependency) is not None


def _contradict(name: str, value: object, why: str, others: Mapping[str, object]) -> None:
    given = [other for other, what in others.items() if what]
    if value is not None and given:
        raise invalid(name, f"and {', '.join(given)} contradict each other: the first {why}.", "Give one or the other.")
