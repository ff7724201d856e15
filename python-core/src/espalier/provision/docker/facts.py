"""What the system stage of an image has: asked once in a container of it, and kept."""

import shlex
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, Optional

from espalier.adapters.docker_images import find_image
from espalier.adapters.docker_stage import run_to_end, stage_container
from espalier.adapters.file_locks import locked
from espalier.base.canonical import hex_of
from espalier.base.paths import FORMAT
from espalier.base.records import make_folders, readable_record, replace_record
from espalier.environment.lock import Lock, known_lock
from espalier.provision.docker.stages import Builder, failed, labels_while_building, stage_lock
from espalier.provision.packages.resolve import QUESTION, RHost, answered
from espalier.provision.packages.versions import RECOMMENDED

_PYTHON = r"""
import platform, sys
sys.stdout.write("python %s %s\n" % (platform.python_version(), sys.executable))
"""
_ASK = f"""
ID=unknown; VERSION_ID=0
[ -r /etc/os-release ] && . /etc/os-release
echo "system $ID-$VERSION_ID"
for name in python3 python; do
  if command -v "$name" > /dev/null; then
    "$name" -c {shlex.quote(_PYTHON)}
    break
  fi
done
if command -v Rscript > /dev/null; then
  echo "R follows"
  Rscript --vanilla -e {shlex.quote(QUESTION)} {' '.join(sorted(RECOMMENDED))}
fi
"""


@dataclass(frozen=True)
class Facts:
    """What a system stage has.

    Args:
        system: Processor, system and release, `x86_64-linux-debian-12`.
        python: The version of its Python, None if it has none.
        interpreter: Where that is.
        r: Its R, None if it has none.
    """

    system: str
    python: Optional[str] = None
    interpreter: Optional[str] = None
    r: Optional[RHost] = None


def facts_of(builder: Builder, key: str, image: str, platform: Optional[str] = None) -> Facts:
    """What a system stage has, as far as packages are concerned.

    Args:
        builder: Where that is kept.
        platform: Such as `linux/amd64`.

    Raises:
        EspalierError: `build_failed` when nothing can be run in it; `docker_unavailable`.
    """
    known = _known(builder, key)
    if known is not None:
        return known
    with locked(stage_lock(builder.cache, key)):  # (else its container would be taken for a dead builder's)
        return _known(builder, key) or _asked(builder, key, image, platform)


def _known(builder: Builder, key: str) -> Optional[Facts]:
    known = _read(builder, key).get("facts")
    if not isinstance(known, dict):
        return None
    r = known.get("r")
    return Facts(known["system"], known["python"], known["interpreter"], RHost(**r) if r else None)


def _asked(builder: Builder, key: str, image: str, platform: Optional[str]) -> Facts:
    builder.log.step("Looking what the base image has")
    said: List[str] = []
    labels = labels_while_building(builder.cache, key)
    with stage_container(image, ["/bin/sh", "-c", _ASK], [], {}, labels, "none", platform) as one:
        ended = run_to_end(one, said.append)
    _, begun, text = "".join(said).partition("system ")
    if ended.status != 0 or not begun:
        builder.log.hear("".join(said))
        raise failed(builder, "Can't inspect the base image: no shell, Python or R of it runs", ended)
    found = _parsed(_machine(image), text)
    _add(builder, key, {"facts": asdict(found)})
    return found


def lock_of_stage(builder: Builder, key: str) -> Optional[Lock]:
    """The packages that a stage of this machine was made with, None where that is not known any more."""
    return known_lock(_read(builder, key).get("lock"))


def note_lock(builder: Builder, key: str, lock: Mapping[str, Any]) -> None:
    """Keep what packages a stage was made with."""
    _add(builder, key, {"lock": dict(lock)})


def _machine(image: str) -> str:
    """Its processor, as Linux calls it."""
    docker = str((find_image(image) or {}).get("Architecture", ""))
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(docker, docker)


def _parsed(machine: str, text: str) -> Facts:
    head, _, r = text.partition("R follows\n")
    lines = head.splitlines()
    python = next((line.split(" ", 2) for line in lines if line.startswith("python ")), ["", None, None])
    return Facts(f"{machine}-linux-{lines[0]}", python[1], python[2], answered(r.splitlines()) if r else None)


def _read(builder: Builder, key: str) -> Dict[str, Any]:
    return readable_record(builder.cache.stage_record(hex_of(key)))


def _add(builder: Builder, key: str, content: Dict[str, Any]) -> None:
    make_folders(builder.cache.builds)
    record = {**_read(builder, key), "format": FORMAT, "key": key, **content}
    replace_record(builder.cache.stage_record(hex_of(key)), record, builder.cache.builds)
