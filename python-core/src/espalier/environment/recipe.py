"""What a definition is rendered to: the Dockerfile of an image's system stage, and the files it needs. Pure.

Packages of R and Python are installed in stages of their own (decision 14). The same definition gives the same bytes.
"""

import posixpath
import shlex
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional

from espalier.environment.definition import BuildContext, DockerSide, Environment

# Changes whenever the same definition is rendered to something else; part of the key.
RECIPE_FORMAT = 1
# What is taken where a definition does not say: the newest of these that this version was made for.
R_VERSION = "4.4"
PYTHON_VERSION = "3.12"
# Where the stages of packages install them.
LIBRARY = "/opt/espalier/library"
PYTHON = "/opt/espalier/python"
CERTIFICATE = "espalier-ca.crt"
PIP_CONFIG = "pip.conf"

_CERTIFICATES = "/usr/local/share/ca-certificates"
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
# A Dockerfile must not begin before it is known what its first line names.
CONTEXT_BASE = "espalier-context"


@dataclass(frozen=True)
class Recipe:
    """The system stage of an image.

    Args:
        files: What lies beside it in the context of the build: name to content.
        context: A build context of the user's: it is built first, and `FROM` names what came of it.
    """

    dockerfile: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    context: Optional[BuildContext] = None


def base_image(environment: Environment) -> Optional[str]:
    """The name of the image that the first stage begins with; None where a Dockerfile of the user's says it.

    Returns:
        As it is pulled: with the registry's address, if there is one.
    """
    docker = environment.docker or DockerSide()
    if docker.base_dockerfile is not None or docker.build_context is not None:
        return None
    if docker.base_image is None:
        return _default_base(environment)
    address = docker.registry.address if docker.registry else None
    if address is None or docker.base_image.startswith(address + "/"):
        return docker.base_image
    return f"{address}/{docker.base_image}"


def _default_base(environment: Environment) -> str:
    # (an image with R gets its Python by uv, in the python stage; one with Python could not as easily get R)
    if environment.python is not None and environment.r is None:
        return f"python:{environment.python.version or PYTHON_VERSION}-slim"
    return f"rocker/r-ver:{(environment.r.version if environment.r else None) or R_VERSION}"


def pinned(name: str, digest: str) -> str:
    """An image's name with a digest: `repository@sha256:...`; an image's id stays as it is."""
    if "@" in digest or not digest.startswith("sha256:"):
        return digest
    repository = name.partition("@")[0]
    last = repository.rpartition("/")[2]
    return f"{repository[: -len(last)]}{last.partition(':')[0]}@{digest}"


def render(environment: Environment, base: Optional[str] = None) -> Recipe:
    """The system stage of an environment's image.

    Args:
        base: What to begin with instead of the base image's name: it with a digest, or an image's id. Of a build
            context: the image that was built of it. Means nothing for a Dockerfile of the user's.

    Returns:
        The recipe; the same for the same arguments.
    """
    docker = environment.docker or DockerSide()
    if docker.base_dockerfile is not None:
        head = docker.base_dockerfile.rstrip("\n")
    else:
        head = f"FROM {base or base_image(environment) or CONTEXT_BASE}"
    files: Dict[str, bytes] = {}
    own = [*_certificate(docker, files), *_pip_config(docker, files), *_locale(), *_apt(docker)]
    steps = [step.rstrip("\n") for step in docker.steps]
    # (what the base image runs as need not be allowed to do this)
    lines = [head, "USER root", *own, *steps]
    return Recipe("\n".join(lines) + "\n", files, docker.build_context)


def _locale() -> List[str]:
    """A base image's own locale and time zone stay; one without gets those in which R and Python work."""
    return ["ENV LANG=${LANG:-C.UTF-8} TZ=${TZ:-Etc/UTC}"]


def _certificate(docker: DockerSide, files: Dict[str, bytes]) -> List[str]:
    if docker.ca_certificate is None:
        return []
    files[CERTIFICATE] = docker.ca_certificate.encode("ascii")
    there = posixpath.join(_CERTIFICATES, CERTIFICATE)
    return [
        f"COPY {CERTIFICATE} {there}",
        "RUN if command -v update-ca-certificates > /dev/null; then update-ca-certificates; "
        f"else mkdir -p {posixpath.dirname(_BUNDLE)} && cat {there} >> {_BUNDLE}; fi",
        "ENV " + " ".join(f"{name}={_BUNDLE}" for name in _BUNDLE_VARIABLES),
    ]


def _pip_config(docker: DockerSide, files: Dict[str, bytes]) -> List[str]:
    if docker.pip_config is None:
        return []
    files[PIP_CONFIG] = docker.pip_config.encode("utf-8")
    return [f"COPY {PIP_CONFIG} /etc/{PIP_CONFIG}"]


def _apt(docker: DockerSide) -> List[str]:
    if not docker.apt:
        return []
    packages = "".join(f" \\\n      {shlex.quote(name)}" for name in sorted(docker.apt))
    return [
        "RUN apt-get update \\\n"
        f" && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends{packages} \\\n"
        " && rm -rf /var/lib/apt/lists/*"
    ]
