"""Python environments by uv: which exact packages, and installing them."""

import configparser
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Sequence
from urllib.parse import urlsplit, urlunsplit

from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.base.extras import folder_of, missing
from espalier.environment.definition import Environment, PythonSide
from espalier.environment.requirements import CONSTRAINT, PREFER_BINARY, TRUSTED_HOST, package_name
from espalier.provision.packages.gateway import guarded
from espalier.provision.packages.sources import Secrets, Tell, no_secrets, silent
from espalier.provision.packages.tools import run

# What uv is told by the machine that it runs on, and what it may know where a definition names no index.
_MACHINE = re.compile(r"UV_(HTTP_TIMEOUT|REQUEST_TIMEOUT|SYSTEM_CERTS|NATIVE_TLS|PYTHON_\w+|CONCURRENT_\w+|OFFLINE)")
_INDEXES = re.compile(r"UV_(DEFAULT_INDEX|INDEX|INDEX_\w+|EXTRA_INDEX_URL|FIND_LINKS|INSECURE_HOST|KEYRING_PROVIDER)")
# What would let another Python environment shine through.
_OTHERS = re.compile(r"(UV|PIP|CONDA|VIRTUAL_ENV|PYTHON(HOME|PATH|STARTUP|USERBASE))(_.*)?")

_HASH = re.compile(r"\s*--hash[= ](\S+)")


@dataclass(frozen=True)
class PythonHost:
    """The Python that packages are resolved for.

    Args:
        version: `3.11` or `3.11.9`; None: that of espalier's own Python.
        interpreter: A Python of this machine to build source packages with; None: espalier's own.
        platform: How uv calls the platform of an image, `x86_64-unknown-linux-gnu`; None: as this machine.
    """

    version: Optional[str] = None
    interpreter: Optional[str] = None
    platform: Optional[str] = None


def find_uv() -> str:
    """Where uv is: named by ESPALIER_UV, on PATH, or the package that came with espalier. Raises EspalierError:
    `extra_missing`."""
    found = _uv()
    if found is None:
        raise missing("packages")
    return found


def has_uv() -> bool:
    """Whether there is a uv."""
    return _uv() is not None


def _uv() -> Optional[str]:
    chosen = os.environ.get("ESPALIER_UV")
    if chosen and os.access(chosen, os.X_OK):
        return os.path.abspath(chosen)
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    found = shutil.which("uv") or (beside if os.access(beside, os.X_OK) else None)
    if found is None and folder_of("uv") is not None:
        from uv import find_uv_bin

        found = str(find_uv_bin())
    return found


def own_version() -> str:
    """The version of Python where a definition asks for none, `3.11`: espalier's own."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def uv_variables(
    environment: Environment, cache: CachePaths, secrets: Secrets = no_secrets, certificate_file: Optional[str] = None
) -> Dict[str, str]:
    """All variables of a process of uv: a cache for all workspaces, and the indexes of the definition with their
    password. What builds packages is given them by `gateway.guarded` alone, which takes passwords out.

    Args:
        certificate_file: Authorities to trust instead of those of the machine.

    Raises:
        EspalierError: `secret_missing`.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not _OTHERS.fullmatch(name) or _MACHINE.fullmatch(name) or _INDEXES.fullmatch(name)
    }
    found = {**kept, "UV_CACHE_DIR": cache.python, "UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1"}
    found.setdefault("UV_LINK_MODE", "hardlink")
    if certificate_file:
        found["SSL_CERT_FILE"] = certificate_file
    side = environment.python or PythonSide()
    configured = _pip_config(environment)
    if side.index_url is None and "UV_DEFAULT_INDEX" not in found and "PIP_INDEX_URL" in os.environ:
        found["UV_DEFAULT_INDEX"] = os.environ["PIP_INDEX_URL"]
    found.update(configured)
    if side.index_url or side.extra_index_urls:
        found.update(_own_indexes(side, secrets))
    trusted = [line.partition(" ")[2] for line in side.pip if line.startswith(TRUSTED_HOST)]
    if trusted:
        found["UV_INSECURE_HOST"] = " ".join([*found.get("UV_INSECURE_HOST", "").split(), *trusted])
    return found


def _pip_config(environment: Environment) -> Dict[str, str]:
    """What uv has to know of a pip.conf, which it does not read."""
    text = environment.docker.pip_config if environment.docker else None
    if not text:
        return {}
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        message = f"Can't read docker.pip_config: it isn't a pip.conf: {error}."
        raise EspalierError("environment_invalid", message, field="docker.pip_config") from None
    said: Dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            said.update({name.replace("_", "-"): " ".join(value.split()) for name, value in parser.items(section)})
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    names["trusted-host"] = "UV_INSECURE_HOST"
    return {names[name]: value for name, value in said.items() if name in names and value}


def _own_indexes(side: PythonSide, secrets: Secrets) -> Dict[str, str]:
    """The definition's own indexes; the password belongs to the first of them."""
    password = secrets(side.index_password) if side.index_password else None
    named = [("espalier", side.index_url)] if side.index_url else []
    named += [(f"espalier{number}", url) for number, url in enumerate(side.extra_index_urls, 1)]
    found: Dict[str, str] = {}
    addresses: Dict[str, str] = {}
    for number, (name, url) in enumerate(named):
        parts = urlsplit(url or "")
        user, _, host = parts.netloc.rpartition("@")
        addresses[name] = f"{name}={urlunsplit(parts._replace(netloc=host))}"
        if number == 0 and password is not None:
            user = user or "__token__"
            found[f"UV_INDEX_{name.upper()}_PASSWORD"] = password
        if user:
            found[f"UV_INDEX_{name.upper()}_USERNAME"] = user
    if side.index_url:
        found["UV_DEFAULT_INDEX"] = addresses.pop("espalier")
    if addresses:
        found["UV_INDEX"] = " ".join(addresses.values())
    return found


