"""What `Environment` does beside holding fields: how it comes from files, goes to text, and differs from another."""

from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence

from espalier.base.model.codec import checked
from espalier.base.names import notes_on
from espalier.base.operation import operation
from espalier.base.types import Frame

if TYPE_CHECKING:
    from espalier.environment.definition import Environment


class MadeFrom:
    """The part of `Environment` that is about files. What it needs is loaded when it is used."""

    @classmethod
    @operation("POST /environment/from-text", command="")
    def from_text(cls, text: str) -> "Environment":
        """An environment from its YAML.

        Args:
            text: The YAML.

        Raises:
            EspalierError: `environment_invalid`, `bad_name`, `newer_format`.
        """
        from espalier.environment.text import environment_from_text

        return environment_from_text(text)

    @classmethod
    @operation("POST /environment/from-file", command="")
    def from_file(cls, path: str) -> "Environment":
        """An environment from a file of its YAML.

        Args:
            path: The file.

        Raises:
            EspalierError: `environment_invalid`, `bad_name`, `newer_format`.
        """
        from espalier.environment.definition_files import from_yaml

        return from_yaml(path)

    @classmethod
    @operation("POST /environment/from-conda-specification", command="")
    def from_conda_specification(cls, name: str, path: str) -> "Environment":
        """An environment from a conda specification, `environment.yml`, with its pip part.

        Args:
            name: The environment's name.
            path: The file.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition_files import from_conda_specification

        return from_conda_specification(name, path)

    @classmethod
    @operation("POST /environment/from-pip-requirements", command="")
    def from_pip_requirements(cls, name: str, path: str) -> "Environment":
        """An environment from a requirements file, with those it names by `-r`, its indexes and hashes.

        Args:
            name: The environment's name.
            path: The file.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition_files import from_pip_requirements

        return from_pip_requirements(name, path)

    @classmethod
    @operation("POST /environment/from-docker-image", command="")
    def from_docker_image(
        cls,
        name: str,
        image: str,
        registry: Optional[Mapping[str, Any]] = None,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> "Environment":
        """An environment from an image. Without conda and pip files what is in the image is used.

        Args:
            name: The environment's name.
            image: The image.
            registry: Where it is: `address`, `username`, `password`, which is `{"secret": name}`.
            conda_specification: A conda specification, to install besides.
            pip_requirements: A requirements file, to install besides.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition import Registry
        from espalier.environment.definition_files import from_docker_image

        where = None
        if registry is not None:
            where = checked(Registry, registry, "environment_invalid", where="docker.registry")
        return from_docker_image(name, image, where, conda_specification, pip_requirements)

    @classmethod
    @operation("POST /environment/from-dockerfile", command="")
    def from_dockerfile(
        cls,
        name: str,
        dockerfile: str,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> "Environment":
        """An environment from a Dockerfile. Without conda and pip files what is in its image is used.

        Args:
            name: The environment's name.
            dockerfile: The file, or its text.
            conda_specification: A conda specification, to install besides.
            pip_requirements: A requirements file, to install besides.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition_files import from_dockerfile

        return from_dockerfile(name, dockerfile, conda_specification, pip_requirements)

    @classmethod
    @operation("POST /environment/from-docker-build-context", command="")
    def from_docker_build_context(
        cls,
        name: str,
        folder: str,
        dockerfile: str = "Dockerfile",
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> "Environment":
        """An environment from a folder with a Dockerfile. The folder is frozen when the environment is used.

        Args:
            name: The environment's name.
            folder: The folder.
            dockerfile: The Dockerfile's path in it.
            conda_specification: A conda specification, to install besides.
            pip_requirements: A requirements file, to install besides.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition_files import from_docker_build_context

        return from_docker_build_context(name, folder, dockerfile, conda_specification, pip_requirements)

    @classmethod
    @operation("POST /environment/from-renv-lockfile", command="")
    def from_renv_lockfile(cls, name: str, path: str) -> "Environment":
        """An environment from a `renv.lock`: R's version, the repositories, and each package as it is locked.

        Args:
            name: The environment's name.
            path: The file.

        Raises:
            EspalierError: `environment_invalid`, also when its format is not known.
        """
        from espalier.environment.definition_files import from_renv_lockfile

        return from_renv_lockfile(name, path)

    @classmethod
    @operation("POST /environment/from-session", command="")
    def from_session(
        cls, name: str, packages: Sequence[Mapping[str, str]], r_version: str, repositories: Mapping[str, str]
    ) -> "Environment":
        """An environment from the packages of a session of R.

        Args:
            name: The environment's name.
            packages: Of each the fields of its DESCRIPTION that say what it is and where it came from.
            r_version: The session's R.
            repositories: Name to URL.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition_files import from_session

        return from_session(name, list(packages), r_version, repositories)

    @classmethod
    @operation("POST /environment/from-existing-conda-environment", command="")
    def from_existing_conda_environment(cls, name: str, environment: str) -> "Environment":
        """An environment from an installed one of conda, exact to the build.

        Args:
            name: The environment's name.
            environment: Its folder, or its name.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition_files import from_existing_conda_environment

        return from_existing_conda_environment(name, environment)

    @classmethod
    @operation("POST /environment/load-from-directory", command="")
    def load_from_directory(cls, path: str) -> "Environment":
        """An environment from a folder that `save_to_directory` wrote.

        Args:
            path: The folder.

        Raises:
            EspalierError: `environment_invalid`.
        """
        from espalier.environment.definition_files import load_from_directory

        return load_from_directory(path)

    @operation("POST /environment/save-to-directory", command="")
    def save_to_directory(self: Any, path: str, overwrite: bool = False) -> List[str]:
        """Write the environment into a folder: its YAML, and a Dockerfile to look at.

        Args:
            path: The folder.
            overwrite: Replace files that are there.

        Returns:
            The files.

        Raises:
            EspalierError: `file_exists`, `bad_argument`.
        """
        from espalier.environment.definition_files import save_to_directory

        return save_to_directory(self, path, overwrite)

    @operation("POST /environment/write", command="")
    def write(self: Any, path: str) -> None:
        """Write the environment's YAML to a file, in place of one that is there.

        Args:
            path: The file.

        Raises:
            EspalierError: `bad_argument` when it cannot be written.
        """
        from espalier.environment.definition_files import to_yaml

        to_yaml(self, path)

    @operation("POST /environment/as-text", command="")
    def as_text(self: Any) -> str:
        """The environment as YAML: what it says, without what it leaves open."""
        from espalier.environment.text import environment_as_text

        return environment_as_text(self)

    @operation("POST /environment/notes", command="")
    def notes(self: Any) -> List[str]:
        """What its user has to know of it: variables whose names look like those of secrets."""
        return notes_on(self.variables)

    @operation("POST /environment/dockerfile", command="")
    def dockerfile(self: Any) -> str:
        """The stages of which its image is built: the Dockerfile of the first, and as comments what packages are
        installed after that."""
        from espalier.environment.text import stages_as_text

        return stages_as_text(self)

    @operation("POST /environment/compare", command="")
    def compare(self: Any, other: "Environment") -> Frame:
        """Compare two environments: which fields make this one and another different images.

        Args:
            other: The other one.

        Returns:
            `field`, and what is asked for `before`, here, and `after`, in the other; no rows for equal images.
        """
        from espalier.environment.key import compare_environments

        return compare_environments(self, other)
