"""Why two environments are two images: the fields that differ, in the words of the definition."""

from typing import Callable, Dict, Iterable, List, Optional, Sequence

from espalier.base.canonical import digest_bytes
from espalier.base.types import Frame
from espalier.environment.definition import DockerSide, Environment
from espalier.environment.key import requested_python, requested_r
from espalier.environment.recipe import base_image
from espalier.environment.requirements import package_name

_KINDS = {"field": "string", "before": "string", "after": "string"}


def why_rebuild(a: Environment, b: Environment) -> Frame:
    """Which fields make two environments different images.

    Args:
        a: How it was.
        b: How it is now.

    Returns:
        `field`, and what was asked for `before` and `after`; no rows for equal keys. A package is a row of its own.
    """
    before, after = _fields(a), _fields(b)
    names: List[str] = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    columns: Dict[str, Sequence[Optional[str]]] = {
        "field": names, "before": [before.get(name) for name in names], "after": [after.get(name) for name in names],
    }  # fmt: skip
    return Frame(columns, _KINDS)


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
