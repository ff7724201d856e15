"""Which images and private environments there are, who uses them, and removing what isn't needed."""

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set

from espalier.adapters import posix
from espalier.adapters.docker_images import find_image, images_named, images_with, remove_image
from espalier.adapters.docker_stage import containers_with, remove_container
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import report
from espalier.base.records import seconds_of
from espalier.provision.docker.chain import find_local
from espalier.provision.docker.record import last_used, read_image, recorded_keys
from espalier.provision.docker.registries import KEY_LABEL, REPOSITORY, Whereabouts
from espalier.provision.docker.stages import BUILD_LABEL, OWNER_LABEL, STAGE_LABEL, UNFINISHED, owner, stage_lock
from espalier.provision.docker.stages import REPOSITORY as STAGES
from espalier.provision.docker.system_stage import UNFINISHED_IMAGES
from espalier.provision.local.prune import clean_up, list_private, remove_private

# A step of a Dockerfile whose container stands still this long belongs to no build any more (seconds).
_FORGOTTEN = 3600


@dataclass
class Known:
    """An environment's image, or a private environment.

    Args:
        names: What environments of the workspace are called that have it.
        where: `engine`, `workspace registry` and so on, or `private`.
        size: Bytes, as far as known.
        created: When it was made, seconds since 1970.
        used: When it was last wanted.
        runs: How many runs of the workspace used it.
        image: Its id in the engine.
    """

    key: str
    names: List[str] = field(default_factory=list)
    where: List[str] = field(default_factory=list)
    size: Optional[float] = None
    created: Optional[float] = None
    used: Optional[float] = None
    runs: int = 0
    image: Optional[str] = None


@dataclass
class Litter:
    """What may go.

    Args:
        what: `image`, `stage`, `unfinished image`, `container`, `private environment`.
        name: Its name in the engine, its id, or its folder.
        size: Bytes, as far as known.
        used: When it was last wanted, or made.
    """

    what: str
    name: str
    size: Optional[float]
    used: Optional[float]
    why: str


def known_images(
    paths: WorkspacePaths, cache: CachePaths, runs: Mapping[str, int], whereabouts: Whereabouts
) -> List[Known]:
    """All that is known here: what the workspace has a record of, what the engine has, private environments.

    Args:
        runs: How many runs of the workspace used a key.
    """
    found: Dict[str, Known] = {}
    for key in recorded_keys(paths):
        record = read_image(paths, key) or {}
        known = found[key] = Known(key, list(record.get("names", [])), used=last_used(paths, key))
        known.created, known.size = seconds_of(str(record.get("created"))[:26]), _number(record.get("size"))
        known.where = [
            f"registry {address}{'' if has else ' (unconfirmed)'}"
            for address, has in whereabouts.of(key, record).items() if has is not False
        ]  # fmt: skip
    with contextlib.suppress(EspalierError):  # (without an engine the rest is still known)
        for image in _ours(REPOSITORY):
            if find_local(paths, _key(image)) != image["Id"]:
                continue
            known = found.setdefault(_key(image), Known(_key(image)))
            known.image, known.size = str(image["Id"]), _number(image.get("Size"))
            known.created = _number(image.get("Created"))
            known.where.insert(0, "engine")
            known.used = max(filter(None, (known.used, _mark(cache, known.key))), default=None)
    for one in list_private(cache):
        if one.whole:
            found[one.key] = Known(
                one.key, [str(one.name)], ["private"], float(one.size), one.built_at, one.last_used
            )  # fmt: skip
    for key, known in found.items():
        known.runs = runs.get(key, 0)
    return sorted(found.values(), key=lambda one: (-(one.used or one.created or 0), one.key))


def find_litter(cache: CachePaths, kept: Set[str], unused_seconds: float) -> List[Litter]:
    """What isn't needed: images, stages and private environments that were not wanted for a while, and leftovers.
    Without an engine there are only private environments.

    Args:
        kept: The keys that runs need which have not ended.
        unused_seconds: How long something must not have been wanted.

    Raises:
        EspalierError: `docker_failed`.
    """
    now = time.time()
    try:
        of_engine = _litter_of_engine(cache, kept, now, unused_seconds)
    except EspalierError as error:
        if error.code != "docker_unavailable":
            raise
        of_engine = []
    return [*of_engine, *_old_private(cache, kept, now, unused_seconds)]


def _litter_of_engine(cache: CachePaths, kept: Set[str], now: float, unused_seconds: float) -> List[Litter]:
    busy = {str(one.get("ImageID")) for one in containers_with({})}
    old, needed = [], []
    for image in _ours(REPOSITORY):
        used = _mark(cache, _key(image)) or _number(image.get("Created")) or now
        if _key(image) in kept or str(image["Id"]) in busy or now - used < unused_seconds:
            needed.append(image)
        else:
            old.append(Litter("image", _tag(image, REPOSITORY), _number(image.get("Size")), used, _why(now - used)))
    return [
        *old,
        *_stages(cache, needed, busy, now, unused_seconds),
        *_unfinished(now, unused_seconds),
        *_containers(cache, now),
    ]


