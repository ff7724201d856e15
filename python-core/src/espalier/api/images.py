"""The images of a workspace's environments: `ws.images`."""

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set

from espalier.adapters.homes import program_cache
from espalier.base.arguments import classed
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.operation import operation
from espalier.base.os_errors import cannot_write
from espalier.base.records import read_record, seconds_of
from espalier.base.types import Frame
from espalier.environment.definition import Environment, Secret
from espalier.provision.docker.record import last_used, read_image
from espalier.store.index.run_index import Query
from espalier.workspace.handle import WorkspaceHandle

# (what builds images is loaded by those who build some)
if TYPE_CHECKING:
    from espalier.provision.docker.wanted import Wanted

_IMAGES = {
    "environment": "string", "key": "string", "where": "string", "size": "double", "created_at": "time",
    "last_used_at": "time", "runs": "integer", "image": "string",
}  # fmt: skip
_LITTER = {
    "what": "string", "name": "string", "size": "double", "last_used_at": "time", "why": "string", "deleted": "logical",
}  # fmt: skip
_REGISTRIES = {"kind": "string", "address": "string", "username": "string", "secret": "string"}


@classed
class Images(WorkspaceHandle):
    """The images of a workspace's environments."""

    NOUN = "images"

    @operation("POST /images", long=True)
    def build(
        self, environment: Environment, refresh: bool = False, push: Optional[bool] = None, log: Optional[str] = None
    ) -> Any:
        """Build the image of an environment, or find it. A run that uses it finds it then.

        Looked for in the Docker engine, the workspace's registry, the shared registry; else it is built, and pushed to
        the workspace's registry.

        Args:
            environment: A definition.
            refresh: Ask the registries of its base images again what their names stand for.
            push: Whether the workspace's registry must have it afterwards. By default it is pushed when it was built
                or came from the shared registry, and a registry that fails is only logged.
            log: A file to which the log is appended as it comes.

        Returns:
            `name`, `image` (its id), `tag`, `key`, `found` (`local`, `workspace registry`, `shared registry` or
            `built`), `seconds`, and what to tell the user: `notes`.

        Raises:
            EspalierError: `docker_unavailable`, `image_missing`, `build_failed`, `lock_failed`, `package_missing`,
                `secret_missing`; `registry_failed` when it had to be pushed and could not, and is in the engine.
        """
        from espalier.provision.docker.chain import ensure
        from espalier.vault.store import secret_reader

        paths = self._checked()._paths
        image = ensure(paths, _cache(), environment, secret_reader(paths), log, refresh=refresh, push=push)
        return {
            "name": environment.name, "image": image.id, "tag": image.tag, "key": image.key, "found": image.found,
            "seconds": image.seconds, "notes": list(image.notes),
        }  # fmt: skip

    @operation("GET /images/log", long=True, command="log")
    def build_log(self, environment: Environment) -> str:
        """Show the log of an image's last build.

        Args:
            environment: A definition.

        Raises:
            EspalierError: `image_missing` when it was never built here; `docker_unavailable`, `registry_failed` when
                it is not known yet what its base image is.
        """
        key = self._wanted(environment).key[7:]
        for path in (self._paths.build_log(key), _cache().build_log(key)):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    return file.read()
        raise EspalierError(
            "image_missing", f"Can't find a build log of {environment.name}: its image wasn't built here.",
            "build_environment() builds it.", key=f"sha256:{key}",
        )  # fmt: skip

    @operation("GET /images/dockerfile")
    def dockerfile(self, environment: Environment) -> str:
        """Show the Dockerfile of an environment, the stages of its image: the Dockerfile of the first, after that of a
        build context, and as comments what packages are installed after that.

        Base images stand with their digests and packages with their versions, as far as this workspace knows them: it
        was locked, or built. Neither engine nor registries are asked.

        Args:
            environment: A definition.

        Raises:
            EspalierError: `environment_damaged` about its lock; `source_missing` and the like about a build context.
        """
        from espalier.environment.context import frozen_context
        from espalier.provision.docker.wanted import stages_text

        paths = self._checked()._paths
        with frozen_context(paths, environment) as frozen:
            return stages_text(paths, frozen)

    @operation("GET /images/{environment}", long=True, command="show")
    def get(self, environment: Environment) -> Any:
        """Show the image of an environment, whether it exists or not.

        Args:
            environment: A definition.

        Returns:
            `name`, `key`, `tag`, whether it `exists` in the Docker engine, its id there (`image`), `registries`
            (address to digest, those that answered that they have it), `unconfirmed` (the addresses that can't be
            asked now), `size` in bytes, `created_at`, `last_used_at` (seconds since 1970), `found`, and `dockerfile`,
            as by `Images.dockerfile`.

        Raises:
            EspalierError: `docker_unavailable`; `image_missing` about its base image.
        """
        from espalier.provision.docker.chain import find_local, tag_of
        from espalier.provision.docker.registries import Whereabouts
        from espalier.vault.store import secret_reader

        want = self._wanted(environment)
        record = read_image(self._paths, want.key) or {}
        image = find_local(self._paths, want.key)
        has = Whereabouts(self._paths, secret_reader(self._paths)).of(want.key, record)
        return {
            "name": environment.name, "key": want.key, "tag": tag_of(want.key), "exists": image is not None,
            "image": image, "registries": {address: record["registries"][address] for address in has if has[address]},
            "unconfirmed": [address for address in has if has[address] is None], "size": record.get("size"),
            "created_at": seconds_of(str(record.get("created"))[:26]), "last_used_at": last_used(self._paths, want.key),
            "found": record.get("found"),
            "dockerfile": self.dockerfile(environment),
        }  # fmt: skip

    @operation("GET /images", long=True)
    def list(self) -> Frame:
        """List images of environments, and private environments, those that were wanted last first.

        Returns:
            `environment` (names in this workspace), `key`, `where` (`engine`, `registry <address>`, `private`; a
            registry that can't be asked now is followed by `(unconfirmed)`), `size` in bytes, `created_at`,
            `last_used_at`, how many `runs` of this workspace used it, and its id: `image`.
        """
        from espalier.provision.docker.prune import known_images
        from espalier.provision.docker.registries import Whereabouts
        from espalier.vault.store import secret_reader

        paths = self._checked()._paths
        runs = Counter(self._keys_of_runs(only_unfinished=False))
        found = known_images(paths, _cache(), runs, Whereabouts(paths, secret_reader(paths)))
        columns: Dict[str, List[Any]] = {
            "environment": [", ".join(one.names) or None for one in found],
            "key": [one.key for one in found],
            "where": [", ".join(one.where) for one in found],
            "size": [one.size for one in found],
            "created_at": [one.created for one in found],
            "last_used_at": [one.used for one in found],
            "runs": [one.runs for one in found],
            "image": [one.image for one in found],
        }
        return Frame(columns, _IMAGES)

    @operation("POST /images/prune", long=True)
    def prune(self, unused_days: float = 30, dry_run: bool = True) -> Frame:
        """Remove unused images and environments, or list them: those not wanted for a while, and what builds left.

        What a run needs that has not ended stays, and what is in registries. Without an engine private environments are
        listed alone.

        Args:
            unused_days: How long something must not have been wanted, by any workspace of this user.
            dry_run: True only lists it, False removes it.

        Returns:
            `what` it is, its `name`, `size` in bytes (images share layers, so less is won), `last_used_at`, `why` it
            may go, and whether it was `deleted`.

        Raises:
            EspalierError: `bad_argument`, `docker_failed`.
        """
        from espalier.provision.docker.prune import find_litter, remove_litter

        if not unused_days >= 0:
            raise EspalierError("bad_argument", f"`unused_days` must be 0 or more, not {unused_days!r}.")
        self._checked()
        found = find_litter(_cache(), set(self._keys_of_runs(only_unfinished=True)), unused_days * 86400)
        gone = set() if dry_run else remove_litter(_cache(), found)
        columns: Dict[str, List[Any]] = {
            "what": [one.what for one in found],
            "name": [one.name for one in found],
            "size": [one.size for one in found],
            "last_used_at": [one.used for one in found],
            "why": [one.why for one in found],
            "deleted": [one.name in gone for one in found],
        }
        return Frame(columns, _LITTER)

    @operation("PUT /images/registries")
    def set_registry(
        self, address: Optional[str], username: Optional[str] = None, secret: Optional[str] = None,
        shared: bool = False,
    ) -> None:
        """Set the registry of images: where they are pushed to and looked for.

        Args:
            address: `localhost:5000`, `ghcr.io/team`; None for no registry.
            username: How to log in; by default as this user's Docker is logged in.
            secret: The name of the password in the keyvault.
            shared: The registry that is shared with other workspaces, which is only looked in; else the workspace's.

        Raises:
            EspalierError: `bad_argument`, `environment_invalid`, `workspace_read_only`.
        """
        from espalier.provision.docker.registries import Remote, forget_remote, set_remote

        paths = self._checked()._paths
        kind = "shared" if shared else "workspace"
        try:
            if address is None:
                forget_remote(paths, kind)
            else:
                set_remote(paths, Remote(kind, address, username, None if secret is None else Secret(secret)))
        except OSError as error:
            raise cannot_write(paths.root, error) from error

    @operation("GET /images/registries")
    def registries(self) -> Frame:
        """List the registries of a workspace.

        Returns:
            `kind` (`workspace` or `shared`), `address`, `username`, and the name of the `secret`.
        """
        from espalier.provision.docker.registries import configured

        found = configured(self._checked()._paths)
        columns: Dict[str, List[Any]] = {
            "kind": [one.kind for one in found],
            "address": [one.address for one in found],
            "username": [one.username for one in found],
            "secret": [one.password.secret if one.password else None for one in found],
        }
        return Frame(columns, _REGISTRIES)

    def _wanted(self, environment: Environment) -> "Wanted":
        from espalier.environment.context import frozen_context
        from espalier.provision.docker.wanted import wanted
        from espalier.vault.store import secret_reader

        paths = self._checked()._paths
        with frozen_context(paths, environment) as frozen:
            return wanted(paths, frozen, secret_reader(paths))

    def _keys_of_runs(self, only_unfinished: bool) -> List[str]:
        """The keys of the environments that runs used, or are about to."""
        unfinished = set(self._unfinished())
        ids = unfinished if only_unfinished else self._run_ids(Query())
        return [key for run_id in ids for key in self._keys_of(run_id, run_id in unfinished)]

    def _keys_of(self, run_id: str, unfinished: bool) -> Set[str]:
        run = self._paths.run(run_id)
        found: Set[str] = set()
        try:
            found.add(str(read_record(run.environment_record)["key"]))
        except (OSError, EspalierError, KeyError):
            if unfinished:  # nothing was made ready for it yet
                found |= self._keys_to_be(run.spec)
        return found

    def _keys_to_be(self, spec: str) -> Set[str]:
        try:
            return {self._wanted(Environment.from_mapping(read_as(JobSpec, spec).definition)).key}
        except (OSError, EspalierError):
            return set()


def _cache() -> CachePaths:
    return CachePaths(program_cache())
