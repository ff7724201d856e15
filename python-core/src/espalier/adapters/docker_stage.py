"""A step of a build that is no Dockerfile: a container of an image does something, and becomes the next image."""

import codecs
import contextlib
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from espalier.adapters.docker import engine, streamed, translated, waited
from espalier.base.errors import EspalierError


class Mount(NamedTuple):
    """A folder or file of this machine as the container sees it; without a source one of the container alone."""

    source: str
    target: str
    writable: bool = False


class Ended(NamedTuple):
    """How a container ended."""

    status: int
    out_of_memory: bool


@contextlib.contextmanager
def stage_container(
    image: str, command: Sequence[str], mounts: Sequence[Mount], variables: Mapping[str, str],
    labels: Mapping[str, str], network: str, platform: Optional[str] = None,
) -> Iterator[str]:
    """A container that has been created and not started; it is gone after the block, in any case.

    It runs as root, with the engine's own limits and nothing of the host but the mounts.

    Raises:
        EspalierError: as `docker.translated`.
    """
    with translated(f"Can't create a container of {image}"):
        api = engine().api
        settings: Dict[str, Any] = {
            "network_mode": network,
            "init": True,
            "log_config": {"Type": "none"},
            "mounts": [_mount(mount) for mount in mounts],
            # (what packages bring runs as users of its own, and shall not become root by a program of the image)
            "security_opt": ["no-new-privileges"],
        }
        created = api.create_container(
            image, entrypoint=list(command), user="0:0", working_dir="/",
            environment=dict(variables), labels=dict(labels), host_config=api.create_host_config(**settings),
            platform=platform,
        )
    container = str(created["Id"])
    try:
        yield container
    finally:
        remove_container(container)


def run_to_end(container: str, hear: Callable[[str], None]) -> Ended:
    """Start a container and hear it out.

    Args:
        hear: Takes what it says, in pieces as they come.

    Raises:
        EspalierError: as `docker.translated`.
        Cancelled: called off; the container still runs.
    """
    what = "A container of the build was to run"

    def call(api: Any) -> Iterator[bytes]:
        # (attached before it starts: of what is said in its last moment the engine's own log gives nothing at times)
        stream = api.attach(container, stdout=True, stderr=True, stream=True, logs=False)
        api.start(container)
        return iter(stream)

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in streamed(what, call):
        hear(decoder.decode(piece))
    hear(decoder.decode(b"", True))
    waited(what, lambda api: api.wait(container))
    with translated(what):
        state = engine().api.inspect_container(container)["State"]
    return Ended(int(state["ExitCode"]), bool(state.get("OOMKilled")))


def commit_container(
    container: str, like: Mapping[str, Any], labels: Mapping[str, str], variables: Mapping[str, str]
) -> str:
    """Make an image of a container's files.

    Args:
        like: What is known of the image it was made from: the new one starts the same program as the same user.
    """
    config = like.get("Config") or {}
    # What is empty here is taken from the container; so that has no command, and an empty list is not nothing.
    wanted = {
        "Entrypoint": config.get("Entrypoint") or [],
        "Cmd": config.get("Cmd") or [],
        "User": config.get("User") or "",
        "WorkingDir": config.get("WorkingDir") or "/",
        "Labels": dict(labels),
        "Env": [f"{name}={value}" for name, value in sorted(variables.items())],
    }
    what = "Can't create the image of a build step"
    done = waited(what, lambda api: api.commit(container, conf=wanted))
    return str(done["Id"])


def containers_with(labels: Mapping[str, str]) -> List[Dict[str, Any]]:
    """All containers with these labels, running or not; a label whose value is empty may have any."""
    wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
    with translated("The engine's containers were to be listed"):
        return [dict(found) for found in engine().api.containers(all=True, filters={"label": wanted})]


def remove_container(container: str) -> bool:
    """End a container and remove it; False when there is none, or the engine does not answer."""
    try:
        with translated("Can't remove a container"):
            engine().api.remove_container(container, v=True, force=True)
    except EspalierError:
        return False
    return True


def _mount(mount: Mount) -> Dict[str, Any]:
    if not mount.source:
        return {"Type": "volume", "Target": mount.target}
    # (not the short form of -v: a path may have colons, and what is missing must be an error, not a new folder)
    return {
        "Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": not mount.writable,
    }
