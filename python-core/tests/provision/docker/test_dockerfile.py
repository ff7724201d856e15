"""The images that a Dockerfile is made of."""

import pytest
from espalier.base.errors import EspalierError
from espalier.provision.docker.dockerfile import digest_of_bases, images_in, with_images, with_line_after_from

TEXT = """\
# FROM commented:1
ARG V=1
FROM --platform=linux/amd64 golang:1.21 AS build
RUN echo FROM inside
FROM build as second
  from debian:12
COPY --from=build /a /b
FROM base:${V}
FROM scratch
FROM Golang
"""


def test_images_and_no_stages() -> None:
    assert images_in(TEXT) == ["golang:1.21", "debian:12", "base:1", "Golang"]


def test_each_is_replaced_in_its_place() -> None:
    text = with_images(TEXT, {"golang:1.21": "golang@sha256:a", "debian:12": "sha256:b", "build": "no"})
    assert "FROM --platform=linux/amd64 golang@sha256:a AS build\n" in text
    assert "  from sha256:b\n" in text
    assert "FROM build as second\n" in text
    assert "# FROM commented:1\n" in text
    assert "FROM base:${V}\n" in text
    assert with_images(text, {}) == text


@pytest.mark.parametrize("text", ["", "RUN x", "FROM", "FROM \n"])
def test_nothing_in_what_is_none(text: str) -> None:
    assert images_in(text) == []


SQL = """\
FROM a:1
RUN psql -c "SELECT x \\
# a comment
  FROM t" && echo \\

FROM inside
from b:2 \\
  AS second
FROM c:3"""


def test_a_from_inside_of_an_instruction_is_none() -> None:
    assert images_in(SQL) == ["a:1", "b:2", "c:3"]
    marked = with_line_after_from(SQL, "LABEL x=y")
    for end in ("FROM a:1", "AS second", "FROM c:3"):
        assert f"{end}\nLABEL x=y" in marked
    assert marked.replace("\nLABEL x=y", "") == SQL


COPIES = """\
FROM debian:12 AS one
COPY --from=tools:3 /a /b
FROM debian:12
COPY --chown=1:2 \\
  # a comment
  --from=more:4 /a /b
copy --from=ONE /a /b
COPY --from=0 /a /b
COPY --from=$IMAGE /a /b
COPY a --from=no:1
RUN --mount=type=cache,target=/x --mount=type=bind,from=mounted:5,target=/m make --from=no:2
RUN echo \\
  COPY --from=no:3
"""


def test_what_is_copied_from_other_images() -> None:
    """Stages and their numbers are none, and neither is what is no flag."""
    assert images_in(COPIES) == ["debian:12", "tools:3", "more:4", "mounted:5"]
    text = with_images(COPIES, {"tools:3": "tools@sha256:a", "more:4": "sha256:b", "mounted:5": "m@sha256:c", "one": "no"})
    assert text == COPIES.replace("tools:3", "tools@sha256:a").replace("more:4", "sha256:b").replace(
        "mounted:5", "m@sha256:c"
    )
    assert with_images(COPIES, {}) == COPIES


@pytest.mark.parametrize(
    ("arguments", "image", "found"),
    [
        ("ARG BASE=debian:12", "$BASE", "debian:12"),
        ('arg BASE="debian:12"', '"${BASE}"', "debian:12"),
        ("ARG V=12 \\\n  NAME=debian\nARG BASE=${NAME}:$V", "${BASE}", "debian:12"),
        ("ARG BASE", "${BASE:-debian:12}", "debian:12"),
        ("ARG SLIM=yes", "debian:12${SLIM:+-slim}", "debian:12-slim"),
        ("ARG V", "debian${V:+:$V}", "debian"),
    ],
)
def test_an_argument_with_a_default(arguments: str, image: str, found: str) -> None:
    text = f"{arguments}\nFROM {image} AS one\nRUN x\n"
    assert images_in(text) == [found]
    assert with_images(text, {found: "sha256:a"}) == f"{arguments}\nFROM sha256:a AS one\nRUN x\n"
    assert with_images(text, {}) == text


@pytest.mark.parametrize(
    "text", ["ARG BASE\nFROM $BASE", "FROM ${NONE}", "ARG V\nFROM debian:$V", "FROM a:1\nARG B=b:1\nFROM $B", "FROM ''"]
)
def test_an_argument_without_a_default(text: str) -> None:
    with pytest.raises(EspalierError, match="no ARG before the first FROM") as caught:
        images_in(text)
    assert caught.value.code == "environment_invalid"


def test_hostile_lines_take_no_time() -> None:
    for text in ("FROM" + " \\\n" * 20_000 + "!", "COPY" + " --from" * 20_000, "RUN --mount=" + "a," * 20_000,
                 "ARG " + "${" * 20_000, "FROM " + "#" * 20_000 + "\\\n#" * 20_000):  # fmt: skip
        with_images(text, {})


def test_one_digest_for_all() -> None:
    one = digest_of_bases({"a": "sha256:1", "b": "sha256:2"})
    assert one == digest_of_bases({"b": "sha256:2", "a": "sha256:1"})
    assert one != digest_of_bases({"a": "sha256:1", "b": "sha256:3"})
