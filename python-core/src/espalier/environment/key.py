"""The key of an environment: the digest of what is rendered. Equal keys, equal images. Of two keys, what differs.

Not in it: name, version, description, tags, variables, GPU, shared memory, and how to log in somewhere; the order of
what has none. Each stage's key covers the stages before it, so that a change of R packages finds the rest again.
"""

from dataclasses import asdict
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

from espalier.base.canonical import digest, digest_bytes
from espalier.base.types import Frame
from espalier.environment.definition import DockerSide, Environment
from espalier.environment.lock import Lock, RSource
from espalier.environment.recipe import RECIPE_FORMAT, base_image, render
from espalier.environment.requirements import package_name

KEY_FORMAT = 1
_DIFFERENCE_KINDS = {"field": "string", "before": "string", "after": "string"}


def requested_r(environment: Environment) -> Optional[Dict[str, Any]]:
    """What an environment asks for in R, in an order that does not depend on how it was written; None for nothing."""
    side = environment.r
    if side is None or not side.is_managed:
        return None
    return {
        "version": side.version,
        "snapshot_date": side.snapshot_date,
        # (their order means something: the first that has a package gives it)
        "repositories": [[name, url] for name, url in side.repositories.items()],
        "cran": sorted(([one.name, one.version, one.repository] for one in side.cran), key=lambda one: str(one[0])),
        "github": sorted([one.repository, one.subdir or "", one.ref or ""] for one in side.github),
        "urls": sorted(side.urls),
        "bioconductor": sorted(side.bioconductor),
    }


def requested_python(environment: Environment) -> Optional[Dict[str, Any]]:
    """What an environment asks for in Python, likewise."""
    side = environment.python
    if side is None or not side.is_managed:
        return None
    pip_config = environment.docker.pip_config if environment.docker else None
    return {
        **({"pip_config": pip_config} if pip_config else {}),  # (it may name indexes)
        "version": side.version,
        # (the order of channels and indexes is their priority)
        "channels": list(side.conda.channels) if side.conda else [],
        "conda": sorted(side.conda.dependencies) if side.conda else [],
        "pip": sorted(side.pip, key=lambda line: (package_name(line), line)),
        "index_url": side.index_url,
        "extra_index_urls": list(side.extra_index_urls),
    }


def definition_digest(environment: Environment) -> str:
    """The digest of what packages depend on: lock files are named by it.

    Returns:
        `sha256:...`; independent of an image's Debian packages, certificates and steps.
    """
    docker = environment.docker or DockerSide()
    return digest({
        "format": KEY_FORMAT,
        "r": requested_r(environment),
        "python": requested_python(environment),
        "platform": docker.platform,
        "base": [base_image(environment), docker.base_dockerfile, _context(docker)],
    })  # fmt: skip


def system_key(environment: Environment, base_digest: Optional[str]) -> str:
    """The key of the system stage.

    Args:
        environment: A definition, its build context frozen.
        base_digest: What the base image's name stands for: `sha256:...`, or an image's id.
    """
    return digest(_system(environment, base_digest))


def python_key(environment: Environment, base_digest: Optional[str], lock: Optional[Lock] = None) -> str:
    """The key of the python stage, which is the system stage's where there is no Python side to install."""
    before = system_key(environment, base_digest)
    wanted = _python_part(environment, lock)
    return before if wanted is None else digest({"before": before, "python": wanted})


def r_key(environment: Environment, base_digest: Optional[str], lock: Optional[Lock] = None) -> str:
    """The key of the r stage and so of the whole image; the python stage's where no R packages are to be installed."""
    before = python_key(environment, base_digest, lock)
    wanted = _r_part(environment, lock)
    return before if wanted is None else digest({"before": before, "r": wanted})


def private_r_key(environment: Environment, lock: Optional[Lock], r_version: Optional[str], platform: str) -> str:
    """The key of a private R library: what is asked for or locked, for that R on that platform."""
    return digest({
        "format": KEY_FORMAT, "r": _r_part(environment, lock), "r_version": r_version, "platform": platform,
    })  # fmt: skip


def private_python_key(
    environment: Environment, lock: Optional[Lock], python_version: Optional[str], platform: str
) -> str:
    """The key of a private Python environment, likewise."""
    wanted = _python_part(environment, lock)
    return digest({
        "format": KEY_FORMAT, "python": wanted, "python_version": python_version, "platform": platform,
    })  # fmt: skip


def private_key(
    environment: Environment, lock: Optional[Lock], r_version: Optional[str], python_version: Optional[str],
    platform: str,
) -> str:  # fmt: skip
    """The key of an environment without Docker.

    Args:
        lock: Its packages, exactly, where it was locked.
        platform: What compiled packages depend on besides.

    Returns:
        `sha256:...`; versions count only where there is something to install for them.
    """
    return digest({
        "r": private_r_key(environment, lock, r_version, platform) if _r_part(environment, lock) else None,
        "python": private_python_key(environment, lock, python_version, platform)
        if _python_part(environment, lock) else None,
    })  # fmt: skip


