"""The variables that a conda environment wants: what `conda activate` would set, for jobs that don't call it."""

import json
import os
import subprocess
from typing import Dict, Mapping

# What a shell sets by itself, and what we set otherwise.
_NOT_OURS = ("PATH", "PWD", "OLDPWD", "SHLVL", "_", "PS1", "CONDA_PREFIX", "HOSTNAME")
_SECONDS = 60


def activation_command(prefix: str, before: str, after: str) -> str:
    """A shell's command that writes down the variables before and after the environment's scripts have been read.

    Args:
        prefix: The environment.
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
        prefix: The environment.
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
            subprocess.run([shell, "-c", command], env=dict(variables), timeout=_SECONDS, check=False)
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
