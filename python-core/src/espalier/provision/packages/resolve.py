"""From what a definition asks for to all R packages that it takes, exactly and in an order to install them in."""

import subprocess
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.environment.definition import CranPackage, GithubPackage, RSide, Secret
from espalier.environment.lock import RSource
from espalier.provision.packages.cran_index import (
    Entry,
    Index,
    bioconductor_repositories,
    cran_repositories,
    find,
    not_found,
    read_index,
    repositories,
)
from espalier.provision.packages.fetch import NotThere, without_credentials
from espalier.provision.packages.sources import Secrets, Tell, fetch, find_repository, no_secrets, silent
from espalier.provision.packages.tarballs import read_description
from espalier.provision.packages.versions import RECOMMENDED, Dependency, dependencies, is_version, version_key


@dataclass(frozen=True)
class RHost:
    """The R that packages are resolved for.

    Args:
        version: `4.2.2`, or `4.2` for one whose patch level is not known; None: nothing is known of it.
        platform: `x86_64-pc-linux-gnu`.
        rscript: Its Rscript on this machine; None: it is in an image.
        recommended: Which of R's recommended packages it brings, with their versions; None: that is not known, and
            shows when they are installed.
    """

    version: Optional[str] = None
    platform: Optional[str] = None
    rscript: Optional[str] = None
    recommended: Optional[Mapping[str, str]] = None


@dataclass
class _Chosen:
    """A package that is to be installed."""

    version: str
    origin: str
    url: str
    digest: Optional[str]
    needs: Sequence[Dependency]
    auth_token: Optional[Secret] = None
    # asked for by the definition, in just this version
    pinned: bool = True
    unless_r_has: Optional[str] = None


@dataclass
class _Work:
    cache: CachePaths
    r: RSide
    host: RHost
    secrets: Secrets
    tell: Tell
    certificate: Optional[str]
    indexes: Dict[str, Index] = field(default_factory=dict)

    def index(self, url: str, origin: str = "cran") -> Index:
        """A repository's index, read once."""
        url = url.rstrip("/")
        if url not in self.indexes:
            self.tell(f"Reading the index of {without_credentials(url)}")
            self.indexes[url] = read_index(self.cache, url, origin, self.certificate)
        return self.indexes[url]

    def repositories(self, package: CranPackage) -> List[str]:
        """Where a package is looked for: in the one it names, by its name or address, else in all."""
        if package.repository is None:
            return cran_repositories(self.r)
        return [repositories(self.r).get(package.repository, package.repository)]


def resolve_r(
    cache: CachePaths,
    r: RSide,
    host: RHost,
    secrets: Secrets = no_secrets,
    tell: Tell = silent,
    certificate: Optional[str] = None,
) -> List[RSource]:
    """All packages that the R side of a definition takes.

    R's base packages are left out. A recommended package that is wanted in no particular version is left out where
    the host's R has a version that will do; where that is not known, it is marked for the installer to find out
    (`RSource.unless_r_has`). Of several repositories the first that has a package in a version that will do
    gives it.

    Args:
        host: The R that is resolved for.
        tell: Called with a line for each thing that may take time.
        certificate: PEM text of an authority to trust besides those of the system.

    Returns:
        In an order in which they can be installed.

    Raises:
        EspalierError: `package_missing`, `lock_failed`, `secret_missing`.
    """
    work = _Work(cache, r, host, secrets, tell, certificate)
    chosen = _asked_for(work)
    wishes: Dict[str, List[Tuple[str, Dependency]]] = {}
    todo = sorted(chosen)
    default = _default_indexes(work) if any(_open_needs(one) for one in chosen.values()) else []
    while todo:
        name = todo.pop()
        for need in _open_needs(chosen[name]):
            wishes.setdefault(need.name, []).append((name, need))
            before = chosen.get(need.name)
            if before is None or (not before.pinned and not need.met_by(before.version)):
                found = _choose(work, default, need.name, wishes[need.name])
                if found is not None:
                    chosen[need.name] = found
                    todo.append(need.name)
            elif not need.met_by(before.version):
                raise _conflict(need.name, before, name, need)
    _mark_recommended(chosen, wishes, host)
    return _in_order(chosen)


