"""The system stage: base image, certificate, Debian packages, the user's steps; built by the engine."""

import contextlib
import re
import tempfile
from functools import partial
from typing import BinaryIO, Callable, Dict, Optional, cast

from espalier.adapters.docker import still_there
from espalier.adapters.docker_images import build_image, remove_image, tag_image
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.environment.definition import BuildContext
from espalier.environment.recipe import render
from espalier.provision.docker.archive import DOCKERFILE, read_dockerfile, recipe_context, write_context
from espalier.provision.docker.bases import provide_base
from espalier.provision.docker.dockerfile import with_images, with_line_after_from
from espalier.provision.docker.stages import (
    BUILD_LABEL,
    UNFINISHED,
    Builder,
    build_error,
    build_network,
    labels_of,
    note_step,
    proxies,
)
from espalier.provision.docker.wanted import Wanted, context_folder
from espalier.provision.packages.build_log import BuildLog

# (the same in all images: a layer that is cached stays so)
_UNFINISHED = f'LABEL {BUILD_LABEL}="{UNFINISHED}"'
UNFINISHED_IMAGES = "espalier/unfinished"
_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_RUNS = re.compile(r" ---> Running in ([0-9a-f]{12,64})$", re.MULTILINE)
_IMAGE = re.compile(r" ---> ([0-9a-f]{12,64})$", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def build_system(builder: Builder, wanted: Wanted) -> str:
    """Build the system stage. Raises EspalierError: `build_failed`, `image_missing`, `registry_failed`,
    `docker_unavailable`."""
    for base in wanted.bases.values():
        builder.log.step(f"Looking for the base image {base.name}")
        provide_base(base, builder.log.line, wanted.login(builder.secrets), wanted.docker.platform)
    first = _first(wanted)
    if wanted.docker.build_context is not None:
        first = _build_context(builder, wanted, wanted.docker.build_context)
    recipe = render(wanted.environment, first)
    labels = " ".join(f'{name}="{value}"' for name, value in labels_of("system", wanted.system).items())
    text = _marked(with_images(recipe.dockerfile, _references(wanted))) + f"LABEL {labels}\n"
    return _build(builder, wanted, "System", recipe_context(text, recipe.files), DOCKERFILE, text)


def _first(wanted: Wanted) -> Optional[str]:
    """What its Dockerfile begins with; None where that is the user's own."""
    if wanted.docker.build_context is not None or wanted.docker.base_dockerfile is not None:
        return None
    return next(iter(wanted.bases.values())).reference


def _build_context(builder: Builder, wanted: Wanted, context: BuildContext) -> str:
    """The image of the user's own build context, which the rest begins with."""
    with context_folder(builder.paths, context) as folder, tempfile.TemporaryFile() as file:
        out = cast(BinaryIO, file)
        text = with_images(read_dockerfile(folder, context.dockerfile), _references(wanted))
        write_context(folder, context.dockerfile, {context.dockerfile: _marked(text)}, out)
        out.seek(0)
        return _build(builder, wanted, "Build context", out, context.dockerfile, text)


def _build(builder: Builder, wanted: Wanted, what: str, context: BinaryIO, dockerfile: str, text: str) -> str:
    steps = _Steps(builder.log, what, partial(note_step, builder.cache, wanted.system))
    unfinished = f"{UNFINISHED_IMAGES}:{hex_of(wanted.system)}"
    try:
        image = build_image(context, dockerfile, steps.hear, wanted.docker.platform, proxies(), build_network())
        remove_image(unfinished)
        return image
    except BaseException as error:
        # (an engine that has stopped answering would keep us waiting)
        if not (isinstance(error, EspalierError) and error.code == "docker_unavailable"):
            _name_unfinished(unfinished, steps.last)
        if not isinstance(error, EspalierError) or not _is_of_dockerfile(error):
            raise
        builder.log.line(str(error.fields.get("said", error.message)))
        message = f"Can't build the system stage: {steps.title or 'its Dockerfile'} failed."
        still_there()  # (an engine that is being stopped ends the steps first)
        raise build_error(builder, message, text, step=steps.title) from error


def _is_of_dockerfile(error: EspalierError) -> bool:
    """Whether a step failed, or the Dockerfile can't be read: the engine says that before it begins."""
    fields = error.fields
    return (error.code == "build_failed" and "said" in fields) or (
        error.code == "docker_failed" and fields.get("status") == 400
    )


def _name_unfinished(name: str, image: str) -> None:
    """Gives what was done so far a name, so that it is found again, and removed one day."""
    with contextlib.suppress(EspalierError):
        remove_image(name)
        if image:
            tag_image(image, *name.split(":"))


class _Steps:
    """Hears what the engine says of a Dockerfile's build: the step it is at, and the image that it has come to."""

    def __init__(self, log: BuildLog, what: str, note: Callable[[str], None]) -> None:
        self._log, self._what, self._note = log, what, note
        self.title = self.last = ""

    def hear(self, piece: str) -> None:
        """Take a piece."""
        piece = _COLOURS.sub("", piece)  # (the engine's, of what was written to stderr)
        step, image, runs = _STEP.match(piece), _IMAGE.match(piece), _RUNS.match(piece)
        if runs:
            self._note(runs[1])
        if step:
            self.title = f"Step {step[1]}/{step[2]} : {step[3]}".rstrip()
            line = " ".join(step[3].split())
            if not line.startswith(f"LABEL {BUILD_LABEL}"):
                title = f"{self._what}: {line[:60]}{'...' if len(line) > 60 else ''}"
                self._log.step(title, int(step[1]) - 1, int(step[2]), note=False)
        elif image and not self.title.partition(" : ")[2].upper().startswith("FROM"):
            self.last = image[1]
        self._log.hear(piece)


def _references(wanted: Wanted) -> Dict[str, str]:
    return {name: base.reference for name, base in wanted.bases.items()}


def _marked(text: str) -> str:
    """The Dockerfile with a label from its first step on, by which what a crash leaves can be recognised."""
    return with_line_after_from(text, _UNFINISHED)
