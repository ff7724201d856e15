"""Private Python environments: numpy, pandas and scikit-learn, with what is fetched already here.

Usage: environments_private.py WORK
"""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Dict, Sequence

from espalier.base.paths import CachePaths
from espalier.environment.definition import Environment, PythonSide
from espalier.provision.local.ensure import ensure
from espalier.provision.packages.lock import resolve
from espalier.provision.packages.pyenv import find_uv, uv_variables
from samples import Samples, seconds

ROUNDS = 5
THREE = ["numpy", "pandas", "scikit-learn"]
# small, pure, needed by none of them
ONE_MORE = "tabulate"


def environment(lines: Sequence[str]) -> Environment:
    """Of pip packages."""
    return Environment("bench", python=PythonSide(pip=lines))


def quietly(env: Dict[str, str], *command: str) -> None:
    """A program, whose output only matters when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {(done.stdout + done.stderr)[-2000:]}")


def bare_uv(env: Dict[str, str], folder: Path, lines: Sequence[str]) -> None:
    """What anybody would type."""
    shutil.rmtree(folder, ignore_errors=True)
    quietly(env, find_uv(), "venv", "--python", sys.executable, str(folder))
    quietly(env, find_uv(), "pip", "install", "--python", str(folder / "bin" / "python"), *lines)


def pip(env: Dict[str, str], folder: Path, lines: Sequence[str]) -> None:
    """The same without uv."""
    shutil.rmtree(folder, ignore_errors=True)
    quietly(env, sys.executable, "-m", "venv", str(folder))
    quietly(env, str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *lines)


def main(work: Path) -> None:
    samples = Samples("private.py")
    cache = CachePaths(str(work / "private"))
    base, more = environment(THREE), environment([*THREE, ONE_MORE])
    locks = {one.python: resolve(one, cache) for one in (base, more)}
    env = uv_variables(base, cache)

    def build(one: Environment) -> None:
        shutil.rmtree(cache.private, ignore_errors=True)
        ensure(cache, one, locks[one.python])

    for one in (base, more):
        build(one)  # (fetches)
    pip(dict(os.environ), work / "pip", THREE)
    for number in range(ROUNDS):
        ensure(cache, base, locks[base.python])
        samples.add("warm", number, seconds(partial(build, base)))
        samples.add("found", number, seconds(partial(ensure, cache, base, locks[base.python])))
        samples.add("uv", number, seconds(partial(bare_uv, env, work / "uv", THREE)))
        python = str(work / "uv" / "bin" / "python")
        one_more = partial(quietly, env, find_uv(), "pip", "install", "--python", python, ONE_MORE)
        samples.add("one", number, seconds(one_more))
        samples.add("second", number, seconds(partial(ensure, cache, more, locks[more.python])))
        if number < 2:
            samples.add("pip", number, seconds(partial(pip, dict(os.environ), work / "pip", THREE)))
    samples.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
