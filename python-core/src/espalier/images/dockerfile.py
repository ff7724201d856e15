"""The images that a Dockerfile of the user's begins with. Pure."""

import re
from typing import Callable, List, Mapping

from espalier.canonical import digest

# (a FROM whose image is an ARG's value is left to the engine)
_FROM = re.compile(
    r"^(?P<head>[ \t]*FROM[ \t]+(?:--platform=\S+[ \t]+)?)(?P<image>[^\s$]+)"
    r"(?P<rest>(?:[ \t]+AS[ \t]+(?P<stage>\S+))?[ \t]*)$",
    re.IGNORECASE | re.MULTILINE,
)


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


def _each(text: str, change: Callable[[str], str]) -> str:
    stages = {"scratch"}

    def line(match: "re.Match[str]") -> str:
        image = match["image"]
        fresh = image if image.lower() in stages else change(image)
        if match["stage"]:
            stages.add(match["stage"].lower())
        return f"{match['head']}{fresh}{match['rest']}"

    return _FROM.sub(line, text)
