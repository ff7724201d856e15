"""Values that replace those of a file: `params.trees=500`, as `--set` has them. Their types are those of the fields."""

from typing import Any, List, Mapping, Sequence, Tuple

from espalier.base.errors import EspalierError
from espalier.base.model.codec import shown
from espalier.jobfile.document import Document, Place, Places, Spot, Way, Word, bad_job
from espalier.jobfile.reader import DEEPEST, checked_text, plain_value, read_document

_NAMES = "Names have dots between them: params.trees=500."
# Below these, all that follows is one name, dots and all.
_BY_NAME = ("params", "tags", "environment_variables", "outputs", "environmentVariables")


def set_values(document: Document, texts: Sequence[str], values: Mapping[str, Any]) -> None:
    """Replace some values of a file.

    Args:
        document: What the file holds.
        texts: Each `name=value`, with dots between names. The value is what it would be in the file without quotes; one
            that begins with a quote, `[` or `{` is read as YAML.
        values: Values by such names.

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
