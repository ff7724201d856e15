"""The images that a Dockerfile of the user's begins with. Pure."""

import re
from typing import Callable, Iterator, List, Mapping, Tuple

from espalier.canonical import digest

# (a FROM whose image is an ARG's value is left to the engine)
_FROM = re.compile(
    r"^(?P<head>[ \t]*FROM[ \t]+(?:--platform=\S+[ \t]+)?)(?P<image>[^\s$]+)"
    r"(?P<rest>(?:[ \t]+AS[ \t]+(?P<stage>\S+))?[ \t\r]*)$",
    re.IGNORECASE,
)
_ANY_FROM = re.compile(r"[ \t]*FROM[ \t]", re.IGNORECASE)


def images_in(text: str) -> List[str]:
    """The images that the FROM lines of a Dockerfile name, each once; not its own earlier stages.

    Args:
        text: The Dockerfile.
    """
    found: List[str] = []
    _each(text, lambda image: found.append(image) or image)  # type: ignore[func-returns-value]
    return list(dict.fromkeys(found))


def with_images(text: str, references: Mapping[str, str]) -> str:
    """The same Dockerfile with other names of these images.

    Args:
        text: The Dockerfile.
        references: Name of an image to what is put in its place.
    """
    return _each(text, lambda image: references.get(image, image))


def digest_of_bases(digests: Mapping[str, str]) -> str:
    """One digest for all the images that a Dockerfile begins with.

    Args:
        digests: Name of an image to its digest.
    """
    return digest({"bases": dict(digests)})


def with_line_after_from(text: str, line: str) -> str:
    """The same Dockerfile with a line after each FROM.

    Args:
        text: The Dockerfile.
        line: The line.
    """
    return "\n".join(
        f"{one}\n{line}" if begins and _ANY_FROM.match(one) and not one.rstrip().endswith("\\") else one
        for one, begins in _lines(text)
    )


def _each(text: str, change: Callable[[str], str]) -> str:
    stages = {"scratch"}

    def fresh(line: str) -> str:
        match = _FROM.match(line)
        if match is None:
            return line
        image = match["image"]
        name = image if image.lower() in stages else change(image)
        if match["stage"]:
            stages.add(match["stage"].lower())
        return f"{match['head']}{name}{match['rest']}"

    return "\n".join(fresh(one) if begins else one for one, begins in _lines(text))


def _lines(text: str) -> Iterator[Tuple[str, bool]]:
    """The lines of a Dockerfile, and whether an instruction begins there: SQL in a RUN has lines with FROM as well."""
    begins = True
    for line in text.split("\n"):
        yield line, begins
        if line.strip() and not line.lstrip().startswith("#"):  # (these do not end what goes on)
            begins = not line.rstrip().endswith("\\")
