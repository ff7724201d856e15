"""The images that a Dockerfile begins with."""

import pytest
from espalier.images.dockerfile import digest_of_bases, images_in, with_images, with_line_after_from

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
    assert images_in(TEXT) == ["golang:1.21", "debian:12", "Golang"]


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
    assert images_in(SQL) == ["a:1", "c:3"]
    marked = with_line_after_from(SQL, "LABEL x=y")
    assert marked == SQL.replace("FROM a:1", "FROM a:1\nLABEL x=y").replace("FROM c:3", "FROM c:3\nLABEL x=y")


def test_one_digest_for_all() -> None:
    one = digest_of_bases({"a": "sha256:1", "b": "sha256:2"})
    assert one == digest_of_bases({"b": "sha256:2", "a": "sha256:1"})
    assert one != digest_of_bases({"a": "sha256:1", "b": "sha256:3"})