def _system(environment: Environment, base_digest: Optional[str]) -> Dict[str, Any]:
    docker = environment.docker or DockerSide()
    # (what is rendered begins with the name; what the name stands for is the digest's part)
    recipe = render(environment, None if base_digest is None else "base")
    return {
        "format": KEY_FORMAT,
        "recipe_format": RECIPE_FORMAT,
        "recipe": recipe.dockerfile,
        "files": {name: digest_bytes(data) for name, data in sorted(recipe.files.items())},
        "context": _context(docker),
        "base": base_digest.rpartition("@")[2] if base_digest else None,
        "platform": docker.platform,
    }  # fmt: skip


def _context(docker: DockerSide) -> Optional[List[Optional[str]]]:
    context = docker.build_context
    return None if context is None else [context.snapshot or context.path, context.dockerfile]


def _r_part(environment: Environment, lock: Optional[Lock]) -> Optional[Dict[str, Any]]:
    """What the r stage installs; None where it installs nothing."""
    wanted = requested_r(environment)
    if wanted is None or environment.r is None or not environment.r.has_packages:
        return None
    if lock is None:
        return {"wanted": wanted, "locked": None}
    sources = sorted(map(_locked, lock.r), key=lambda one: str(one["name"]))
    return {"wanted": wanted, "locked": {"r": sources, "version": lock.r_version}}


def _locked(source: RSource) -> Dict[str, Any]:
    fields = {**asdict(source), "needs": sorted(source.needs), "auth_token": None}
    return {name: value for name, value in fields.items() if value}


def _python_part(environment: Environment, lock: Optional[Lock]) -> Optional[Dict[str, Any]]:
    """What the python stage installs; None where there is no Python to install."""
    wanted = requested_python(environment)
    if wanted is None:
        return None
    return {"wanted": wanted, "locked": None if lock is None else {
        "python": sorted(lock.python), "conda": sorted(lock.conda), "version": lock.python_version,
    }}  # fmt: skip


def compare_environments(a: Environment, b: Environment) -> Frame:
    """Which fields make two environments different images.

    Args:
        a: How it was.
        b: How it is now.

    Returns:
        `field`, and what was asked for `before` and `after`; no rows for equal keys. A package is a separate row.
    """
    before, after = _fields(a), _fields(b)
    names: List[str] = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    columns: Dict[str, Sequence[Optional[str]]] = {
        "field": names, "before": [before.get(name) for name in names], "after": [after.get(name) for name in names],
    }  # fmt: skip
    return Frame(columns, _DIFFERENCE_KINDS)


def _fields(environment: Environment) -> Dict[str, str]:
    """What is in the key, one text a field; of lists without order, one an item."""
    said = {**_docker(environment), **_python(environment), **_r(environment)}
    return {name: text for name, text in said.items() if text is not None}


def _docker(environment: Environment) -> Dict[str, Optional[str]]:
    docker = environment.docker or DockerSide()
    context = docker.build_context
    certificate = docker.ca_certificate
    return {
        "docker.base_image": base_image(environment),
        "docker.base_dockerfile": docker.base_dockerfile,
        "docker.build_context": f"{context.snapshot or context.path} ({context.dockerfile})" if context else None,
        "docker.platform": docker.platform,
        "docker.ca_certificate": digest_bytes(certificate.encode("ascii")) if certificate else None,
        "docker.pip_config": docker.pip_config,
        **_items("docker.apt", docker.apt),
        "docker.steps": "\n".join(docker.steps) or None,
    }


def _python(environment: Environment) -> Dict[str, Optional[str]]:
    wanted = requested_python(environment)
    if wanted is None:
        return {}
    return {
        "python": "managed",
        "python.version": wanted["version"],
        "python.conda.channels": ", ".join(wanted["channels"]) or None,
        **_items("python.conda", wanted["conda"]),
        **_items("python.pip", wanted["pip"], lambda line: package_name(line) or line),
        "python.index_url": wanted["index_url"],
        "python.extra_index_urls": ", ".join(wanted["extra_index_urls"]) or None,
    }


def _r(environment: Environment) -> Dict[str, Optional[str]]:
    wanted = requested_r(environment)
    if wanted is None or environment.r is None or not environment.r.has_packages:
        return {}
    repositories = ", ".join(f"{name} = {url}" for name, url in wanted["repositories"])
    cran = {
        f"r.cran.{name}": (version or "any version") + (f" of {repository}" if repository else "")
        for name, version, repository in wanted["cran"]
    }
    github = {
        f"r.github.{repository}{'/' + subdir if subdir else ''}": ref or "default branch"
        for repository, subdir, ref in wanted["github"]
    }
    return {
        "r": "packages",
        "r.version": wanted["version"],
        "r.snapshot_date": wanted["snapshot_date"],
        "r.repositories": repositories or None,
        **cran,
        **github,
        **_items("r.urls", wanted["urls"]),
        **_items("r.bioconductor", wanted["bioconductor"]),
    }


def _items(field: str, items: Iterable[str], name: Callable[[str], str] = str) -> Dict[str, Optional[str]]:
    found: Dict[str, List[str]] = {}
    for item in items:
        found.setdefault(f"{field}.{name(item)}", []).append(item)
    return {key: "\n".join(values) for key, values in found.items()}
