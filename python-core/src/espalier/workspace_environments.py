"""What a workspace does with definitions of environments; the part of its façade that is about them."""

import warnings
from typing import Optional

from espalier.environment.context import freeze_context
from espalier.environment.definition import Environment
from espalier.environment.lockfile import read_lock
from espalier.environment.registered import list_registered, list_versions, register, registered
from espalier.environment.whole import dockerfile_text
from espalier.paths import WorkspacePaths
from espalier.snapshot.hold import holding_objects
from espalier.types import Frame


class WorkspaceEnvironments:
    """The environments of a workspace."""

    _paths: WorkspacePaths

    def _checked(self) -> "WorkspaceEnvironments":
        """This workspace, once it is known to be there and readable."""
        raise NotImplementedError

    def register_environment(self, environment: Environment) -> Environment:
        """Register an environment. One equal to the newest of its name keeps that version, another gets the next.

        A build context that is a folder of this machine is frozen: a snapshot of it is stored, by the same rules as
        those of source directories. Variables whose names look like those of secrets are warned of.

        Args:
            environment: A definition.

        Returns:
            The environment with its version.

        Raises:
            EspalierError: `bad_name` when espalier brings one of that name; `source_missing`, `source_unreadable` or
                `source_changed` about a build context; `workspace_read_only`.
        """
        paths = self._checked()._paths
        for note in environment.notes():
            warnings.warn(note, stacklevel=2)
        with holding_objects(paths):
            return register(paths, freeze_context(paths, environment))

    def get_environment(self, name: str, version: Optional[str] = None) -> Environment:
        """A registered environment, or the curated one of that name.

        Args:
            name: Its name.
            version: Its version; by default the newest.

        Raises:
            EspalierError: `environment_missing`, `environment_damaged`, `newer_format`, `bad_name`.
        """
        return registered(self._checked()._paths, name, version)

    def list_environments(self) -> Frame:
        """The newest version of each environment, and the curated ones.

        Returns:
            `name`, newest `version`, how many `versions`, `kind` (`R`, `Python`, `R and Python`, `image`; `damaged` of
            one that cannot be read), `description`, `registered_at`, and whether it is `curated`.
        """
        return list_registered(self._checked()._paths)

    def environment_versions(self, name: str) -> Frame:
        """The versions of an environment, newest first: `version`, `kind`, `description`, `registered_at`.

        Args:
            name: Its name.

        Raises:
            EspalierError: `environment_missing`, `bad_name`.
        """
        return list_versions(self._checked()._paths, name)

    def environment_dockerfile(self, environment: Environment) -> str:
        """All that would be built of an environment as one Dockerfile, for people; with its lock, if it has one.

        Args:
            environment: A definition.

        Raises:
            EspalierError: `environment_damaged` about its lock.
        """
        return dockerfile_text(environment, read_lock(self._checked()._paths, environment))
