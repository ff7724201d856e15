"""R packages as renv.lock and DESCRIPTION files describe them, as the R side of a definition."""

import warnings
from typing import Any, Dict, List, Mapping, Optional, Sequence

from espalier.base.model.codec import shown
from espalier.environment.definition import CranPackage, GithubPackage, PythonSide, RSide
from espalier.environment.spelling import invalid

_SECTIONS = ("R", "Python", "Bioconductor", "Packages", "renv")
_FORMATS = (1, 2)


def renv_sides(lock: object, where: str) -> "tuple[RSide, Optional[PythonSide]]":
    """The sides of a definition that a renv.lock describes.

    Raises:
        EspalierError: `environment_invalid` when it is none, is of a format not known, or has a package of a source
            that an environment cannot have.
    """
    if not isinstance(lock, Mapping) or not isinstance(lock.get("Packages"), Mapping):
        raise invalid(where, "isn't a renv.lock: it has no Packages.", "renv::snapshot() writes one.")
    unknown = [name for name in lock if name not in _SECTIONS]
    version = lock.get("Version", lock.get("version", 1))
    if unknown or version not in _FORMATS:
        seen = f"version {shown(str(version))}" if version not in _FORMATS else f"with {shown(str(unknown[0]))}"
        hint = "Write it with renv 0.8 or later."
        raise invalid(where, f"is a renv.lock of a format that is not known, {seen}.", hint)
    r = lock.get("R") or {}
    repositories = {}
    for one in r.get("Repositories") or []:
        if not isinstance(one, Mapping) or "Name" not in one or "URL" not in one:
            raise invalid(where, "isn't a renv.lock: a repository has no Name and URL.")
        repositories[str(one["Name"])] = str(one["URL"]).rstrip("/")
    packages = [{"Package": name, **_entry(fields, where)} for name, fields in lock["Packages"].items()]
    python = lock.get("Python")
    side = PythonSide(version=str(python["Version"])) if isinstance(python, Mapping) and "Version" in python else None
    return r_side(packages, _text(r.get("Version")), repositories, where), side


def r_side(
    packages: Sequence[Mapping[str, Any]], version: Optional[str], repositories: Dict[str, str], where: str
) -> RSide:
    """The R side of a definition from packages, each with the fields of its DESCRIPTION.

    Args:
        packages: `Package`, `Version`, and where it came from: `Source` as renv has it, `Repository`, `Remote...`.

    Raises:
        EspalierError: `environment_invalid`.
    """
    cran: List[CranPackage] = []
    github: List[GithubPackage] = []
    urls: List[str] = []
    bioconductor: List[str] = []
    unknown: List[str] = []
    for one in sorted(packages, key=lambda one: str(one["Package"])):
        kind, name = _kind(one), str(one["Package"])
        if kind == "repository":
            cran.append(CranPackage(name, _text(one.get("Version")), _repository(one, repositories)))
        elif kind == "bioconductor":
            bioconductor.append(name)
        elif kind == "github":
            github.append(_github(one, where))
        elif kind == "url" and one.get("RemoteUrl"):
            urls.append(str(one["RemoteUrl"]))
        elif kind == "unknown":
            unknown.append(name)
            cran.append(CranPackage(name, _text(one.get("Version"))))
        else:
            source = one.get("Source") or one.get("RemoteType")
            raise invalid(
                where, f"has the package {shown(name)} from {shown(str(source))}, which isn't supported.",
                "Install it from a repository, from GitHub, or by its URL in custom_url_packages.",
            )  # fmt: skip
    if unknown:
        warnings.warn(
            f"These packages have no known origin and are looked up in the repositories: "
            f"{', '.join(unknown)}.",
            stacklevel=4,
        )
    return RSide(
        version=version, repositories=repositories, cran=tuple(cran), github=tuple(github), urls=tuple(urls),
        bioconductor=tuple(bioconductor),
    )  # fmt: skip


def _kind(one: Mapping[str, Any]) -> str:
    source = str(one.get("Source") or one.get("RemoteType") or "").lower()
    if source in ("repository", "cran", "standard") or (not source and one.get("Repository")):
        return "bioconductor" if str(one.get("Repository", "")).startswith("Bioconductor") else "repository"
    if source in ("bioconductor", "bioc") or (not source and one.get("biocViews")):
        return "bioconductor"
    return source or "unknown"


def _repository(one: Mapping[str, Any], repositories: Mapping[str, str]) -> Optional[str]:
    """Where a package is to be found, unless any of the repositories will do."""
    name = str(one.get("Repository") or "")
    if "://" in name:
        return name
    return name if name in repositories and name != "CRAN" else None


def _github(one: Mapping[str, Any], where: str) -> GithubPackage:
    host = str(one.get("RemoteHost") or "api.github.com")
    if host not in ("api.github.com", "github.com"):
        raise invalid(where, f"has the package {shown(str(one['Package']))} from {shown(host)}, which is not GitHub.")
    repository = f"{one.get('RemoteUsername', '')}/{one.get('RemoteRepo', '')}"
    ref = _text(one.get("RemoteSha")) or _text(one.get("RemoteRef"))
    return GithubPackage(repository, _text(one.get("RemoteSubdir")), ref)


def _entry(fields: object, where: str) -> Mapping[str, Any]:
    if not isinstance(fields, Mapping) or not isinstance(fields.get("Version"), str):
        raise invalid(where, "isn't a renv.lock: a package has no Version.")
    return fields


def _text(value: object) -> Optional[str]:
    return str(value) if value not in (None, "", "HEAD") else None
