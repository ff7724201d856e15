"""Asking an R of this machine what it is."""

import subprocess
from typing import Dict, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.provision.packages.resolve import RHost
from espalier.provision.packages.versions import RECOMMENDED, is_version

# R code that tells it, for the packages that are its arguments.
QUESTION = """
cat("R ", format(getRversion()), "\\n", R.version$platform, "\\n", sep = "")
for (name in commandArgs(TRUE)) {
  file <- file.path(.Library, name, "DESCRIPTION")
  if (file.exists(file)) cat(name, " ", read.dcf(file, "Version")[[1]], "\\n", sep = "")
}
"""


def ask_r(rscript: Optional[str]) -> RHost:
    """Version, platform and recommended packages of an R.

    Raises:
        EspalierError: `interpreter_missing`, there is none or it does not run.
    """
    if rscript is None:
        message = "R packages are asked for, and there is no R on this machine."
        raise EspalierError("interpreter_missing", message, "Install R, or use Docker.")
    argv = [rscript, "--vanilla", "-e", QUESTION, *sorted(RECOMMENDED)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EspalierError("interpreter_missing", f"{rscript} cannot be run: {error}.") from None
    found = answered(done.stdout.splitlines(), rscript) if done.returncode == 0 else None
    if found is None:
        raise EspalierError("interpreter_missing", f"{rscript} is no Rscript that works: {done.stderr.strip()[-300:]}")
    return found


def answered(lines: Sequence[str], rscript: Optional[str] = None) -> Optional[RHost]:
    """What an R answers to the question; None when that isn't an answer."""
    if len(lines) < 2 or not lines[0].startswith("R "):
        return None
    recommended: Dict[str, str] = {}
    for line in lines[2:]:
        name, _, version = line.partition(" ")
        if is_version(version):
            recommended[name] = version
    return RHost(lines[0][2:], lines[1], rscript, recommended)
