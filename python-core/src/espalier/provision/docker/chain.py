"""From an environment to its image: found in the engine, the workspace's registry or the shared one, or else built."""

import contextlib
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from espalier.adapters.docker_images import find_image, tag_image
from espalier.adapters.file_locks import locked
from espalier.adapters.posix import ending_tidily
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.records import now_iso
from espalier.environment.context import frozen_context
from espalier.environment.definition import Environment
from espalier.environment.lock import Lock, lock_record
from espalier.environment.recipe import render
from espalier.provision.docker.facts import Facts, facts_of, lock_of_stage
from espalier.provision.docker.package_stages import build_python, build_r
from espalier.provision.docker.record import mark_used, read_image, write_image
from espalier.provision.docker.registries import (
    REPOSITORY,
    Remote,
    Secrets,
    configured,
    digest_at,
    fetch,
    push_image_to,
)
from espalier.provision.docker.signature import is_ours
from espalier.provision.docker.stages import Builder, stage_image
from espalier.provision.docker.system_stage import build_system
from espalier.provision.docker.wanted import Wanted, resolved_before, wanted
from espalier.provision.packages.build_log import BuildLog, LogCopy, raise_failure, write_failure
from espalier.provision.packages.hidden import Hidden

_FOUND = {"workspace": "workspace registry", "shared": "shared registry"}
# What would happen to the processes that waited for the build, too.
_LASTING = ("build_failed", "lock_failed", "package_missing", "image_missing")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """An image that is in the engine now.

    Args:
        found: Where: `local`, `workspace registry`, `shared registry`, or `built`.
        seconds: How long it took to have it.
        notes: What the user has to know: a registry that failed, an image that was not what it seemed.
    """

    id: str
    tag: str
    key: str
    found: str
    seconds: float
    notes: Tuple[str, ...] = ()


def silent(text: str) -> None:
    """Where no caller listens."""


def ensure(
    paths: WorkspacePaths, cache: CachePaths, environment: Environment, secrets: Secrets, log: Optional[str] = None,
    say: Say = silent, refresh: bool = False, push: Optional[bool] = None,
) -> Image:
    """Have the engine hold the image of an environment.

    Args:
        log: The caller's own copy of the log; lines are appended as they come.
        say: Takes a line of status: which step it is in.
        refresh: Ask the registries of the base images again what their names stand for.
        push: Whether the workspace's registry must have it afterwards; None: it is pushed there when it was built or
            came from the shared one, and a registry that fails is only logged. False: it is not pushed.

    Raises:
        EspalierError: `docker_unavailable`, `docker_failed`, `image_missing` (a base image), `build_failed`,
            `lock_failed`, `package_missing`, `secret_missing`; `registry_failed` when what a registry gives does not
            match its digest, or when it had to be pushed and could not: the image is in the engine then; about a build
            context `environment_invalid`, `source_missing`, `source_unreadable`, `source_changed`.
        Cancelled: the call was called off. Nothing is left half-made.
    """
    began = time.monotonic()
    notes: List[str] = []
    hidden = Hidden(secrets)
    with hidden.in_errors(), frozen_context(paths, environment) as frozen:
        want = wanted(paths, frozen, hidden, refresh)
        image, found = _local(paths, want, notes), "local"
        if image is None:
            with ending_tidily():
                image, found = _obtain(paths, cache, want, hidden, log, say, push is not False, notes)
        mark_used(paths, want.key, cache)
        if push:
            _push_missing(paths, want, image, hidden, log, say, notes)
    return Image(image, tag_of(want.key), want.key, found, time.monotonic() - began, tuple(notes))


def tag_of(key: str) -> str:
    """The name of an environment's image in the engine."""
    return f"{REPOSITORY}:{hex_of(key)}"


def find_local(paths: WorkspacePaths, key: str) -> Optional[str]:
    """The id of the engine's image for a key; None where it has none that is ours.

    Ours is the one that the workspace's record names, and one that is signed (`provision/docker/signature.py`).
    """
    known, named = (read_image(paths, key) or {}).get("image"), find_image(tag_of(key))
    if named is not None and (named["Id"] == known or is_ours(named, key)):
        return str(named["Id"])
    return known if known and find_image(known) is not None else None


