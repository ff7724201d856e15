"""Job files, read and written."""

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import yaml

from espalier.base.arguments import classed_function
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.base.names import check_name, looks_secret
from espalier.base.types import Text
from espalier.environment.definition_files import read_text, write_text
from espalier.environment.text import YamlWriter
from espalier.jobfile.azure import is_azure, translated
from espalier.jobfile.document import Document, Place, Places, Spot, Way, Word, bad_job
from espalier.jobfile.model import JobFile, fields_of, job_of
from espalier.jobfile.reader import DEEPEST, NUMBER, WHOLE, checked_text, plain_value, read_document
from espalier.jobs.commit import checked_tags

_NAMES = "Names have dots between them: params.trees=500."
# Below these, all that follows is one name, dots and all.
_BY_NAME = ("params", "tags", "environment_variables", "outputs", "environmentVariables")


@classed_function
def read_job(path: str, set: Sequence[str] = (), values: Optional[Mapping[str, Any]] = None) -> JobFile:
    """Read a job file: espalier's own, a command job of Azure's `az ml job`, or a `.runconfig`. Nothing is executed.

    Args:
        path: The file. Relative paths in it begin at its folder.
        set: Values that replace those of the file: `["params.trees=500"]`.
        values: Further ones by their names: `{"params.trees": 500}`.

    Raises:
        EspalierError: `bad_job_file`, with line and column of what is wrong; `newer_format`.
    """
    try:
        text = read_text(path)
    except EspalierError as error:
        raise bad_job(Place(path), error.message, error.hint) from None
    document = read_document(text, path)
    set_values(document, set, values or {})
    return job_of(*translated(document)) if is_azure(document) else job_of(document, [])


@classed_function
def write_job(
    config: Union[ScriptRunConfig, Mapping[str, Any]],
    path: str,
    experiment: Optional[str] = None,
    tags: Optional[Mapping[str, Text]] = None,
) -> List[str]:
    """Write a job to a file, in place of one that is there. `read_job` gives the same job.

    What belongs to the session isn't written, except for the Python that was chosen for the job.

    Args:
        config: The job.
        path: The file. Paths below its folder, or in a source directory that it lies in, are written relative to it.
        experiment: Name of the experiment.
        tags: Text to find its runs by.

    Returns:
        What the user should know: variables whose names look like those of secrets.

    Raises:
        EspalierError: `bad_argument` when the job has what no file can hold, or the file can't be written.
    """
    job = config if isinstance(config, ScriptRunConfig) else ScriptRunConfig.from_mapping(config)
    if experiment is not None:
        check_name("experiment", experiment)
    folder = os.path.dirname(os.path.abspath(os.path.expanduser(path)))
    text = job_text(fields_of(job, experiment, checked_tags(tags or {}), folder))
    try:
        job_of(read_document(text, os.path.join(folder, os.path.basename(path))), [])
    except EspalierError as error:
        message = f"Can't write the job to a file: {error.fields.get('problem', error.message)}"
        raise EspalierError("bad_argument", message, error.hint) from None
    write_text(path, text)
    return [
        f"The environment variable {name} looks like a secret, and the file has its value in plain text. Put it into "
        "the keyvault, by set_secrets(), and name it as `secrets` of the job."
        for name in sorted(job.environment_variables) if looks_secret(name)
    ]  # fmt: skip


def job_text(fields: Mapping[str, Any]) -> str:
    """The YAML of a job's fields.

    Raises:
        EspalierError: `bad_argument` for text that isn't Unicode, and numbers that no file can hold.
    """
    try:
        text = yaml.dump(
            dict(fields), Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1 << 20
        )
        text.encode("utf-8")
    except (ValueError, yaml.YAMLError) as error:
        problem = str(error) if str(error).isprintable() else ascii(str(error))
        raise EspalierError("bad_argument", f"Can't write the job to a file: {problem}.") from None
    return text


class _Writer(YamlWriter):
    """A writer that also quotes text which the rules of YAML 1.2 take for a number."""

    yaml_implicit_resolvers: Dict[Any, Any] = {
        key: list(rules) for key, rules in YamlWriter.yaml_implicit_resolvers.items()
    }


def _write_float(writer: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
    # (readers of YAML 1.1 take a number without a point for text)
    text = text if "." in text else text.replace("e", ".0e")
    return writer.represent_scalar("tag:yaml.org,2002:float", text)


_Writer.add_representer(float, _write_float)
_Writer.add_implicit_resolver("tag:yaml.org,2002:int", WHOLE, list("-+0123456789"))
_Writer.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))


def set_values(document: Document, texts: Sequence[str], values: Mapping[str, Any]) -> None:
    """Replace some values of a file.

    Args:
        texts: Each `name=value`, with dots between names. The value is what it would be in the file without quotes; one
            that begins with a quote, `[` or `{` is read as YAML.

    Raises:
        EspalierError: `bad_argument`, `bad_job_file`.
    """
    new = [(name, _read, text) for name, text in map(_split, texts)]
    for name, convert, value in [*new, *((name, _converted, value) for name, value in values.items())]:
        place = Place(document.path, setting=name)
        names = name.split(".", DEEPEST)
        if not all(names):
            raise EspalierError("bad_argument", f"Can't set {shown(name)}: it isn't the name of a field.", _NAMES)
        first = next((at for at, part in enumerate(names[:-1], 1) if part in _BY_NAME), len(names))
        names[first:] = [".".join(names[first:])] if names[first:] else []
        _replace(document, names, convert(value, place), place)


def _split(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise EspalierError("bad_argument", f"A setting must be written name=value, not {shown(text)}.", _NAMES)
    return name.strip(), value


def _read(text: str, place: Place) -> Any:
    if text[:1] not in ("[", "{", '"', "'"):
        return plain_value(checked_text(text, place), place)
    try:
        return read_document(text, "").values
    except EspalierError as error:
        raise bad_job(place, error.fields["problem"], error.hint) from None


def _converted(value: Any, place: Place) -> Any:
    """A plain value, as R and Python have them, as one of a file."""
    if isinstance(value, dict):
        return {str(name): _converted(item, place) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_converted(item, place) for item in value]
    if isinstance(value, bool):
        return Word(str(value).lower(), value)
    if isinstance(value, (int, float)):
        is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15  # (R's 5 is a double)
        return Word(str(int(value) if is_whole else value), value)
    if value is None or isinstance(value, str):
        return value and checked_text(value, place)
    message = f"Can't set {shown(place.setting)} to an object of type {type(value).__name__}."
    raise EspalierError("bad_argument", message, "Give text, a number, a logical, or a list of them.")


def _replace(document: Document, names: List[str], new: Any, place: Place) -> None:
    """Put another value at the end of some names; maps that aren't there are made."""
    spot, top = Spot(place, place), [document.values]
    holder: Any = top
    key: Any = 0
    way: Way = ()
    for name in names:
        document.places.setdefault(way, spot)
        value = holder[key]
        if isinstance(value, list) and name.isdecimal() and len(name) < 6 and int(name) < len(value):
            holder, key = value, int(name)
        else:
            if not isinstance(value, dict):  # (a single value gives way to the map that is asked for)
                holder[key] = value = {}
            holder, key = value, name
            value.setdefault(name, None)
        way = (*way, key)
    _forget(document.places, holder[key], way)
    document.places[way] = spot
    holder[key] = new
    document.values = top[0]


def _forget(places: Places, value: Any, way: Way) -> None:
    """Take a value's place out of others, and those of what is in it."""
    places.pop(way, None)
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        _forget(places, item, (*way, name))
