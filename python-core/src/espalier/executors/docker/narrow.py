"""What a job in a container may give the container of a child that it asks for: no more than its own has."""

from dataclasses import replace
from typing import Any, Dict, Mapping

from espalier.base.docker_options import DockerOptions
from espalier.base.errors import EspalierError
from espalier.base.model.job import JobSpec
from espalier.executors.contract import TooWide


def narrowed(asked: Mapping[str, Any], spec: JobSpec) -> Dict[str, Any]:
    """The fields of a child that is asked for, its container as its parent's is. See `Executor.narrowed`."""
    own, wanted = DockerOptions(**spec.container._asdict()), asked.get("docker")
    return {**asked, "docker": own if not isinstance(wanted, Mapping) else _narrowed(_options(wanted), own)}


def _options(wanted: Mapping[str, Any]) -> DockerOptions:
    known = {str(name): item for name, item in wanted.items() if item is not None}
    try:
        return DockerOptions(**known)
    except TypeError:
        raise EspalierError("bad_argument", f"docker: an unknown option among {', '.join(known)}.") from None


def _narrowed(wanted: DockerOptions, own: DockerOptions) -> DockerOptions:
    if wanted.network not in (own.network, "none"):
        raise TooWide(f"the network {wanted.network}, and its own is {own.network}")
    if wanted.user not in (None, own.user):
        raise TooWide(f"the user {wanted.user}, and its own is {own.user or 'the one that submitted it'}")
    mounts = {}
    for here, there in wanted.places.items():
        original = next((path for path, place in own.places.items() if here in (path, place)), None)
        if original is None:
            raise TooWide(f"the mount {here}, which it doesn't have")
        mounts[original] = there
    return replace(wanted, mounts=mounts, user=own.user)