# Options that uv doesn't find in requirements files: they decide what is locked, and with what it is fetched.
_NOT_UVS = (CONSTRAINT, PREFER_BINARY, TRUSTED_HOST)


def options_of(side: PythonSide) -> List[str]:
    """Those lines of a definition that are options of uv, `--no-binary numpy`; they hold for locking and installing."""
    return [line for line in side.pip if line.startswith("-") and not line.startswith(_NOT_UVS)]


def lock_python(
    environment: Environment,
    cache: CachePaths,
    host: PythonHost,
    secrets: Secrets = no_secrets,
    tell: Tell = silent,
    certificate_file: Optional[str] = None,
) -> List[str]:
    """All Python packages that the pip lines of a definition take.

    Args:
        host: The Python that is resolved for.
        tell: Called with a line for each thing that may take time.
        certificate_file: Authorities to trust instead of those of the machine.

    Returns:
        Lines of a requirements file, `name==version --hash=sha256:...`.

    Raises:
        EspalierError: `package_missing`, `lock_failed`, `interpreter_missing`, `secret_missing`.
    """
    side = environment.python or PythonSide()
    if not any(not line.startswith("-") for line in side.pip):
        return []
    tell("Resolving Python packages")
    argv = [find_uv(), "pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    argv += ["--python", host.interpreter or sys.executable, "--python-version", host.version or own_version()]
    if host.platform:
        argv += ["--python-platform", host.platform]
    variables = uv_variables(environment, cache, secrets, certificate_file)
    # wheels alone first, as pip prefers them then; sources where these do not do
    attempts = [["--only-binary", ":all:"], []] if PREFER_BINARY in side.pip else [[]]
    said = ""
    for more in attempts:
        locked, said = _compile([*argv, *more], side, variables)
        if locked is not None:
            return with_own_hashes(locked, side.pip)
    raise _unresolved(said)


def _compile(argv: List[str], side: PythonSide, variables: Mapping[str, str]) -> "tuple[Optional[List[str]], str]":
    """Has uv resolve what a definition asks for: the locked lines, or None, and uv's output."""
    with tempfile.TemporaryDirectory(prefix="espalier-lock-") as folder, tempfile.TemporaryFile() as log:
        names = ("requirements.in", "constraints.in", "requirements.txt")
        wanted, constraints, locked = (os.path.join(folder, name) for name in names)
        lines = [*options_of(side), *(line for line in side.pip if not line.startswith("-"))]
        bounds = [line.partition(" ")[2] for line in side.pip if line.startswith(CONSTRAINT)]
        for path, content in ((wanted, lines), (constraints, bounds)):
            with open(path, "w", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in content))
        with guarded(variables) as bare:  # (it builds source distributions, to see what they need)
            status = run([*argv, "--constraints", constraints, "--output-file", locked, wanted], bare, log.fileno())
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip()
        if status != 0:
            return None, said
        with open(locked, encoding="utf-8") as file:
            return requirement_lines(file.read()), said


def with_own_hashes(locked: Sequence[str], asked: Sequence[str]) -> List[str]:
    """Locked lines, with no other hashes of a package than those that the definition gives, if it gives any: uv writes
    those of the index. Raises EspalierError: `lock_failed`, the index has no file with that hash."""
    own = {package_name(line): set(_HASH.findall(line)) for line in asked if "--hash" in line}
    found = []
    for line in locked:
        wanted = own.get(package_name(line))
        if wanted:
            kept = [text for text in _HASH.findall(line) if text in wanted]
            if not kept:
                name = package_name(line)
                message = f"Can't verify the Python package {name}: no file in the index has one of the given hashes."
                raise EspalierError("lock_failed", message, "Find out why before you install it.", package=name)
            line = " ".join([_HASH.sub("", line).strip(), *(f"--hash={text}" for text in kept)])
        found.append(line)
    return found


def requirement_lines(text: str) -> List[str]:
    """The lines of a requirements file, continued ones joined, without options and comments."""
    joined = re.sub(r"[ \t]*\\\n[ \t]*", " ", text)
    lines = (line.strip() for line in joined.split("\n"))
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def _unresolved(said: str) -> EspalierError:
    missing = re.search(r"Because (\S+) was not found in the package registry", said)
    text = re.sub(r"^\s*\S No solution found .*?:\n", "", said)
    if missing:
        message = f"Can't find the Python package {missing[1]} in any index."
        return EspalierError("package_missing", message, f"Check its name.\n{text}", package=missing[1])
    message = f"Can't resolve the Python packages:\n{text[-4000:]}"
    return EspalierError("lock_failed", message, "Ask for other versions.")


def make_venv(
    folder: str, python: str, env: Mapping[str, str], output: int, keep: Sequence[int] = (),
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Make an empty virtual environment; returns uv's exit status.

    Args:
        folder: Where; what is there is replaced.
        python: An interpreter, or a version that uv finds on this machine (or fetches).
        env: See `uv_variables`.
        output: Where uv writes.
        meanwhile: Called again and again until it ends.
    """
    argv = [find_uv(), "venv", "--python", python, "--no-project", "--clear", folder]
    return run(argv, env, output, keep, meanwhile=meanwhile)


def install_command(uv: str, interpreter: str, requirements: str) -> List[str]:
    """How locked packages are installed into an environment, by what `requirements_text` wrote to a file."""
    return [uv, "pip", "install", "--python", interpreter, "--no-deps", "--requirements", requirements]


def requirements_text(side: PythonSide, locked: Sequence[str]) -> str:
    """The requirements file of locked packages, with the options of the definition."""
    return "".join(line + "\n" for line in [*options_of(side), *locked])
