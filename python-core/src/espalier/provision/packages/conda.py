"""Conda environments by py-rattler, without conda: their exact packages, how these are installed, what they set."""

import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence
from urllib.parse import urlsplit

from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.base.extras import folder_of, require
from espalier.base.paths import is_digest
from espalier.base.records import make_folders
from espalier.environment.definition import Conda, PythonSide
from espalier.provision.packages.sources import Tell, silent
from espalier.provision.packages.tools import run

_TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conda_tool.py")
_FILE = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)-(?P<version>[^-/]+)-(?P<build>[^-/]+)\.(?:tar\.bz2|conda)")
# What a shell sets by itself, and what we set otherwise.
_NOT_OURS = ("PATH", "PWD", "OLDPWD", "SHLVL", "_", "PS1", "CONDA_PREFIX", "HOSTNAME")
_ACTIVATION_SECONDS = 60


class CondaLock(NamedTuple):
    """What conda packages were chosen.

    Args:
        urls: Each with `#sha256=...`.
        python: The version of Python among them.
    """

    urls: List[str]
    python: Optional[str]


def platform_name() -> str:
    """How conda calls this machine."""
    machine = os.uname().machine.lower()
    machine = {"x86_64": "64", "amd64": "64", "arm64": "aarch64"}.get(machine, machine)
    if sys.platform == "darwin":
        return "osx-arm64" if machine == "aarch64" else "osx-64"
    return f"linux-{machine}"


def specs(side: PythonSide) -> List[str]:
    """What is asked of the solver: the definition's packages, and a Python for its pip part."""
    conda = side.conda or Conda()
    wanted = list(conda.dependencies)
    names = [re.split(r"[ =<>!~\[]", spec.rpartition("::")[2].strip())[0].lower() for spec in wanted]
    if "python" not in names and (side.version or any(not line.startswith("-") for line in side.pip)):
        wanted.append(f"python {side.version}.*" if side.version else "python")
    return wanted


def lock_conda(
    side: PythonSide, cache: CachePaths, env: Dict[str, str], platform: Optional[str] = None, tell: Tell = silent
) -> CondaLock:
    """All conda packages that a definition takes.

    Args:
        env: The variables of the process that asks the channels.
        platform: `linux-64`; None: this machine's.
        tell: Called with a line for each thing that may take time.

    Raises:
        EspalierError: `lock_failed`, `extra_missing`.
    """
    conda = side.conda or Conda()
    tell("Resolving conda packages")
    asked = {
        "do": "solve", "channels": list(conda.channels) or ["conda-forge"], "specs": specs(side),
        "platform": platform or platform_name(), "cache": cache.conda,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="espalier-lock-") as folder, tempfile.TemporaryFile() as log:
        answer = os.path.join(folder, "answer")
        status = run_tool({**asked, "answer": answer}, env, log.fileno())
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip()
        if status != 0:
            message = f"Can't resolve the conda packages:\n{said[-4000:]}"
            raise EspalierError("lock_failed", message, "Ask for other packages, or change the channels.")
        with open(answer, encoding="utf-8") as file:
            records = json.load(file)
    for record in records:
        if not _FILE.fullmatch(os.path.basename(urlsplit(record["url"]).path)) or not record["sha256"]:
            raise EspalierError("lock_failed", f"Can't read the channel's record of {record['url']}: it's damaged.")
    python = next((record["version"] for record in records if record["name"] == "python"), None)
    return CondaLock([f"{record['url']}#sha256={record['sha256']}" for record in records], python)


def run_tool(
    asked: Dict[str, Any], env: Mapping[str, str], output: int, keep: Sequence[int] = (),
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Have py-rattler do something; returns its exit status. Raises EspalierError: `extra_missing`."""
    require("conda")
    make_folders(asked["cache"])
    # (isolated, so that neither what lies beside the tool nor in the working directory is imported)
    command = [sys.executable, "-I", _TOOL, folder_of("rattler") or ""]
    return run(command, env, output, keep, json.dumps(asked), meanwhile)


def install_request(urls: Sequence[str], cache: CachePaths, prefix: str, as_if: Optional[str] = None) -> Dict[str, Any]:
    """What `run_tool` is asked for to install locked packages.

    Args:
        urls: Of a lock, `https://.../linux-64/name-version-build.conda#sha256=...`.
        prefix: Where to.
        as_if: Where the prefix will be found by those who use it, if not there: in an image.

    Raises:
        EspalierError: `environment_damaged`, an address is none.
    """
    packages = []
    for locked in urls:
        url, _, digest = locked.partition("#sha256=")
        folder, _, file = url.rpartition("/")
        channel, _, subdir = folder.rpartition("/")
        match = _FILE.fullmatch(file)
        if match is None or not channel or not is_digest(digest):
            raise EspalierError("environment_damaged", f"Can't use {locked!r} as the address of a conda package.")
        spec = f"{match['name']} =={match['version']} {match['build']}"
        packages.append({"url": url, "sha256": digest, "channel": channel, "subdir": subdir, "spec": spec})
    return {"do": "install", "packages": packages, "cache": cache.conda, "prefix": prefix, "as_if": as_if}


def activation_command(prefix: str, before: str, after: str) -> str:
    """A shell's command that writes down the variables before and after the environment's scripts have been read.

    Args:
        before: The file for those before, each ended by a NUL.
        after: The file for those after.
    """
    scripts = f"for file in {prefix}/etc/conda/activate.d/*.sh; do [ -e \"$file\" ] && . \"$file\"; done"
    return (
        f"(set +eu; export CONDA_PREFIX={prefix} PATH={prefix}/bin:\"$PATH\"; env -0 > {before}; {scripts}; "
        f"env -0 > {after}; true) > /dev/null 2>&1 < /dev/null"
    )


def activated(before: bytes, after: bytes) -> Dict[str, str]:
    """What the scripts set.

    Args:
        before: All variables before, each ended by a NUL.
        after: All variables after.
    """
    old = _variables(before)
    return {
        name: value for name, value in _variables(after).items() if name not in _NOT_OURS and old.get(name) != value
    }


def activate(prefix: str, variables: Mapping[str, str]) -> Dict[str, str]:
    """What the scripts of a conda environment of this machine set.

    Args:
        variables: What they see.
    """
    folder = os.path.join(prefix, "etc", "conda")
    if not os.path.isdir(folder):
        return {}
    import tempfile

    with tempfile.TemporaryDirectory(prefix="espalier-activate-") as place:
        files = [os.path.join(place, name) for name in ("before", "after")]
        shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
        command = activation_command(prefix, *files)
        try:
            subprocess.run([shell, "-c", command], env=dict(variables), timeout=_ACTIVATION_SECONDS, check=False)
            data = [open(file, "rb").read() for file in files]  # noqa: SIM115
        except (OSError, subprocess.TimeoutExpired):
            return fixed(folder)
    return {**fixed(folder), **activated(*data)}


def fixed(folder: str) -> Dict[str, str]:
    """The variables that packages name in `env_vars.d/*.json` of a folder."""
    found: Dict[str, str] = {}
    place = os.path.join(folder, "env_vars.d")
    for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
        try:
            with open(os.path.join(place, name), encoding="utf-8") as file:
                found.update({str(key): str(value) for key, value in json.load(file).items()})
        except (OSError, ValueError, AttributeError):
            continue
    return found


def _variables(data: bytes) -> Dict[str, str]:
    pairs = (entry.decode("utf-8", "surrogateescape").partition("=") for entry in data.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}
