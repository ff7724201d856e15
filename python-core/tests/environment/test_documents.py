"""docs/environment-yaml.md names every field, and its example is an environment."""

import re
from dataclasses import fields
from pathlib import Path

from espalier import Environment
from espalier.environment.definition import (
    BuildContext,
    Conda,
    CranPackage,
    DockerSide,
    GithubPackage,
    PythonSide,
    Registry,
    RSide,
)

TEXT = (Path(__file__).parents[3] / "docs" / "environment-yaml.md").read_text("utf-8")


def test_every_field_is_explained() -> None:
    named = set(re.findall(r"`([a-z_]+)`", TEXT))
    for cls in (Environment, RSide, CranPackage, GithubPackage, PythonSide, Conda, DockerSide, Registry, BuildContext):
        assert {field.name for field in fields(cls)} - named == set(), cls


def test_the_example_is_an_environment() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    environment = Environment.from_text(example)
    assert environment.as_text() == example
