"""The images that a Dockerfile of the user's is made of: those it begins with, and those it copies from. Pure."""

import re
import shlex
from typing import Callable, Dict, Iterator, List, Mapping, Set

from espalier.base.canonical import digest
from espalier.base.errors import EspalierError

# What may stand between two words: an instruction goes on after a backslash, and after comments and empty lines then.
_GAP = r"(?:[ \t\r]|\\[ \t\r]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*)+"
_FROM = re.compile(
    rf"^(?P<head>(?:{_GAP})?FROM{_GAP}(?:--platform=\S+{_GAP})?)(?P<image>[^\s\\]+)"
    rf"(?P<rest>(?:{_GAP}AS{_GAP}(?P<stage>[^\s\\]+))?(?:{_GAP})?)$",
    re.IGNORECASE,
)
_ANY_FROM = re.compile(r"[ \t]*FROM[ \t]", re.IGNORECASE)
_ARG = re.compile(rf"^(?:{_GAP})?ARG(?P<rest>{_GAP}.*)$", re.IGNORECASE | re.DOTALL)
# (what a step reads of other images is said by its flags, which come first; their names are taken as they stand)
_FLAGS = re.compile(rf"^(?:{_GAP})?(?:COPY|RUN)(?:{_GAP}--[^\s\\]+)+", re.IGNORECASE)
_OTHER = re.compile(r"(?P<head>--from=|--mount=(?:[^\s,]+,)*from=)(?P<image>[^\s,\\$]+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<kind>[-+])(?P<word>[^{}]*))?\})")


def images_in(text: str) -> List[str]:
    """The images that a Dockerfile names, by FROM, `COPY --from` and `RUN --mount=from`, each once; not its own stages.
    Raises EspalierError: `environment_invalid` when a FROM names an ARG that has no value."""
    found: List[str] = []
    _each(text, lambda image: found.append(image) or image)  # type: ignore[func-returns-value]
    return list(dict.fromkeys(found))


def with_images(text: str, references: Mapping[str, str]) -> str:
    """The same Dockerfile with other names of these images.

    Args:
        references: Name of an image to what is put in its place.

    Raises:
        EspalierError: As `images_in`.
    """
    return _each(text, lambda image: references.get(image, image))


def digest_of_bases(digests: Mapping[str, str]) -> str:
    """One digest for all the images that a Dockerfile is made of.

    Args:
        digests: Name of an image to its digest.
    """
    return digest({"bases": dict(digests)})


def with_line_after_from(text: str, line: str) -> str:
    """The same Dockerfile with a line after each FROM."""
    return "\n".join(
        f"{one}\n{line}" if _ANY_FROM.match(one) and not one.rstrip().endswith("\\") else one
        for one in _instructions(text)
    )


def _each(text: str, change: Callable[[str], str]) -> str:
    return "\n".join(map(_Names(change).changed, _instructions(text)))


class _Names:
    """Goes through a Dockerfile, and gives each image that an instruction names another name."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change
        self._stages: Set[str] = {"scratch"}
        self._arguments: Dict[str, str] = {}  # those before the first FROM, the only ones that it sees
        self._has_begun = False

    def changed(self, instruction: str) -> str:
        """The same instruction with other names."""
        begins, gives, flags = _FROM.match(instruction), _ARG.match(instruction), _FLAGS.match(instruction)
        if begins:
            self._has_begun = True
            name = self._from(begins["image"])
            if begins["stage"]:
                self._stages.add(begins["stage"].lower())
            return f"{begins['head']}{name}{begins['rest']}"
        if gives and not self._has_begun:
            self._arguments.update(_defaults(gives["rest"], self._arguments))
        if flags:
            return _OTHER.sub(self._other, flags[0]) + instruction[flags.end() :]
        return instruction

    def _from(self, written: str) -> str:
        image = _expanded(written.strip("\"'"), self._arguments)
        if not image or image.endswith(":"):
            raise EspalierError(
                "environment_invalid",
                f"Can't read the Dockerfile's FROM {written}: no ARG before the first FROM gives it a value.",
                "Give it a default, as in ARG BASE=debian:12, or write the image's name.",
            )
        if image.lower() in self._stages:
            return written
        name = self._change(image)
        return written if name == image else name

    def _other(self, match: "re.Match[str]") -> str:
        image = match["image"]
        is_stage = image.isdecimal() or image.lower() in self._stages
        return match["head"] + (image if is_stage else self._change(image))


def _defaults(words: str, known: Mapping[str, str]) -> Dict[str, str]:
    """What an ARG says: `A=1 B="2"`."""
    found: Dict[str, str] = {}
    try:
        for word in shlex.split(re.sub(_GAP, " ", words)):
            name, given, value = word.partition("=")
            if given:
                found[name] = _expanded(value, {**known, **found})
    except ValueError:  # the engine will say so
        pass
    return found


def _expanded(text: str, values: Mapping[str, str]) -> str:
    def value(match: "re.Match[str]") -> str:
        found = values.get(match["plain"] or match["name"], "")
        if match["kind"] == "+":
            return match["word"] if found else ""
        return found or match["word"] or ""

    return _VARIABLE.sub(value, text)


def _instructions(text: str) -> Iterator[str]:
    """A Dockerfile in pieces, with line ends between them: an instruction each, or a line that is none. SQL in a RUN
    has lines with FROM as well."""
    piece: List[str] = []
    for line in text.split("\n"):
        is_none = not line.strip() or line.lstrip().startswith("#")  # (these do not end what goes on)
        piece.append(line)
        if (len(piece) == 1 if is_none else not line.rstrip().endswith("\\")):
            yield "\n".join(piece)
            piece = []
    if piece:
        yield "\n".join(piece)