def remove_litter(cache: CachePaths, found: Iterable[Litter]) -> Set[str]:
    """Remove it; what came into use meanwhile stays.

    Returns:
        The names of what is gone.
    """
    gone: Set[str] = set()
    clean_up(cache)
    litter = list(found)
    for done, item in enumerate(litter):
        report("Removing unused images", done, len(litter))
        if item.what == "private environment":
            removed = remove_private(cache, os.path.basename(item.name))
        elif item.what == "container":
            removed = remove_container(item.name)
        else:
            removed = remove_image(item.name)
        if removed:
            gone.add(item.name)
    return gone


def _stages(
    cache: CachePaths, needed: List[Dict[str, Any]], busy: Set[str], now: float, unused: float
) -> List[Litter]:
    """Stages that no image which stays is made of."""
    layers = [_layers(str(image["Id"])) for image in needed]
    found = []
    for image in _ours(STAGES):
        own = _layers(str(image["Id"]))
        used = _stage_mark(cache, _key(image)) or _number(image.get("Created")) or now
        part = any(of[: len(own)] == own for of in layers)
        if not part and str(image["Id"]) not in busy and now - used >= unused:
            found.append(Litter("stage", _tag(image, STAGES), _number(image.get("Size")), used, _why(now - used)))
    # (the later stage first: it holds the earlier one)
    return sorted(found, key=lambda one: -(one.size or 0))


def _unfinished(now: float, unused: float) -> List[Litter]:
    found = []
    for image in _ours(UNFINISHED_IMAGES, BUILD_LABEL):
        created = _number(image.get("Created")) or now
        if now - created >= unused:
            name = _tag(image, UNFINISHED_IMAGES)
            found.append(Litter("unfinished image", name, _number(image.get("Size")), created, "its build failed"))
    for label in (STAGE_LABEL, BUILD_LABEL):
        for image in images_with(label, dangling=True):
            created = _number(image.get("Created")) or now
            if now - created >= _FORGOTTEN and str(image["Id"]) not in {one.name for one in found}:
                why = "nothing refers to it any more"
                found.append(Litter("unfinished image", str(image["Id"]), _number(image.get("Size")), created, why))
    return found


def _containers(cache: CachePaths, now: float) -> List[Litter]:
    """Containers of builds whose builder is dead. Those of runs bear the label too, without a value."""
    found = []
    for one in containers_with({BUILD_LABEL: ""}):
        labels, created = one.get("Labels") or {}, _number(one.get("Created")) or now
        building = labels.get(BUILD_LABEL)
        if building == UNFINISHED:
            dead = one.get("State") != "running" and now - created >= _FORGOTTEN
        else:
            lock = stage_lock(cache, f"sha256:{building}")
            dead = bool(building) and labels.get(OWNER_LABEL) == owner(cache) and not posix.is_locked(lock)
        if dead:
            found.append(Litter("container", str(one["Id"]), None, created, "its build is over"))
    return found


def _old_private(cache: CachePaths, kept: Set[str], now: float, unused: float) -> List[Litter]:
    found = []
    for one in list_private(cache):
        hex_key = hex_of(one.key)
        folder, idle = cache.private_environment(hex_key), now - (one.last_used or now)
        if not one.whole and not posix.is_locked(cache.build_lock(hex_key)):
            found.append(Litter("private environment", folder, float(one.size), None, "its build was killed"))
        elif one.whole and one.key not in kept and idle >= unused:
            found.append(Litter("private environment", folder, float(one.size), one.last_used, _why(idle)))
    return found


def _mark(cache: CachePaths, key: str) -> Optional[float]:
    """When any workspace of this user wanted an image last."""
    with contextlib.suppress(OSError):
        return os.stat(cache.image_used(hex_of(key))).st_mtime
    return None


def _stage_mark(cache: CachePaths, key: str) -> Optional[float]:
    with contextlib.suppress(OSError):
        return os.stat(cache.stage_record(hex_of(key))).st_mtime
    return None


def _layers(image: str) -> List[str]:
    return list(((find_image(image) or {}).get("RootFS") or {}).get("Layers") or [])


def _ours(repository: str, label: str = KEY_LABEL) -> List[Dict[str, Any]]:
    """Images of ours of that name; another user's may bear it too."""
    return [image for image in images_named(repository) if label in (image.get("Labels") or {})]


def _key(image: Mapping[str, Any]) -> str:
    return str((image.get("Labels") or {}).get(KEY_LABEL, ""))


def _tag(image: Mapping[str, Any], repository: str) -> str:
    tags = [tag for tag in image.get("RepoTags") or [] if tag.startswith(repository + ":")]
    return str(tags[0]) if tags else str(image["Id"])


def _number(value: Any) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) else None


def _why(seconds: float) -> str:
    days = int(seconds // 86400)
    return f"not wanted for {days} day{'' if days == 1 else 's'}"
