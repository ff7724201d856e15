"""A whole Dockerfile of an environment, for people to read, or to build without espalier."""

import shlex
from typing import List, Optional

from espalier.environment.definition import DockerSide, Environment, GithubPackage, RSide
from espalier.environment.lock import Lock
from espalier.environment.recipe import CERTIFICATE, PIP_CONFIG, render
from espalier.environment.repositories import repositories
from espalier.environment.requirements import package_name

LIBRARY = "/opt/espalier/library"
PREFIX = "/opt/espalier/python"
# (a base image with R need not have a Python to install these with)
_UV = "COPY --from=ghcr.io/astral-sh/uv:0.5.4 /uv /usr/local/bin/uv"
_MICROMAMBA = "COPY --from=mambaorg/micromamba:2.0.3 /bin/micromamba /usr/local/bin/micromamba"


def dockerfile_text(environment: Environment, lock: Optional[Lock] = None, base: Optional[str] = None) -> str:
    """All that espalier would build, as one Dockerfile.

    Args:
        environment: A definition.
        lock: Its packages, exactly; without, what is unpinned is what repositories have on the day it is built.
        base: See `render`.

    Returns:
        The text. Files that it copies are named in its first lines; secrets are named there too, and not used.
    """
    recipe = render(environment, base)
    parts = [*_head(environment, bool(recipe.context)), recipe.dockerfile.rstrip("\n")]
    parts += _python(environment, lock)
    parts += _r(environment, lock)
    return "\n".join(parts) + "\n"


def _head(environment: Environment, has_context: bool) -> List[str]:
    docker = environment.docker or DockerSide()
    lines = [f"# The environment {environment.name}, written by espalier."]
    if has_context and docker.build_context:
        lines.append(f"# Build {docker.build_context.dockerfile} of its build context first, and name it as below.")
    for given, name, field in (
        (docker.ca_certificate, CERTIFICATE, "docker.ca_certificate"),
        (docker.pip_config, PIP_CONFIG, "docker.pip_config"),
    ):  # fmt: skip
        if given is not None:
            lines.append(f"# Needs beside it {name}: {field} of the definition.")
    for one in environment.r.github if environment.r else ():
        if one.auth_token:
            lines.append(f"# {one.repository} is fetched with the secret {one.auth_token.secret}.")
    if environment.python and environment.python.index_password:
        lines.append(f"# The index is asked with the secret {environment.python.index_password.secret}.")
    return lines


def _python(environment: Environment, lock: Optional[Lock]) -> List[str]:
    side = environment.python
    if side is None or not side.is_managed:
        return []
    if side.conda is not None:
        return _conda(environment, lock)
    version = f" --python {side.version}" if side.version else ""
    steps = [f"uv venv{version} --seed {PREFIX}"]
    wanted = sorted(side.pip, key=package_name) if lock is None else list(lock.python)
    if wanted:
        steps.append(_pip(environment, wanted))
    return [_UV, _run(steps), f'ENV PATH="{PREFIX}/bin:$PATH"']


def _conda(environment: Environment, lock: Optional[Lock]) -> List[str]:
    side = environment.python
    assert side is not None and side.conda is not None
    python = [f"python={side.version}"] if side.version else []
    wanted = [*python, *sorted(side.conda.dependencies)] if lock is None else list(lock.conda)
    channels = "".join(f" -c {shlex.quote(channel)}" for channel in side.conda.channels or ("conda-forge",))
    steps = [f"micromamba create -y -p {PREFIX}{channels} {_words(wanted)}"]
    pip = sorted(side.pip, key=package_name) if lock is None else list(lock.python)
    if pip:
        steps.append(_pip(environment, pip))
    return [_MICROMAMBA, _run(steps), f'ENV PATH="{PREFIX}/bin:$PATH"']


def _pip(environment: Environment, lines: List[str]) -> str:
    """An installation by pip: hashes are taken from requirements files alone, so one is written."""
    side = environment.python
    assert side is not None
    indexes = [f"--index-url {side.index_url}"] if side.index_url else []
    indexes += [f"--extra-index-url {url}" for url in side.extra_index_urls]
    text = _words([*indexes, *lines])
    wanted = "/tmp/requirements.txt"
    return f"printf '%s\\n' {text} > {wanted} && {PREFIX}/bin/python -m pip install -r {wanted}"


def _r(environment: Environment, lock: Optional[Lock]) -> List[str]:
    side = environment.r
    if side is None or not side.is_managed or not side.has_packages:
        return []
    code = _locked(lock) if lock is not None else _asked(side)
    lines = [f"options(warn = 2); .libPaths({_string(LIBRARY)})", *code]
    steps = [f"mkdir -p {LIBRARY}", "Rscript " + " ".join(f"\\\n      -e {shlex.quote(line)}" for line in lines)]
    return [_run(steps), f"ENV R_LIBS={LIBRARY}"]


def _locked(lock: Lock) -> List[str]:
    return [f"install.packages({_string(one.url)}, repos = NULL, type = \"source\")" for one in lock.r]


def _asked(side: RSide) -> List[str]:
    urls = repositories(side)
    named = ", ".join(f"{_string(name)} = {_string(url)}" for name, url in urls.items())
    code = [f"options(repos = c({named}))"]
    needs_remotes = side.github or any(one.version or one.repository for one in side.cran)
    if needs_remotes:
        code.append('install.packages("remotes")')
    plain = [one.name for one in side.cran if not (one.version or one.repository)]
    if plain:
        code.append(f"install.packages(c({', '.join(map(_string, sorted(plain)))}))")
    for one in sorted((one for one in side.cran if one.version or one.repository), key=lambda one: one.name):
        repos = urls.get(one.repository or "", one.repository)
        extra = f", repos = {_string(repos)}" if repos else ""
        version = f", {_string(one.version)}" if one.version else ""
        function = "install_version" if one.version else "install_cran"
        code.append(f"remotes::{function}({_string(one.name)}{version}{extra})")
    if side.bioconductor:
        code.append('install.packages("BiocManager")')
        code.append(f"BiocManager::install(c({', '.join(map(_string, sorted(side.bioconductor)))}), ask = FALSE)")
    code += [f"remotes::install_github({_string(_github(one))})" for one in side.github]
    return code + [f"install.packages({_string(url)}, repos = NULL)" for url in side.urls]


def _github(one: GithubPackage) -> str:
    return one.repository + (f"/{one.subdir}" if one.subdir else "") + (f"@{one.ref}" if one.ref else "")


def _string(text: str) -> str:
    """A string of R; its content has been checked to hold neither quotes nor backslashes."""
    return f'"{text}"'


def _words(items: List[str]) -> str:
    return " ".join(map(shlex.quote, items))


def _run(steps: List[str]) -> str:
    return "RUN " + " \\\n && ".join(steps)
