"""The environment that a job file asks for: a name, a file, or a definition."""

import json
from typing import Any, Dict, Mapping

from espalier.base.canonical import canonical_json
from espalier.base.errors import EspalierError
from espalier.base.model.codec import Wrong
from espalier.base.names import is_name
from espalier.environment.definition import Environment
from espalier.environment.definition_files import from_yaml
from espalier.environment.text import short_record
from espalier.jobfile.document import Document

# The name that a definition without one has while it is checked; the experiment gives it its own.
_NAMELESS = "job"
_REFERENCE = {"name", "version"}
_FORMS = "Give the name of a registered environment, `name` or `name:version`, `{file: path}`, or a definition."


def environment_of(given: Any, document: Document) -> Dict[str, Any]:
    """The field `environment` of a config.

    Args:
        given: What the file has, words as they are written.

    Raises:
        Wrong: It's none.
        EspalierError: Its definition is wrong.
    """
    if isinstance(given, str):
        name, colon, version = given.rpartition(":")
        if not is_name(name if colon else version) or (colon and not version):
            raise Wrong("must be the name of an environment", given, hint=_FORMS)
        return {"name": name, "version": version} if colon else {"name": version}
    if not isinstance(given, dict):
        raise Wrong("must be a name, or a definition", given)
    if "file" in given:
        if len(given) > 1:
            raise Wrong("has `file` and other fields", hint="Write a definition, or name its file.")
        with document.at("environment", "file"):
            return definition_value(from_yaml(document.file("environment", "file")))
    if given and set(given) <= _REFERENCE and given.get("name"):
        return {name: text for name, text in given.items() if text is not None}
    return definition_value(Environment.from_mapping({"name": _NAMELESS, **given}), has_name="name" in given)


def definition_value(environment: Environment, has_name: bool = True) -> Dict[str, Any]:
    """A definition as the field of a config; without a name, the experiment gives it its own."""
    if has_name:
        return {"definition": canonical_json(environment.record()).decode("utf-8")}
    return {name: value for name, value in short_record(environment).items() if name not in ("format", "name")}


def environment_value(given: Mapping[str, Any]) -> Any:
    """What a file holds for the field `environment` of a config."""
    if "definition" in given:
        try:
            values = json.loads(str(given["definition"]))
        except ValueError as error:
            raise EspalierError(
                "environment_invalid", f"Can't read the environment's record: it isn't JSON: {error}."
            ) from error
        return short_record(Environment.from_mapping(values))
    if given and set(given) <= _REFERENCE:
        name, version = str(given.get("name")), given.get("version")
        is_plain = is_name(name) and (version is None or is_name(str(version)))
        reference = name if version is None else f"{name}:{version}"
        return reference if is_plain else {part: str(text) for part, text in given.items() if text is not None}
    environment = Environment.from_mapping({"name": _NAMELESS, **given})
    return short_record(environment) if "name" in given else definition_value(environment, has_name=False)
