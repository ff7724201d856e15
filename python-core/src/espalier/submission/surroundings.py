"""What a job finds around it: inherited variables, R and Python libraries; and the key of all that."""

import glob
import os
import re
import sys
from typing import Any, Dict, List, NamedTuple, Optional

from espalier.canonical import digest
from espalier.config import ScriptRunConfig, Session
from espalier.environment.secret_names import looks_secret
from espalier.paths import JOB_PYTHON, JOB_R
from espalier.submission.environment import IMAGE, SESSION, Chosen

# What a job may inherit from the session that submits it (protocol.md, "What a job inherits").
_INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|R_LIBS|R_LIBS_USER|R_LIBS_SITE|LD_LIBRARY_PATH"
    r"|XDG_\w+|(?i:https?_proxy|ftp_proxy|no_proxy|all_proxy)"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|PIP_CERT"
)
# Of these the ones that name files and folders of the host say nothing in a container, whose own count.
_IN_CONTAINER = re.compile(r"TZ|(?i:https?_proxy|ftp_proxy|no_proxy|all_proxy)")
# (a library of the session must not stand before that of the environment)
_OF_R_LIBRARIES = ("R_LIBS", "R_LIBS_USER", "R_LIBS_SITE")


class Surroundings(NamedTuple):
    """The job's variables, and the record of them."""

    variables: Dict[str, str]
    links: Dict[str, str]
    record: Dict[str, Any]
    inherited: List[str]


def surroundings(
    config: ScriptRunConfig, source: Optional[str], language: str, chosen: Optional[Chosen] = None
) -> Surroundings:
    """Put together what the job will find around it.

    Args:
        source: The folder that was frozen.
        language: Of the script.
        chosen: The environment it asks for.
    """
    session = config.session
    variables = inherited_variables(config, _IN_CONTAINER if chosen and chosen.how == IMAGE else _INHERITED)
    inherited = sorted(variables)
    if chosen is not None:
        return _with_environment(config, language, chosen, variables)
    links = {JOB_PYTHON + "/espalier": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    r_record = _r_libraries(session, source, variables)
    if session.r_package:
        links[JOB_R + "/espalier"] = session.r_package
    variables.update(config.environment_variables)
    record: Dict[str, Any] = {
        "how": SESSION,
        "variables": {name: _shown(name, value) for name, value in sorted(config.environment_variables.items())},
        "r": r_record,
        "python": {"interpreter": session.python or sys.executable} if language == "python" else None,
    }
    # (of variables that look secret only the name: a digest would let others try passwords)
    record["key"] = digest({name: part for name, part in record.items() if name != "how"})
    return Surroundings(variables, links, record, inherited)


def inherited_variables(config: ScriptRunConfig, allowed: "re.Pattern[str]" = _INHERITED) -> Dict[str, str]:
    """The session's variables that a job may inherit."""
    theirs = os.environ if config.session.environment is None else config.session.environment
    return {name: value for name, value in theirs.items() if allowed.fullmatch(name)}


def _with_environment(
    config: ScriptRunConfig, language: str, chosen: Chosen, variables: Dict[str, str]
) -> Surroundings:
    """What the environment says counts in place of what the session has."""
    inherited, session = sorted(variables), config.session
    links = {JOB_PYTHON + "/espalier": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    if session.r_package:
        links[JOB_R + "/espalier"] = session.r_package
    for name in _OF_R_LIBRARIES:
        variables.pop(name, None)
    variables.update(chosen.environment.variables)
    variables.update(config.environment_variables)
    asked = {**chosen.environment.variables, **config.environment_variables}
    here = chosen.how != IMAGE
    record: Dict[str, Any] = {
        "variables": {name: _shown(name, value) for name, value in sorted(asked.items())},
        "r": {"rscript": session.rscript, "version": session.r_version} if here and language == "r" else None,
        "python": {"interpreter": session.python or sys.executable} if here and language == "python" else None,
    }
    asks = chosen.record()
    variables_of = asks["definition"]["variables"]
    # (nothing is made of them; a definition that is read back without one is missed sooner than one with stars)
    asks["definition"]["variables"] = {name: value for name, value in variables_of.items() if not looks_secret(name)}
    record["key"] = digest({**record, "how": chosen.how, "definition": asks["definition_digest"]})
    return Surroundings(variables, links, {**record, **asks}, inherited)


def _shown(name: str, value: str) -> str:
    return "<hidden>" if looks_secret(name) else value


def _r_libraries(session: Session, source: Optional[str], variables: Dict[str, str]) -> Dict[str, Any]:
    """Point the job's R at the submitting session's libraries, or at the project's own renv library."""
    renv = renv_library(source, session.r_version) if source else None
    if renv is not None:
        variables["R_LIBS"] = renv
        variables["R_LIBS_USER"] = "NULL"  # a word R documents: no user library
        # the project's .Rprofile would activate renv, which may download and install; its library is enough
        variables["RENV_CONFIG_AUTOLOADER_ENABLED"] = "FALSE"
    elif session.library_paths:
        variables["R_LIBS"] = os.pathsep.join(session.library_paths)
    return {
        "rscript": session.rscript,
        "version": session.r_version,
        "library_paths": [renv] if renv else list(session.library_paths),
        "renv": renv,
    }


def renv_library(source: str, r_version: Optional[str]) -> Optional[str]:
    """The library of a project that uses renv, if it has been restored; None otherwise.

    renv keeps it at `renv/library/[<os>/]R-<major.minor>/<platform>`.
    """
    if not os.path.isfile(os.path.join(source, "renv", "activate.R")):
        return None
    minor = ".".join(r_version.split(".")[:2]) if r_version else "*"
    base = glob.escape(os.path.join(os.path.abspath(source), "renv", "library"))
    for pattern in (f"{base}/R-{minor}/*", f"{base}/*/R-{minor}/*"):
        found = sorted(path for path in glob.glob(pattern) if os.path.isdir(path))
        if found:
            return found[-1]
    return None