def _local(paths: WorkspacePaths, want: Wanted, notes: List[str]) -> Optional[str]:
    """As `find_local`; its name is given back to it where another image has that, and it is recorded."""
    image = find_local(paths, want.key)
    if image is None:
        return None
    tag = tag_of(want.key)
    named = find_image(tag)
    if named is None or named["Id"] != image:
        tag_image(image, REPOSITORY, hex_of(want.key))
        if named is not None:
            notes.append(f"{tag} named an image that espalier didn't build. It names the environment's image again.")
    _note_found(paths, want, image)
    return image


def _obtain(
    paths: WorkspacePaths, cache: CachePaths, want: Wanted, secrets: Hidden, log: Optional[str], say: Say, push: bool,
    notes: List[str],
) -> Tuple[str, str]:
    """Fetch or build it, or wait for another process that is doing so.

    Returns:
        The image's id, and where it was found.
    """
    also = [log] if log else []
    copy, asked = LogCopy(cache.build_log(hex_of(want.key)), log, say), time.time()
    with locked(cache.build_lock(hex_of(want.key)), copy.wait):
        if copy.waited:
            copy.more()
        image = _local(paths, want, notes)
        if image is not None:
            return image, "local"
        if copy.waited:
            raise_failure(cache, hex_of(want.key), asked)
        files = [cache.build_log(hex_of(want.key)), paths.build_log(hex_of(want.key))]
        with BuildLog(files, also, say, secrets) as build_log:
            build_log.notes = notes
            if find_image(tag_of(want.key)) is not None:
                build_log.note(f"{tag_of(want.key)} isn't an image that espalier built. It is replaced.")
            try:
                got = _from_registries(paths, want, secrets, build_log)
                if got is None:
                    if (read_image(paths, want.key) or {}).get("image"):
                        build_log.note("The image is gone from the engine, and no registry has it. It is built again.")
                    got = _built(paths, cache, want, secrets, build_log)
            except EspalierError as error:
                if error.code in _LASTING:
                    write_failure(cache, hex_of(want.key), secrets.error(error))
                raise
            if push and got[1] != _FOUND["workspace"]:
                _push_or_tell(paths, want, got[0], secrets, build_log)
            return got


def _from_registries(
    paths: WorkspacePaths, want: Wanted, secrets: Secrets, log: BuildLog
) -> Optional[Tuple[str, str]]:
    known = (read_image(paths, want.key) or {}).get("registries") or {}
    for remote in configured(paths):
        began = time.monotonic()
        log.step(f"Looking in the {_FOUND[remote.kind]} {remote.address}")
        known_digest = known.get(remote.address)
        try:
            got = fetch(remote, want.key, known_digest, is_ours, secrets, log.line, log.note, want.docker.platform)
        except EspalierError as error:
            if error.code != "registry_failed" or error.fields.get("cause") == "digest_mismatch":
                raise
            log.note(f"Not asked any further: {error.message}")
            continue
        if got is None:
            log.line(f"{remote.repository} has none for {want.key[:19]}.")
            continue
        seconds = time.monotonic() - began
        log.line(f"Found in the {_FOUND[remote.kind]} {remote.address}, {seconds:.1f} s.")
        image, digest = got
        _write(paths, want, image, _FOUND[remote.kind], seconds, {})
        _note_digest(paths, want.key, remote, digest)
        return image, _FOUND[remote.kind]
    return None


def _built(paths: WorkspacePaths, cache: CachePaths, want: Wanted, secrets: Secrets, log: BuildLog) -> Tuple[str, str]:
    began = time.monotonic()
    built = build(Builder(paths, cache, secrets, log), want, resolved_before(paths, want))
    tag_image(built.image, REPOSITORY, hex_of(want.key))
    seconds = time.monotonic() - began
    log.line(f"Built {tag_of(want.key)} in {seconds:.1f} s.")
    _write(paths, want, built.image, "built", seconds, built.facts)
    return built.image, "built"


def _write(
    paths: WorkspacePaths, want: Wanted, image: str, found: str, seconds: float, facts: Dict[str, Any]
) -> None:
    seen = find_image(image) or {}
    before = read_image(paths, want.key) or {}
    write_image(paths, want.key, {
        "image": image, "tag": tag_of(want.key), "found": found, "at": now_iso(time.time()),
        "seconds": round(seconds, 3), "size": seen.get("Size"), "created": seen.get("Created"),
        "names": sorted({*before.get("names", []), want.environment.name}),
        "bases": {name: base.digest for name, base in want.bases.items()},
        "dockerfile": render(want.environment).dockerfile, "registries": before.get("registries", {}),
        "stages": {}, "lock": before.get("lock"), **facts,
    })  # fmt: skip


