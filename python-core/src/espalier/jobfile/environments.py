"""The environment that a job file asks for: a name, a file, or a definition."""

import json
from typing import Any, Dict, Mapping, Optional, Tuple

from espalier.base.canonical import canonical_json
from espalier.base.errors import EspalierError
from espalier.base.names import is_name
from espalier.environment.definition import Environment
from espalier.environment.definition_files import from_yaml
from espalier.environment.text import short_record
from espalier.jobfile.kinds import all_text_of, misfit, path_of, text_of
from espalier.jobfile.reader import Node, bad_job

# The name that a definition without one has while it is checked; the experiment gives it its own.
_NAMELESS = "job"
_REFERENCE = {"name", "version"}
_FORMS = "Give the name of a registered environment, `name` or `name:version`, `{file: path}`, or a definition."


def environment_of(node: Node, where: str) -> Dict[str, Any]:
    """The field `environment` of a config.

    Raises:
        EspalierError: `bad_job_file`, with the place of what is wrong; `newer_format`.
    """
    if node.items is not None:
        raise misfit(node, where, "a name, or a definition")
    if node.fields is None:
        name, colon, version = text_of(node, where).rpartition(":")
        if not is_name(name if colon else version) or (colon and not version):
            raise misfit(node, where, "the name of an environment", _FORMS)
        return {"name": name, "version": version} if colon else {"name": version}
    if "file" in node.fields:
        return _from_file(node, where)
    values: Dict[str, Any] = all_text_of(node)
    if values and set(values) <= _REFERENCE and values.get("name"):
        return {name: text for name, text in values.items() if text is not None}
    return definition_value(_checked(node, values), has_name="name" in values)


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
            raise EspalierError("environment_invalid", f"The environment's record isn't JSON: {error}.") from error
        return short_record(Environment.from_mapping(values))
    if given and set(given) <= _REFERENCE:
        name, version = str(given.get("name")), given.get("version")
        is_plain = is_name(name) and (version is None or is_name(str(version)))
        reference = name if version is None else f"{name}:{version}"
        return reference if is_plain else {part: str(text) for part, text in given.items() if text is not None}
    environment = Environment.from_mapping({"name": _NAMELESS, **given})
    return short_record(environment) if "name" in given else definition_value(environment, has_name=False)


def _from_file(node: Node, where: str) -> Dict[str, Any]:
    fields = node.fields or {}
    if len(fields) > 1:
        raise bad_job(node.place, f"`{where}` has `file` and other fields.", "Write a definition, or name its file.")
    path = path_of(fields["file"], f"{where}.file")
    try:
        return definition_value(from_yaml(path))
    except EspalierError as error:
        raise bad_job(fields["file"].place, error.message, error.hint, f"{where}.file") from None


def _checked(node: Node, values: Mapping[str, Any]) -> Environment:
    try:
        return Environment.from_mapping({"name": _NAMELESS, **values})
    except EspalierError as error:
        if error.code == "newer_format":
            raise
        field, inner = _field_at(node, str(error.fields.get("field", "")))
        message = f"environment: {error.message}"
        raise bad_job(inner.key or inner.place, message, error.hint, f"environment.{field}") from None


def _field_at(node: Node, field: str) -> Tuple[str, Node]:
    """The innermost node that a field's name with dots leads to."""
    for name in field.split("."):
        inner: Optional[Node] = (node.fields or {}).get(name)
        if inner is None:
            break
        node = inner
    return field, node