def _asked_for(work: _Work) -> Dict[str, _Chosen]:
    chosen: Dict[str, _Chosen] = {}
    sides: List[Tuple[str, _Chosen]] = [_cran(work, package) for package in work.r.cran]
    if work.r.bioconductor:
        indexes = _bioconductor_indexes(work)
        sides += [_entry(work, indexes, Dependency(name)) for name in work.r.bioconductor]
    sides += [_github(work, package) for package in work.r.github]
    sides += [_fetched(work, url, "url") for url in work.r.urls]
    for name, one in sides:
        before = chosen.get(name)
        if before is not None and before.url != one.url:
            message = (
                f"Can't install {name} twice: {before.version} ({before.origin}) and {one.version} ({one.origin})."
            )
            raise EspalierError("environment_invalid", message, "Ask for it once.", package=name)
        chosen[name] = one
    return chosen


def _default_indexes(work: _Work) -> List[Index]:
    """Where packages are looked for that others need."""
    found = [work.index(url) for url in cran_repositories(work.r)]
    found += [work.index(url) for package in work.r.cran if package.repository for url in work.repositories(package)]
    found += _bioconductor_indexes(work) if work.r.bioconductor else []
    return list(dict.fromkeys(found))


def _bioconductor_indexes(work: _Work) -> List[Index]:
    urls = bioconductor_repositories(work.r, work.host.version or work.r.version)
    return [work.index(url, "bioconductor") for url in urls]


def _entry(work: _Work, indexes: Sequence[Index], wanted: Dependency) -> Tuple[str, _Chosen]:
    found = find(indexes, [wanted], work.host.version)
    if found is None:
        raise not_found(indexes, wanted, work.host.version)
    return found.name, _of_entry(found, pinned=True)


def _of_entry(entry: Entry, pinned: bool) -> _Chosen:
    return _Chosen(entry.version, entry.origin, entry.url, entry.md5, entry.needs, pinned=pinned)


def _cran(work: _Work, package: CranPackage) -> Tuple[str, _Chosen]:
    indexes = [work.index(url) for url in work.repositories(package)]
    wanted = Dependency(package.name, "==" if package.version else None, package.version)
    found = find(indexes, [wanted], work.host.version)
    if found is not None:
        return package.name, _of_entry(found, pinned=package.version is not None)
    if package.version and not any(
        wanted.met_by(one.version) for index in indexes for one in index.entries(package.name)
    ):
        for index in indexes:
            try:
                return _fetched(work, index.archived(package.name, package.version), "cran")
            except NotThere:
                continue
    raise not_found(indexes, wanted, work.host.version)


def _github(work: _Work, package: GithubPackage) -> Tuple[str, _Chosen]:
    token = work.secrets(package.auth_token) if package.auth_token else None
    work.tell(f"Asking GitHub for {package.repository}")
    repository = find_repository(package, token, work.certificate)
    name, chosen = _fetched(work, repository.url, "github", token)
    chosen.auth_token = package.auth_token
    return name, chosen


def _fetched(work: _Work, url: str, origin: str, token: Optional[str] = None) -> Tuple[str, _Chosen]:
    """A package that is in no index: what it needs stands in itself."""
    shown = without_credentials(url)
    if origin != "cran":  # (of an archive it is tried whether it has the version)
        work.tell(f"Fetching {shown}")
    try:
        digest = fetch(work.cache, url, None, token, work.certificate)
    except NotThere:
        if origin == "cran":
            raise
        raise EspalierError("package_missing", f"Can't find {shown}.", "Check the address.", url=shown) from None
    fields = read_description(work.cache.source(hex_of(digest)), shown)
    return fields["Package"], _Chosen(fields["Version"], origin, url, digest, dependencies(fields))


def _open_needs(chosen: _Chosen) -> List[Dependency]:
    return [need for need in chosen.needs if need.name != "R"]


