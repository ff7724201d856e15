"""Locking: the exact packages of a whole definition."""

import contextlib
import os
import ssl
from typing import List, Optional

from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import digest_bytes
from espalier.base.records import make_folders, replace_file
from espalier.environment.definition import Environment
from espalier.environment.lock import Lock, RSource
from espalier.provision.packages.conda import lock_conda
from espalier.provision.packages.gateway import take_credentials
from espalier.provision.packages.hidden import Hidden
from espalier.provision.packages.pyenv import PythonHost, lock_python, own_version, uv_variables
from espalier.provision.packages.resolve import RHost, resolve_r
from espalier.provision.packages.sources import Secrets, Tell, no_secrets, silent


def resolve(
    environment: Environment,
    cache: CachePaths,
    r: Optional[RHost] = None,
    python: Optional[PythonHost] = None,
    secrets: Secrets = no_secrets,
    tell: Tell = silent,
    conda_platform: Optional[str] = None,
) -> Lock:
    """Resolve what a definition asks for to exact versions.

    Args:
        r: The R that is resolved for.
        python: The Python that is resolved for; with a conda part the channels' own.
        tell: Called with a line for each thing that may take time.
        conda_platform: `linux-64`; None: this machine's.

    Raises:
        EspalierError: `package_missing`, `lock_failed`, `secret_missing`, `interpreter_missing`, `extra_missing`.
    """
    hidden = secrets if isinstance(secrets, Hidden) else Hidden(secrets)
    with hidden.in_errors():
        return _resolved(environment, cache, r, python, hidden, tell, conda_platform)


def _resolved(
    environment: Environment, cache: CachePaths, r: Optional[RHost], python: Optional[PythonHost], secrets: Secrets,
    tell: Tell, conda_platform: Optional[str],
) -> Lock:  # fmt: skip
    host = r or RHost(environment.r.version if environment.r else None)
    sources: List[RSource] = []
    if environment.r is not None and environment.r.is_managed:
        certificate = environment.docker.ca_certificate if environment.docker else None
        sources = resolve_r(cache, environment.r, host, secrets, tell, certificate)
    locked, conda, python_version = [], [], None
    side = environment.python
    if side is not None and side.is_managed:
        chosen = python or PythonHost(side.version)
        certificate_file = trusted(environment, cache)
        if side.conda is not None:
            variables = take_credentials(uv_variables(environment, cache, secrets, certificate_file))[0]
            found = lock_conda(side, cache, variables, conda_platform, tell)
            conda, chosen = found.urls, PythonHost(found.python, platform=chosen.platform)
        locked = lock_python(environment, cache, chosen, secrets, tell, certificate_file)
        python_version = ".".join((chosen.version or own_version()).split(".")[:2])
    return Lock(tuple(sources), tuple(locked), tuple(conda), python_version, host.version if sources else None)


def trusted(environment: Environment, cache: CachePaths) -> Optional[str]:
    """A file of certificate authorities for programs that read one: the machine's and the definition's own. None
    where the definition has none."""
    own = environment.docker.ca_certificate if environment.docker else None
    if not own:
        return None
    machine = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    data = b""
    if machine:
        with contextlib.suppress(OSError), open(machine, "rb") as file:
            data = file.read().rstrip(b"\n") + b"\n"
    data += own.encode()
    make_folders(cache.builds)
    path = cache.authorities(digest_bytes(data).partition(":")[2])
    if not os.path.exists(path):
        replace_file(path, data, cache.builds)
    return path
