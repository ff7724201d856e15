"""The stages of packages: containers in which those of Python and of R are installed, each committed as an image."""

import contextlib
import os
import re
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from espalier.adapters.docker_images import find_image, remove_image
from espalier.adapters.docker_stage import Mount, commit_container, run_to_end, stage_container
from espalier.adapters.machine import processors
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.base.records import make_folders, make_private_folder
from espalier.environment.definition import PythonSide
from espalier.environment.lock import Lock, lock_record
from espalier.environment.recipe import LIBRARY, PYTHON, PYTHON_VERSION
from espalier.provision.docker.facts import Facts, note_lock
from espalier.provision.docker.stages import Builder, build_network, failed, labels_of, labels_while_building, proxies
from espalier.provision.docker.wanted import Wanted
from espalier.provision.packages import forward
from espalier.provision.packages.conda import activated, activation_command, fixed, install_request, run_tool
from espalier.provision.packages.gateway import guarded, take_credentials
from espalier.provision.packages.hidden import without_secrets
from espalier.provision.packages.lock import resolve, trusted
from espalier.provision.packages.pyenv import (
    PythonHost,
    find_uv,
    install_command,
    requirement_lines,
    requirements_text,
    uv_variables,
)
from espalier.provision.packages.r_install import INSTALLER, keeping, package_keys, write_plan
from espalier.provision.packages.sources import fetch_sources

