"""What a job needs, described: the definition of an environment. A value; nothing is looked up here."""

from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence

FORMAT = 1


@dataclass(frozen=True)
class Secret:
    """The name of a secret in the workspace's keyvault, where its value would have to stand."""

    secret: str


@dataclass(frozen=True)
class CranPackage:
    """A package of a CRAN-like repository."""

    name: str
    version: Optional[str] = None
    repository: Optional[str] = None


@dataclass(frozen=True)
class GithubPackage:
    """A package of a repository on GitHub, `user/repo`."""

    repository: str
    subdir: Optional[str] = None
    ref: Optional[str] = None
    auth_token: Optional[Secret] = None


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


@dataclass(frozen=True)
class Conda:
    """Packages of conda channels."""

    channels: Sequence[str] = ()
    dependencies: Sequence[str] = ()


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


@dataclass(frozen=True)
class Registry:
    """A registry of images, and how to log in there."""

    address: Optional[str] = None
    username: Optional[str] = None
    password: Optional[Secret] = None


@dataclass(frozen=True)
class BuildContext:
    """A folder with a Dockerfile: on this machine (`path`), or frozen in the workspace (`snapshot`)."""

    path: Optional[str] = None
    snapshot: Optional[str] = None
    dockerfile: str = "Dockerfile"


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


@dataclass(frozen=True)
class Environment:
    """What a job needs around it. See docs/decisions/0014-environments.md for the record."""

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
