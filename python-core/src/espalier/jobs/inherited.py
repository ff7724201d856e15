"""Which variables of the session a job inherits, by their names, and what to tell of those that it misses.

What a script finds by hand it finds as a job, as far as that says how to compute: where programs and libraries are, how
many threads, which device. What says who the user is elsewhere stays out (protocol.md, "What a job inherits").
"""

import os
import re
from functools import lru_cache
from typing import Dict, List, Mapping, Optional, Tuple

from espalier.base.config import Session
from espalier.base.names import looks_secret
from espalier.snapshot.mentions import text_of

_PROXIES = r"(?i:https?_proxy|ftp_proxy|no_proxy|all_proxy)"
# Names that are inherited whatever they look like.
_PLAIN = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TZDIR|TMPDIR|LD_LIBRARY_PATH|XDG_\w+"
    r"|RSTUDIO_PANDOC|QUARTO_PATH"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|PIP_CERT|TOKENIZERS_PARALLELISM|" + _PROXIES
)
# Names that are, unless they look like those of secrets. Of R's those that each R sets itself are not among them.
_FAMILIES = re.compile(
    r"R_(?!HOME$|(?:SHARE|INCLUDE|DOC)_DIR$|ARCH$|PLATFORM$|SESSION_|LD_|STRIP_|PAPERSIZE|RD4PDF$|SYSTEM_ABI$"
    r"|COMPILED_BY$|BROWSER$|PDFVIEWER$|\w+CMD$)\w+"
    r"|RENV_PATHS_\w+|RETICULATE_\w+|RCPP_PARALLEL_\w+|MC_CORES|STAN_NUM_THREADS|CMDSTAN\w*"
    r"|PYTHON(?!STARTUP$|INSPECT$)\w+|VIRTUAL_ENV|CONDA_\w+|MAMBA_\w+|PYENV_\w+|PIP_\w+|UV_\w+"
    r"|JAVA_\w+|SPARK_\w+|HADOOP_\w+|JULIA_\w+"
    r"|OMP_\w+|KMP_\w+|OPENBLAS_\w+|GOTO_NUM_THREADS|MKL_\w+|BLIS_\w+|VECLIB_\w+|NUMEXPR_\w+|NUMBA_\w+|TBB_\w+"
    r"|RAYON_NUM_THREADS|POLARS_\w+|ARROW_\w+"
    r"|CUDA_\w+|CUDNN_\w+|CUBLAS_\w+|NVIDIA_\w+|NCCL_\w+|ROCR_\w+|HIP_\w+|HSA_\w+|XLA_\w+|TF_\w+|TORCH_\w+|PYTORCH_\w+"
    r"|KERAS_\w+|JAX_\w+|HF_\w+|TRANSFORMERS_\w+"
    r"|GDAL_\w+|PROJ_\w+|OGR_\w+|CPL_\w+|UDUNITS2?_\w+|TESSDATA_PREFIX|ODBCINI|ODBCSYSINI"
    r"|CC|CXX|FC|CFLAGS|CXXFLAGS|CPPFLAGS|FFLAGS|LDFLAGS|MAKEFLAGS|CPATH|LIBRARY_PATH|PKG_CONFIG_PATH"
    r"|ESPALIER_(?:PYTHON|CORE_PYTHON|UV|CACHE_DIR|KEYVAULT|RECORD_DIFF)"
)
# These lead to libraries of the session, which must not stand before those of an environment.
_OF_LIBRARIES = re.compile(
    r"R_(?:LIBS\w*|PROFILE\w*|ENVIRON\w*)|PYTHON(?:PATH|HOME|USERBASE)|VIRTUAL_ENV|CONDA_\w+|MAMBA_\w+|PYENV_\w+"
    r"|RETICULATE_\w+"
)
_HAS_PASSWORD = re.compile(r"//[^/@\s]+:[^/@\s]+@")
_READS = re.compile(
    r"""Sys\.getenv\(\s*(?:c\(\s*)?["'](\w+)["']"""
    r"""|os\.(?:getenv\(|environ(?:\.get\(|\[))\s*["'](\w+)["']"""
)
_SHELL_READS = re.compile(r"\$\{?([A-Za-z_]\w*)")
# What each shell sets itself.
_OF_SHELLS = frozenset(("PWD", "OLDPWD", "SHLVL", "IFS", "PS1", "PS2", "PS4", "PPID", "OPTIND", "_"))


