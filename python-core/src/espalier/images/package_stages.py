"""The stages of packages: containers in which those of Python and of R are installed, each committed as an image."""

import os
import re
import shlex
import tempfile
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from espalier.adapters.docker_images import find_image
from espalier.adapters.docker_stage import Mount, commit_container, run_to_end, stage_container
from espalier.adapters.machine import processors
from espalier.environment.lock import Lock
from espalier.environment.lock_record import lock_record
from espalier.environment.recipe import PYTHON_VERSION
from espalier.environment.whole import LIBRARY
from espalier.environment.whole import PREFIX as PYTHON
from espalier.errors import EspalierError
from espalier.images.facts import Facts, note_lock
from espalier.images.stages import Builder, build_network, failed, labels_of, labels_while_building, proxies
from espalier.images.wanted import Wanted
from espalier.packages.conda import install_request, run_tool
from espalier.packages.lock import resolve, trusted
from espalier.packages.plan import INSTALLER, write_plan
from espalier.packages.pyenv import PythonHost, find_uv, install_command, requirements_text, uv_variables
from espalier.packages.sources import fetch_sources

_PYTHONS = "/opt/espalier/pythons"
# Where a container sees what it is given.
_HERE = "/espalier"
_UV = f"{_HERE}/uv"
_CACHE = f"{_HERE}/cache"
# What the container's root writes into the user's cache is given to whom the cache belongs.
_SCRIPT = f"""
give_back() {{
  owner=$(stat -c %u:%g {_CACHE}) && [ "$owner" = 0:0 ] || find {_CACHE} -user 0 -exec chown -h "$owner" {{}} + || true
}}
trap give_back EXIT
set -eu
. {_HERE}/variables
"""
_FOR_UV = re.compile(r"UV_\w+|SSL_CERT_FILE|(?:HTTPS?|FTP|ALL|NO)_PROXY", re.IGNORECASE)
_NOT_FOR_CONTAINERS = ("UV_CACHE_DIR", "UV_LINK_MODE", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON", "SSL_CERT_FILE")
_R_STEP = re.compile(r"^\[(\d+)/(\d+)\] (\S+ \S+): ", re.MULTILINE)


def build_python(builder: Builder, wanted: Wanted, image: str, facts: Facts, lock: Optional[Lock]) -> str:
    """Install Python packages into an image.

    Args:
        builder: What is needed for that.
        wanted: The environment.
        image: The system stage.
        facts: What that has.
        lock: The exact packages; None: they are resolved now.

    Returns:
        The image's id.

    Raises:
        EspalierError: `build_failed`, `lock_failed`, `package_missing`, `secret_missing`, `interpreter_missing`,
            `docker_unavailable`.
    """
    side = wanted.environment.python
    assert side is not None
    if lock is None:
        builder.log.step("Resolving Python packages")
        host = PythonHost(side.version or facts.python or PYTHON_VERSION, None, _uv_platform(facts))
        only = replace(wanted.environment, r=None)
        lock = resolve(only, builder.cache, None, host, builder.secrets, builder.log.line, _conda_platform(facts))
    with tempfile.TemporaryDirectory(prefix="python-", dir=_private(builder)) as folder:
        mounts = [Mount(find_uv(), _UV)]
        variables = _variables(builder, wanted, folder, mounts)
        commands: List[Sequence[str]] = []
        if side.conda is not None:
            builder.log.step(f"Installing {len(lock.conda)} conda packages")
            mounts.append(Mount(_conda_prefix(builder, wanted, lock, folder), f"{_HERE}/prefix"))
            commands.append(["mkdir", "-p", os.path.dirname(PYTHON)])
            commands.append(["cp", "-a", f"{_HERE}/prefix", PYTHON])
        else:
            python = side.version or facts.interpreter or PYTHON_VERSION
            commands.append([_UV, "venv", "--python", python, "--no-project", "--clear", PYTHON])
        if lock.python:
            text = requirements_text(side, lock.python)
            mounts.append(_file(folder, "requirements.txt", text))
            commands.append(install_command(_UV, f"{PYTHON}/bin/python", f"{_HERE}/requirements.txt"))
        mounts.append(Mount(_made(builder.cache.image_python(facts.system)), _CACHE, writable=True))
        builder.log.step(f"Installing {len(lock.python)} Python packages")
        added = {"PATH": f"{PYTHON}/bin:{_path_of(image)}", "RETICULATE_PYTHON": f"{PYTHON}/bin/python"}
        if side.conda is None:
            added["VIRTUAL_ENV"] = PYTHON
        made = _install(
            builder, wanted, "python", wanted.python, image, folder, variables, commands, mounts, added,
            "The Python packages could not be installed",
        )  # fmt: skip
    note_lock(builder, wanted.python, lock_record(lock))
    return made


def build_r(builder: Builder, wanted: Wanted, image: str, facts: Facts, lock: Optional[Lock]) -> str:
    """Install R packages into an image. The arguments, what is returned and raised are those of `build_python`, but
    that `image` is the python stage."""
    if facts.r is None:
        names = ", ".join(wanted.bases) or "of the environment"
        raise EspalierError(
            "build_failed", f"R packages are asked for, and the base image {names} has no Rscript.",
            "Use a base image with R, such as rocker/r-ver, or install R by Docker steps or apt_packages.",
        )  # fmt: skip
    if lock is None:
        builder.log.step("Resolving R packages")
        only = replace(wanted.environment, python=None)
        lock = resolve(only, builder.cache, facts.r, None, builder.secrets, builder.log.line)
    builder.log.step(f"Fetching {len(lock.r)} R packages")
    sources = fetch_sources(builder.cache, lock.r, builder.secrets, builder.log.line, wanted.docker.ca_certificate)
    lock = replace(lock, r=tuple(sources))
    with tempfile.TemporaryDirectory(prefix="r-", dir=_private(builder)) as folder:
        mounts = [
            Mount(INSTALLER, f"{_HERE}/install.R"),
            Mount(_made(builder.cache.sources), f"{_HERE}/sources"),
            Mount(_made(builder.cache.r_packages), _CACHE, writable=True),
            # (packages compiled against a system stage serve images of that stage alone)
            _file(folder, "plan.dcf", write_plan(sources, wanted.system)),
        ]
        plan = [f"{_HERE}/plan.dcf", LIBRARY, _CACHE, f"{_HERE}/sources", str(processors())]
        commands = [["mkdir", "-p", LIBRARY], ["Rscript", "--vanilla", f"{_HERE}/install.R", *plan]]
        builder.log.step(f"Installing {len(sources)} R packages")
        made = _install(
            builder, wanted, "r", wanted.key, image, folder, dict(proxies()), commands, mounts,
            {"R_LIBS": _joined(LIBRARY, _variable_of(image, "R_LIBS"))}, "The R packages could not be installed",
        )  # fmt: skip
    note_lock(builder, wanted.key, lock_record(lock))
    return made


def _install(
    builder: Builder, wanted: Wanted, stage: str, key: str, image: str, folder: str, variables: Mapping[str, str],
    commands: Sequence[Sequence[str]], mounts: Sequence[Mount], added: Mapping[str, str], what: str,
) -> str:  # fmt: skip
    """Run commands in a container of an image, and make the next image of it."""
    exported = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    script = _SCRIPT + "".join(shlex.join(command) + "\n" for command in commands)
    given = [*mounts, _file(folder, "variables", exported), _file(folder, "script", script)]
    command = ["/bin/sh", f"{_HERE}/script"]
    network = build_network() or "default"
    labels = labels_while_building(builder.cache, key)
    with stage_container(image, command, given, {}, labels, network, wanted.docker.platform) as container:
        ended = run_to_end(container, _hear(builder))
        if ended.status != 0:
            raise failed(builder, what, ended)
        builder.log.step(f"Keeping the {stage} stage")
        return commit_container(container, find_image(image) or {}, labels_of(stage, key), added)


def _hear(builder: Builder) -> Callable[[str], None]:
    def hear(piece: str) -> None:
        for step in _R_STEP.finditer(piece):
            builder.log.step(f"R packages: {step[3]}", int(step[1]) - 1, int(step[2]), note=False)
        builder.log.hear(piece)

    return hear


def _variables(builder: Builder, wanted: Wanted, folder: str, mounts: List[Mount]) -> Dict[str, str]:
    """What uv is told inside of a container; passwords among it, so they go into a file that only we can read."""
    authorities = trusted(wanted.environment, builder.cache)
    said = uv_variables(wanted.environment, builder.cache, builder.secrets, authorities)
    found = {
        name: value for name, value in said.items() if _FOR_UV.fullmatch(name) and name not in _NOT_FOR_CONTAINERS
    }
    found.update(UV_CACHE_DIR=_CACHE, UV_LINK_MODE="copy", UV_PYTHON_INSTALL_DIR=_PYTHONS, UV_NO_PROGRESS="1")
    authorities = authorities or os.environ.get("SSL_CERT_FILE")
    if authorities and os.path.isfile(authorities):
        mounts.append(Mount(os.path.realpath(authorities), f"{_HERE}/authorities.pem"))
        found["SSL_CERT_FILE"] = f"{_HERE}/authorities.pem"
    return found


def _conda_prefix(builder: Builder, wanted: Wanted, lock: Lock, folder: str) -> str:
    """The conda packages in a folder of this machine, made as if it lay where the image will have it."""
    prefix, log = os.path.join(folder, "prefix"), os.path.join(folder, "conda.log")
    authorities = trusted(wanted.environment, builder.cache)
    variables = uv_variables(wanted.environment, builder.cache, builder.secrets, authorities)
    with open(log, "w+b") as output:
        status = run_tool(install_request(lock.conda, builder.cache, prefix, PYTHON), variables, output.fileno())
        output.seek(0)
        builder.log.hear(output.read().decode("utf-8", "replace"))
    if status != 0:
        raise EspalierError(
            "build_failed", "The conda packages could not be installed.",
            "The log says why: environment_build_log().", log=builder.log.path,
        )  # fmt: skip
    return prefix


def _private(builder: Builder) -> str:
    """A folder for what only this user may read."""
    path = os.path.join(builder.cache.builds, "private")
    os.makedirs(path, 0o700, exist_ok=True)
    return path


def _made(folder: str) -> str:
    os.makedirs(folder, exist_ok=True)
    return folder


def _file(folder: str, name: str, text: str) -> Mount:
    path = os.path.join(folder, name)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return Mount(path, f"{_HERE}/{name}")


def _variable_of(image: str, name: str) -> str:
    pairs = (text.partition("=") for text in ((find_image(image) or {}).get("Config") or {}).get("Env") or [])
    return next((value for found, _, value in pairs if found == name), "")


def _path_of(image: str) -> str:
    return _variable_of(image, "PATH") or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _joined(first: str, rest: str) -> str:
    return f"{first}:{rest}" if rest else first


def _uv_platform(facts: Facts) -> str:
    machine, _, rest = facts.system.partition("-linux-")
    return f"{machine}-unknown-linux-{'musl' if rest.startswith('alpine') else 'gnu'}"


def _conda_platform(facts: Facts) -> str:
    machine = facts.system.partition("-")[0]
    return "linux-" + {"x86_64": "64", "arm64": "aarch64"}.get(machine, machine)