def _choose(
    work: _Work, indexes: Sequence[Index], name: str, wishes: Sequence[Tuple[str, Dependency]]
) -> Optional[_Chosen]:
    """The newest version that all who need it can do with; None where R brings one."""
    needs = [need for _, need in wishes]
    brought = (work.host.recommended or {}).get(name)
    if brought is not None and all(need.met_by(brought) for need in needs):
        return None
    entry = find(indexes, needs, work.host.version)
    if entry is not None:
        return _of_entry(entry, pinned=False)
    if name in RECOMMENDED and work.host.recommended is None and not work.host.rscript:
        return None  # it is likely to come with the R of the image, and R says so when it does not
    user, need = wishes[-1]
    if find(indexes, [need], work.host.version) is not None:  # each wish can be met, but not all of them
        wanted = ", ".join(f"{user} needs {need}" for user, need in wishes)
        message = f"Can't find a version of {name} for all packages that need it: {wanted}."
        raise EspalierError("lock_failed", message, "Ask for other versions of these packages.", package=name)
    raise not_found(indexes, need, work.host.version, user)


def _conflict(name: str, chosen: _Chosen, user: str, need: Dependency) -> EspalierError:
    message = f"Can't use {name} {chosen.version}, which the definition asks for: {user} needs {need}."
    return EspalierError("lock_failed", message, f"Ask for another version of {name}, or of {user}.", package=name)


def _mark_recommended(
    chosen: Dict[str, _Chosen], wishes: Mapping[str, List[Tuple[str, Dependency]]], host: RHost
) -> None:
    """Lets R's own recommended packages do, where they do."""
    for name in sorted(RECOMMENDED & set(chosen)):
        one = chosen[name]
        if one.pinned or one.origin != "cran":
            continue
        needs = [need for _, need in wishes.get(name, [])]
        least = [need.version for need in needs if need.operator in (">=", ">") and need.version]
        if host.recommended is None:
            if all(need.operator in (None, ">=") for need in needs):
                one.unless_r_has = max(least, key=version_key, default="0")
        elif name in host.recommended and all(need.met_by(host.recommended[name]) for need in needs):
            del chosen[name]


def _in_order(chosen: Mapping[str, _Chosen]) -> List[RSource]:
    """Each after what it needs. Raises EspalierError: `lock_failed`, packages need each other in a circle."""
    placed: List[RSource] = []
    done: Set[str] = set()
    needs = {name: sorted({need.name for need in _open_needs(one)} & set(chosen)) for name, one in chosen.items()}
    left = sorted(chosen)
    while left:
        free = [name for name in left if done.issuperset(needs[name])]
        if not free:
            message = f"Can't order these packages, which need each other in a circle: {', '.join(left)}."
            raise EspalierError("lock_failed", message, "Leave one of them out.", packages=left)
        for name in free:
            one = chosen[name]
            source = RSource(
                name, one.version, one.origin, one.url, one.digest, tuple(needs[name]), one.auth_token, one.unless_r_has
            )
            placed.append(source)
            done.add(name)
        left = [name for name in left if name not in done]
    return placed


# R code that tells it, for the packages that are its arguments.
QUESTION = """
cat("R ", format(getRversion()), "\\n", R.version$platform, "\\n", sep = "")
for (name in commandArgs(TRUE)) {
  file <- file.path(.Library, name, "DESCRIPTION")
  if (file.exists(file)) cat(name, " ", read.dcf(file, "Version")[[1]], "\\n", sep = "")
}
"""


def ask_r(rscript: Optional[str]) -> RHost:
    """Version, platform and recommended packages of an R. Raises EspalierError: `interpreter_missing`, there is none or
    it does not run."""
    if rscript is None:
        message = "Can't resolve R packages: this machine has no R."
        raise EspalierError("interpreter_missing", message, "Install R, or use Docker.")
    argv = [rscript, "--vanilla", "-e", QUESTION, *sorted(RECOMMENDED)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EspalierError("interpreter_missing", f"Can't run {rscript}: {error}.") from None
    found = answered(done.stdout.splitlines(), rscript) if done.returncode == 0 else None
    if found is None:
        raise EspalierError("interpreter_missing", f"Can't run {rscript}: {done.stderr.strip()[-300:]}")
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