_PYTHONS = "/opt/espalier/pythons"
# Where a container sees what it is given.
_HERE = "/espalier"
_UV = f"{_HERE}/uv"
_CACHE = f"{_HERE}/cache"
_MADE = f"{_HERE}/made"
_GATEWAY = f"{_HERE}/gateway"
# What the container's root writes into folders of the user's is given to whom these belong.
_SCRIPT = f"""
give_back() {{
  for folder in {_CACHE} {_MADE}; do
    owner=$(stat -c %u:%g "$folder" 2> /dev/null) && [ "$owner" != 0:0 ] &&
      find "$folder" -user 0 -exec chown -h "$owner" {{}} + 2> /dev/null
  done
  true
}}
trap give_back EXIT
set -eu
. {_HERE}/variables
"""
_FOR_UV = re.compile(r"UV_\w+|SSL_CERT_FILE|(?:HTTPS?|FTP|ALL|NO)_PROXY", re.IGNORECASE)
_NOT_FOR_CONTAINERS = ("UV_CACHE_DIR", "UV_LINK_MODE", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON", "SSL_CERT_FILE")
_FORWARD = os.path.join(os.path.dirname(os.path.abspath(forward.__file__)), "forward.py")
# Wheels alone; what has none is put aside, and left for the next step.
_WHEELS = f"""
cp {_HERE}/requirements.txt {_MADE}/wheels
until {{install}} {_MADE}/wheels --no-build > {_MADE}/said 2>&1; do
  name=$(sed -n 's/.*`\\([A-Za-z0-9._-]*\\)` because building from source is disabled.*/\\1/p' {_MADE}/said | head -n 1)
  if [ -n "$name" ] && grep -i "^$name *[=@]" {_MADE}/wheels >> {_MADE}/built; then
    grep -iv "^$name *[=@]" {_MADE}/wheels > {_MADE}/rest || true
    mv {_MADE}/rest {_MADE}/wheels
  elif grep -qi 'is disabled\\|no-binary\\|no-build' {_MADE}/said && [ -s {_MADE}/wheels ]; then
    mv {_MADE}/wheels {_MADE}/built
    break
  else
    cat {_MADE}/said
    exit 1
  fi
done
cat {_MADE}/said
"""
_R_STEP = re.compile(r"^\[(\d+)/(\d+)\] (\S+ \S+): ", re.MULTILINE)


def build_python(builder: Builder, wanted: Wanted, image: str, facts: Facts, lock: Optional[Lock]) -> str:
    """Install Python packages into an image.

    Args:
        lock: The exact packages; None: they are resolved now.

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
    with _Python(builder, wanted, image, facts, lock, side) as python:
        result = python.install()
    note_lock(builder, wanted.python, lock_record(lock))
    return result


class _Python:
    """One build of a python stage: wheels first, then, without any cache, what has to be built of its source.

    To install a wheel runs nothing that it brings, so that step may write into uv's cache. The other runs the scripts
    of source distributions, and sees neither that nor a password.
    """

    def __init__(
        self, builder: Builder, wanted: Wanted, image: str, facts: Facts, lock: Lock, side: PythonSide
    ) -> None:
        self._builder, self._wanted, self._image, self._facts, self._lock = builder, wanted, image, facts, lock
        self._side = side
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> "_Python":
        make = tempfile.TemporaryDirectory
        self._folder = self._undo.enter_context(make(prefix="python-", dir=_private(self._builder)))
        self._made = self._undo.enter_context(make(prefix=".python-", dir=_private(self._builder)))
        # (a socket's path must be short)
        socket = os.path.join(self._undo.enter_context(make(prefix="espalier-")), "gateway")
        variables, self._mounts = _variables(self._builder, self._wanted)
        authorities = self._mounts[0].source if self._mounts else None
        self._variables = self._undo.enter_context(guarded(variables, socket, authorities))
        self._uv = install_command(_UV, f"{PYTHON}/bin/python", "")[:-1]
        if os.path.exists(socket):
            self._mounts += [Mount(socket, _GATEWAY), Mount(_FORWARD, f"{_HERE}/forward.py")]
            self._uv = [f"{PYTHON}/bin/python", "-I", f"{_HERE}/forward.py", _GATEWAY, *self._uv]
        self._mounts += [Mount(find_uv(), _UV), Mount(self._made, _MADE, writable=True)]
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def install(self) -> str:
        """Install the packages; returns the image's id."""
        side, lock, mounts = self._side, self._lock, list(self._mounts)
        commands: List[str] = []
        if side.conda is not None:
            self._builder.log.step(f"Installing {len(lock.conda)} conda packages")
            prefix = _conda_prefix(self._builder, self._wanted, lock, self._folder)
            mounts.append(Mount(prefix, f"{_HERE}/prefix"))
            commands += [f"mkdir -p {os.path.dirname(PYTHON)}", f"cp -a {_HERE}/prefix {PYTHON}"]
            commands.append(activation_command(PYTHON, f"{_MADE}/before", f"{_MADE}/after"))
        else:
            python = side.version or self._facts.interpreter or PYTHON_VERSION
            commands.append(shlex.join([_UV, "venv", "--python", python, "--no-project", "--clear", PYTHON]))
        if lock.python:
            mounts.append(_file(self._folder, "requirements.txt", requirements_text(side, lock.python)))
            commands.append(_WHEELS.format(install=shlex.join(self._uv)))
        cache = _made(self._builder.cache.image_python(hex_of(self._wanted.system)))
        self._builder.log.step(f"Installing {len(lock.python)} Python packages")
        image = self._step(self._image, commands, [*mounts, Mount(cache, _CACHE, writable=True)])
        return self._built(image) if self._to_build() else image

    def _built(self, image: str) -> str:
        """The image with what has to be built as well."""
        packages = self._to_build()
        self._builder.log.step(f"Building {len(packages)} Python package{'s' * (len(packages) > 1)} of their source")
        given = _file(self._folder, "requirements.txt", requirements_text(self._side, packages))
        command = shlex.join([*self._uv, given.target])
        try:
            return self._step(image, [command], [*self._mounts, given, Mount("", _CACHE)])
        except BaseException:
            remove_image(image)
            raise

    def _to_build(self) -> List[str]:
        path = os.path.join(self._made, "built")
        if not os.path.isfile(path):
            return []
        with open(path, encoding="utf-8") as file:
            return requirement_lines(file.read())

    def _added(self) -> Dict[str, str]:
        """The variables of the image."""
        added = fixed(os.path.join(self._folder, "prefix", "etc", "conda"))
        files = [os.path.join(self._made, name) for name in ("before", "after")]
        if all(map(os.path.isfile, files)):
            added.update(activated(*(Path(file).read_bytes() for file in files)))
        added.update({"PATH": f"{PYTHON}/bin:{_path_of(self._image)}", "RETICULATE_PYTHON": f"{PYTHON}/bin/python"})
        added["VIRTUAL_ENV" if self._side.conda is None else "CONDA_PREFIX"] = PYTHON
        return added

    def _step(self, image: str, commands: Sequence[str], mounts: Sequence[Mount]) -> str:
        return _install(
            self._builder, self._wanted, "python", self._wanted.python, image, self._folder, self._variables, commands,
            mounts, self._added, "Can't install the Python packages",
        )  # fmt: skip


def build_r(builder: Builder, wanted: Wanted, image: str, facts: Facts, lock: Optional[Lock]) -> str:
    """Install R packages into an image. The arguments, what is returned and raised are those of `build_python`, but
    that `image` is the python stage."""
    if facts.r is None:
        names = ", ".join(wanted.bases) or "of the environment"
        raise EspalierError(
            "build_failed", f"Can't install R packages: the base image {names} has no Rscript.",
            "Use a base image with R, such as rocker/r-ver, or install R by Docker steps or apt_packages.",
        )  # fmt: skip
    if lock is None:
        builder.log.step("Resolving R packages")
        only = replace(wanted.environment, python=None)
        lock = resolve(only, builder.cache, facts.r, None, builder.secrets, builder.log.line)
    builder.log.step(f"Fetching {len(lock.r)} R packages")
    sources = fetch_sources(builder.cache, lock.r, builder.secrets, builder.log.line, wanted.docker.ca_certificate)
    lock = replace(lock, r=tuple(sources))
    keys = package_keys(sources, wanted.system).values()
    private = tempfile.TemporaryDirectory(prefix="r-", dir=_private(builder))
    with private as folder, keeping(builder.cache, keys, builder.log.line) as into:
        mounts = [
            Mount(INSTALLER, f"{_HERE}/install.R"),
            Mount(_made(builder.cache.sources), f"{_HERE}/sources"),
            Mount(_made(builder.cache.r_packages), _CACHE),
            Mount(into, _MADE, writable=True),
            # (packages compiled against a system stage serve images of that stage alone)
            _file(folder, "plan.dcf", write_plan(sources, wanted.system)),
        ]
        plan = [f"{_HERE}/plan.dcf", LIBRARY, _CACHE, f"{_HERE}/sources", _MADE, str(processors()), "users"]
        commands = [f"mkdir -p {LIBRARY}", shlex.join(["Rscript", "--vanilla", f"{_HERE}/install.R", *plan])]
        builder.log.step(f"Installing {len(sources)} R packages")
        result = _install(
            builder, wanted, "r", wanted.key, image, folder, dict(proxies()), commands, mounts,
            lambda: {"R_LIBS": _joined(LIBRARY, _variable_of(image, "R_LIBS"))},
            "Can't install the R packages",
        )  # fmt: skip
    note_lock(builder, wanted.key, lock_record(lock))
    return result


def _install(
    builder: Builder, wanted: Wanted, stage: str, key: str, image: str, folder: str, variables: Mapping[str, str],
    commands: Sequence[str], mounts: Sequence[Mount], added: Callable[[], Mapping[str, str]], what: str,
) -> str:  # fmt: skip
    """Run commands in a container of an image, and make the next image of it."""
    exported = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    script = _SCRIPT + "".join(command + "\n" for command in commands)
    given = [*mounts, _file(folder, "variables", exported), _file(folder, "script", script)]
    command = ["/bin/sh", f"{_HERE}/script"]
    network = build_network() or "default"
    labels = labels_while_building(builder.cache, key)
    with stage_container(image, command, given, {}, labels, network, wanted.docker.platform) as container:
        ended = run_to_end(container, _hear(builder))
        if ended.status != 0:
            raise failed(builder, what, ended)
        builder.log.step(f"Keeping the {stage} stage")
        return commit_container(container, find_image(image) or {}, labels_of(stage, key), added())


def _hear(builder: Builder) -> Callable[[str], None]:
    def hear(piece: str) -> None:
        for step in _R_STEP.finditer(piece):
            builder.log.step(f"R packages: {step[3]}", int(step[1]) - 1, int(step[2]), note=False)
        builder.log.hear(piece)

    return hear


def _variables(builder: Builder, wanted: Wanted) -> Tuple[Dict[str, str], List[Mount]]:
    """Options of uv inside a container, credentials among it, and what it reads there."""
    authorities = trusted(wanted.environment, builder.cache)
    said = uv_variables(wanted.environment, builder.cache, builder.secrets, authorities)
    found = {
        name: value for name, value in said.items() if _FOR_UV.fullmatch(name) and name not in _NOT_FOR_CONTAINERS
    }
    found.update(UV_CACHE_DIR=_CACHE, UV_LINK_MODE="copy", UV_PYTHON_INSTALL_DIR=_PYTHONS, UV_NO_PROGRESS="1")
    authorities = authorities or os.environ.get("SSL_CERT_FILE")
    if authorities and os.path.isfile(authorities):
        found["SSL_CERT_FILE"] = f"{_HERE}/authorities.pem"
        return found, [Mount(os.path.realpath(authorities), f"{_HERE}/authorities.pem")]
    return found, []


def _conda_prefix(builder: Builder, wanted: Wanted, lock: Lock, folder: str) -> str:
    """The conda packages in a folder of this machine, made as if it lay where the image will have it."""
    prefix, log = os.path.join(folder, "prefix"), os.path.join(folder, "conda.log")
    authorities = trusted(wanted.environment, builder.cache)
    own = uv_variables(wanted.environment, builder.cache, builder.secrets, authorities)
    variables = without_secrets(take_credentials(own)[0])
    asked = install_request(lock.conda, builder.cache, prefix, PYTHON)
    with open(log, "w+b") as output:
        status = run_tool(asked, variables, output.fileno())
        output.seek(0)
        builder.log.hear(output.read().decode("utf-8", "replace"))
    if status != 0:
        raise EspalierError(
            "build_failed", "Can't install the conda packages.",
            "get_build_log() shows the log.", log=builder.log.path,
        )  # fmt: skip
    return prefix


def _private(builder: Builder) -> str:
    """A folder for what only this user may read."""
    path = os.path.join(builder.cache.builds, "private")
    make_private_folder(path)
    return path


def _made(folder: str) -> str:
    make_folders(folder)
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