def inherited_variables(session: Session) -> Dict[str, str]:
    """The session's variables that a job inherits."""
    variables = _all(session)
    found = {}
    for name in variables:
        is_plain, is_known = _kind(name)
        if is_plain or (is_known and not _HAS_PASSWORD.search(variables[name])):
            found[name] = variables[name]
    return _without_job(found, variables)


def for_environment(variables: Mapping[str, str]) -> Dict[str, str]:
    """Of those the ones that a job with an environment inherits."""
    return {name: value for name, value in variables.items() if not _OF_LIBRARIES.fullmatch(name)}


def notes_on_missing(session: Session, job: Mapping[str, str], script: Optional[str], command: object) -> List[str]:
    """What to tell of the session's variables that a job reads and does not have.

    Args:
        script: Path of its entry script; None for a command.
        command: Its command; None for a script.
    """
    theirs = _all(session)
    names = [name for name in _named(script, command) if name in theirs and name not in job and name not in _OF_SHELLS]
    secret = [name for name in names if looks_secret(name) or _HAS_PASSWORD.search(theirs[name])]
    plain = [name for name in names if name not in secret and not name.startswith("ESPALIER_")]
    notes = []
    if plain:
        given = ", ".join(f'{name} = Sys.getenv("{name}")' for name in plain)
        notes.append(
            f"The job reads {', '.join(plain)}, which this session has and jobs do not inherit. "
            f"To pass it on: environment_variables = list({given})."
        )
    if secret:
        kind, it = ("secrets", "them") if len(secret) > 1 else ("a secret", "it")
        notes.append(
            f"The job reads {', '.join(secret)}, which may be {kind}. Jobs don't inherit secrets. "
            f"Keep {it} with set_secrets(), name {it} in `secrets` of the job, and "
            f"read {it} with get_secrets_from_run()."
        )
    return notes


def _all(session: Session) -> Mapping[str, str]:
    return os.environ if session.environment is None else session.environment


def _without_job(variables: Dict[str, str], session: Mapping[str, str]) -> Dict[str, str]:
    """The same without what the runner gave the session, if that is itself a job."""
    run = session.get("ESPALIER_RUN_DIR")
    if not run:
        return variables
    if "R_PROFILE_USER" in variables:  # the runner's; the job's own, if it had one, was put aside
        variables["R_PROFILE_USER"] = session.get("ESPALIER_PREVIOUS_R_PROFILE_USER", "")
    for name in ("PYTHONPATH", "TMPDIR"):
        parts = variables.get(name, "").split(os.pathsep)
        variables[name] = os.pathsep.join(part for part in parts if not part.startswith(os.path.join(run, "")))
    return {name: value for name, value in variables.items() if value}


@lru_cache(maxsize=4096)
def _kind(name: str) -> Tuple[bool, bool]:
    """Whether a variable is inherited with any value, and whether it is unless its value holds a password. (A session
    submits with the same variables again and again.)"""
    is_plain = bool(_PLAIN.fullmatch(name))
    return is_plain, not is_plain and bool(_FAMILIES.fullmatch(name)) and not looks_secret(name)


def _named(script: Optional[str], command: object) -> List[str]:
    """The variables that a program reads by name, each once."""
    text, pattern = command if isinstance(command, str) else "", _SHELL_READS
    if script is not None:
        pattern = _READS if script.lower().endswith((".r", ".py")) else _SHELL_READS
        text = text_of(*os.path.split(script))
    return list(dict.fromkeys(name for found in pattern.finditer(text) for name in found.groups() if name))
