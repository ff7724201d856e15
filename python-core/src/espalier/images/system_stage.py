"""The system stage: base image, certificate, Debian packages, the user's steps; built by the engine."""

import re
import tempfile
from typing import BinaryIO, Dict, cast

from espalier.adapters.docker_images import build_image
from espalier.environment.definition import BuildContext
from espalier.environment.recipe import render
from espalier.errors import EspalierError
from espalier.images.bases import provide_base
from espalier.images.context import DOCKERFILE, read_dockerfile, recipe_context, write_context
from espalier.images.dockerfile import with_images
from espalier.images.stages import BUILD_LABEL, Builder, build_error, build_network, hear_dockerfile, labels_of, proxies
from espalier.images.wanted import Wanted, context_folder

# (the same in all images: a layer that is cached stays so)
_UNFINISHED = f'LABEL {BUILD_LABEL}="unfinished"'
_FROM = re.compile(r"^[ \t]*FROM[ \t].*$", re.IGNORECASE | re.MULTILINE)


def build_system(builder: Builder, wanted: Wanted) -> str:
    """Build the system stage.

    Args:
        builder: What is needed for that.
        wanted: The environment.

    Returns:
        The image's id.

    Raises:
        EspalierError: `build_failed`, `image_missing`, `registry_failed`, `docker_unavailable`.
    """
    for base in wanted.bases.values():
        builder.log.step(f"Looking for the base image {base.name}")
        provide_base(base, builder.log.line, wanted.login(builder.secrets), wanted.docker.platform)
    first = None
    if wanted.docker.build_context is not None:
        first = _build_context(builder, wanted, wanted.docker.build_context)
    elif wanted.docker.base_dockerfile is None:
        (only,) = wanted.bases.values()
        first = only.reference
    recipe = render(wanted.environment, first)
    labels = " ".join(f'{name}="{value}"' for name, value in labels_of("system", wanted.system).items())
    text = _marked(with_images(recipe.dockerfile, _references(wanted))) + f"LABEL {labels}\n"
    return _build(builder, wanted, "System", recipe_context(text, recipe.files), DOCKERFILE)


def _build_context(builder: Builder, wanted: Wanted, context: BuildContext) -> str:
    """The image of the user's own build context, which the rest begins with."""
    with context_folder(builder.paths, context) as folder, tempfile.TemporaryFile() as file:
        out = cast(BinaryIO, file)
        text = with_images(read_dockerfile(folder, context.dockerfile), _references(wanted))
        write_context(folder, context.dockerfile, {context.dockerfile: _marked(text)}, out)
        out.seek(0)
        return _build(builder, wanted, "Build context", out, context.dockerfile)


def _build(builder: Builder, wanted: Wanted, what: str, context: BinaryIO, dockerfile: str) -> str:
    try:
        return build_image(
            context, dockerfile, hear_dockerfile(builder.log, what), wanted.docker.platform, proxies(),
            build_network(),
        )  # fmt: skip
    except EspalierError as error:
        if error.code != "build_failed" or "said" not in error.fields:
            raise
        builder.log.line(str(error.fields["said"]))
        step = next((line for line in reversed(builder.log.tail) if line.startswith("Step ")), "")
        message = f"The system stage could not be built: {step or 'its Dockerfile'} failed."
        raise build_error(builder, message, "", step=step) from error


def _references(wanted: Wanted) -> Dict[str, str]:
    return {name: base.reference for name, base in wanted.bases.items()}


def _marked(text: str) -> str:
    """The Dockerfile with a label from its first step on, by which what a crash leaves can be told."""
    return _FROM.sub(lambda match: f"{match[0]}\n{_UNFINISHED}", text)
