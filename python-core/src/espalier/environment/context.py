"""A build context given as a folder of this machine becomes a snapshot of the workspace, which no longer changes."""

import contextlib
import os
from dataclasses import replace
from typing import Iterator

from espalier.base.paths import WorkspacePaths
from espalier.environment.definition import BuildContext, Environment
from espalier.environment.spelling import invalid
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.take import take_snapshot
from espalier.store.trees import has_tree


def freeze_context(paths: WorkspacePaths, environment: Environment) -> Environment:
    """An environment whose build context lies in the workspace.

    Args:
        paths: The workspace, whose objects are held until something refers to the snapshot.

    Returns:
        The same definition with a snapshot instead of a path; itself, where there is no path.

    Raises:
        EspalierError: `environment_invalid` when the workspace has no such snapshot, or the folder no such Dockerfile;
            `source_missing`, `source_unreadable`, `source_changed`; `workspace_read_only`.
    """
    docker = environment.docker
    context = docker.build_context if docker else None
    if docker is None or context is None:
        return environment
    if context.path is None:
        if not has_tree(paths, str(context.snapshot)):
            raise invalid("docker.build_context.snapshot", "isn't a snapshot of this workspace.", "Give its path.")
        return environment
    _check_dockerfile(context)
    frozen = BuildContext(None, take_snapshot(paths, context.path).id, context.dockerfile)
    return replace(environment, docker=replace(docker, build_context=frozen))


@contextlib.contextmanager
def frozen_context(paths: WorkspacePaths, environment: Environment) -> Iterator[Environment]:
    """For the length of a block the same, where nothing may come to refer to the snapshot: it stays as long. Raises
    EspalierError: As `freeze_context`."""
    context = environment.docker.build_context if environment.docker else None
    with contextlib.ExitStack() as held:
        if context is not None and context.path is not None:
            held.enter_context(holding_objects(paths))
        yield freeze_context(paths, environment)


def _check_dockerfile(context: BuildContext) -> None:
    folder = os.path.expanduser(str(context.path))
    if os.path.isdir(folder) and not os.path.isfile(os.path.join(folder, context.dockerfile)):
        what = f"names {context.dockerfile}, which {context.path} doesn't have."
        raise invalid("docker.build_context.dockerfile", what)