def _note_found(paths: WorkspacePaths, want: Wanted, image: str) -> None:
    """The engine had it: the workspace's record says so, and that it is wanted now."""
    record = read_image(paths, want.key)
    if record is None or record.get("image") != image or want.environment.name not in record.get("names", []):
        with contextlib.suppress(OSError):  # (a workspace that is only read may still use what is there)
            _write(paths, want, image, "local", 0.0, {} if record is None else {"stages": record.get("stages", {})})


def _note_digest(paths: WorkspacePaths, key: str, remote: Remote, digest: str) -> None:
    record = read_image(paths, key)
    if record is not None:
        known = {**record.get("registries", {}), remote.address: digest}
        write_image(paths, key, {**record, "registries": known})


def _push_or_tell(paths: WorkspacePaths, want: Wanted, image: str, secrets: Secrets, log: BuildLog) -> None:
    for remote in _of_workspace(paths):
        try:
            _push(paths, want, image, remote, secrets, log)
        except EspalierError as error:
            if error.code == "docker_unavailable":
                raise
            log.note(f"Not pushed: {error.message}")


def _push_missing(
    paths: WorkspacePaths, want: Wanted, image: str, secrets: Hidden, log: Optional[str], say: Say, notes: List[str]
) -> None:
    """Push an image that had to be pushed, unless the registry has it."""
    remotes = _of_workspace(paths)
    if not remotes:
        raise EspalierError(
            "registry_failed", "Can't push the image: the workspace has no registry.",
            "Set one with set_image_registry().",
        )
    for remote in remotes:
        known = (read_image(paths, want.key) or {}).get("registries", {}).get(remote.address)
        if known and digest_at(remote, want.key, None, secrets) == known:
            continue
        with BuildLog([], [log] if log else [], say, secrets) as build_log:
            build_log.notes = notes
            if known:
                build_log.note(f"The registry {remote.address} no longer has the image. It is pushed again.")
            _push(paths, want, image, remote, secrets, build_log)


def _push(paths: WorkspacePaths, want: Wanted, image: str, remote: Remote, secrets: Secrets, log: BuildLog) -> None:
    log.step(f"Pushing to {remote.address}")
    digest = push_image_to(remote, image, want.key, secrets, log.line)
    log.line(f"Pushed to {remote.repository}@{digest}.")
    _note_digest(paths, want.key, remote, digest)


def _of_workspace(paths: WorkspacePaths) -> List[Remote]:
    return [remote for remote in configured(paths) if remote.kind == "workspace"]


class Built(NamedTuple):
    """What a build made: the image's id, and what it was made of, for the record."""

    image: str
    facts: Dict[str, Any]


def build(builder: Builder, wanted: Wanted, known: Optional[Lock] = None) -> Built:
    """Make the image of an environment; stages that are there already are used again.

    Args:
        known: What an earlier build of the same resolved, and is to be taken again.

    Raises:
        EspalierError: `build_failed`, `lock_failed`, `package_missing`, `secret_missing`, `image_missing`,
            `registry_failed`, `docker_unavailable`.
        Cancelled: the call was called off; no container is left, and what was finished is used next time.
    """
    lock = wanted.lock or known
    platform = wanted.docker.platform
    system = stage_image(builder, "system", wanted.system, lambda: build_system(builder, wanted), platform)
    stages = {"system": system}

    def facts() -> Facts:
        return facts_of(builder, wanted.system, system, platform)

    python = r = None
    if wanted.python != wanted.system:
        stages["python"] = stage_image(
            builder, "python", wanted.python, lambda: build_python(builder, wanted, system, facts(), lock), platform
        )
        python = lock_of_stage(builder, wanted.python)
    before = stages.get("python", system)
    if wanted.key != wanted.python:
        stages["r"] = stage_image(
            builder, "r", wanted.key, lambda: build_r(builder, wanted, before, facts(), lock), platform
        )
        r = lock_of_stage(builder, wanted.key)
    used = _joined(python, r)
    return Built(stages.get("r", before), {"stages": stages, "lock": lock_record(used) if used else None})


def _joined(python: Optional[Lock], r: Optional[Lock]) -> Optional[Lock]:
    """What the stages were made with, as one lock."""
    if python is None or r is None:
        return python or r
    return Lock(r.r, python.python, python.conda, python.python_version, r.r_version)
