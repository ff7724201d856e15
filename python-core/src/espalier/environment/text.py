"""Definitions as text: as YAML, in and out, and as what an image is built of. In YAML nothing is lost, and nothing in
it can do anything.

Every plain scalar is read as the text that stands there, and null as null: which type a value has is the definition's
business. So `version: 4.10` stays 4.10, and `no`, `2024-05-01`, `010` and `1e5` are what they say.
"""

import re
from typing import Any, Dict, Hashable, List, Optional, Tuple

import yaml

from espalier.base.errors import EspalierError
from espalier.base.model.codec import short, shown
from espalier.environment.definition import FORMAT, Environment
from espalier.environment.lock import Lock
from espalier.environment.recipe import LIBRARY, PYTHON, render
from espalier.environment.spelling import invalid

LARGEST = 1 << 20
DEEPEST = 20
_NULL = "tag:yaml.org,2002:null"
_BREAKS = set("\r\x85\u2028\u2029")
_TEXT = "tag:yaml.org,2002:str"


def environment_from_text(text: str, where: str = "The YAML") -> Environment:
    """A definition from YAML. Raises EspalierError: `environment_invalid`, `bad_name`, `newer_format`."""
    values = read_yaml(text, where)
    if not isinstance(values, dict):
        raise invalid(where, "holds no environment.", "Write one field a line, such as `name: ...`.")
    try:
        return Environment.from_mapping(values)
    except EspalierError as error:
        place = f"{where}{_line_of(text, str(error.fields.get('field') or ''))}"
        raise EspalierError(error.code, f"{place}: {error.message}", error.hint, **error.fields) from None


def _line_of(text: str, field: str) -> str:
    """`, line 3` where the name of a field stands in a text, if it stands there once."""
    name = re.split(r"[.\[]", field)[-1]
    begins = re.compile(rf"[\s-]*{re.escape(name)}\s*:")
    found = [number for number, line in enumerate(text.splitlines(), 1) if begins.match(line)]
    return f", line {found[0]}" if name and len(found) == 1 else ""


def environment_as_text(environment: Environment) -> str:
    """A definition as YAML: what it says, without what it leaves open."""
    return yaml.dump(
        short_record(environment), Dumper=YamlWriter, sort_keys=False, allow_unicode=True, default_flow_style=False,
        width=1 << 20,
    )  # fmt: skip


def short_record(environment: Environment) -> Dict[str, Any]:
    """The fields of a definition that say something."""
    return {"format": FORMAT, **short(environment)}


def stages_as_text(environment: Environment, lock: Optional[Lock] = None) -> str:
    """The stages of which an image is built: the Dockerfile of the first, as the engine gets it, and in comments what
    the stages of packages install, which have no Dockerfile.

    Args:
        lock: Its packages, exactly; without, the comments say what is asked for.

    Returns:
        The text. Its comments name secrets and files that the Dockerfile copies; they have no content of these.
    """
    recipe = render(environment)
    notes = [f"The image of {environment.name}, built by espalier in stages."]
    if recipe.context is not None:
        notes.append(f"It begins with what {recipe.context.dockerfile} of the build context makes.")
    notes += [f"The Dockerfile finds {name} beside it, as the definition has it." for name in recipe.files]
    packages = _asked_packages(environment) if lock is None else _locked_packages(environment, lock)
    return "".join([*_comments(notes), recipe.dockerfile, *_comments(packages)])


def _asked_packages(environment: Environment) -> List[str]:
    python, r = environment.python, environment.r
    asked = Environment(
        environment.name,
        r=r if r is not None and r.is_managed and r.has_packages else None,
        python=python if python is not None and python.is_managed else None,
    )
    if asked.r is None and asked.python is None:
        return []
    # (the first two lines have the format and the name)
    lines = environment_as_text(asked).rstrip("\n").split("\n")[2:]
    return ["Then espalier installs packages. It resolves them when the image is built:", *_indented(lines)]


def _locked_packages(environment: Environment, lock: Lock) -> List[str]:
    lines: List[str] = []
    if environment.python is not None and environment.python.is_managed:
        lines.append(f"Then espalier installs Python {lock.python_version or ''} packages into {PYTHON}:")
        # (the hashes of a package's files fill pages)
        lines += _indented([*lock.conda, *(line.partition(" --hash=")[0] for line in lock.python)])
    if environment.r is not None and environment.r.is_managed and environment.r.has_packages:
        lines.append(f"Then espalier installs R packages into {LIBRARY}, from their sources:")
        lines += _indented([f"{one.name} {one.version} {one.url}" for one in lock.r])
    return lines


def _indented(lines: List[str]) -> List[str]:
    return [f"  {line}" for line in lines]


def _comments(lines: List[str]) -> List[str]:
    return [f"# {line}\n" for line in lines]


def read_yaml(text: str, where: str) -> Any:
    """One YAML document of maps, lists, text and null.

    Raises:
        EspalierError: `environment_invalid` when it is none, is too large or too deep, or has anchors, tags or a key
            twice.
    """
    if len(text) > LARGEST:
        raise invalid(where, f"is larger than {LARGEST >> 20} MB.")
    try:
        _check_events(text, where)
        return yaml.load(text, Loader=_Reader)  # (it makes text alone)
    except yaml.YAMLError as error:
        raise _unreadable(error, where) from None
    except RecursionError:
        raise invalid(where, "is nested too deep.") from None


def _check_events(text: str, where: str) -> None:
    """Refuses what could grow without end, or is more than text, before anything is made of it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Reader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if depth > DEEPEST:
            raise invalid(where, "is nested too deep.", f"An environment needs no more than {DEEPEST} levels.")
        if getattr(event, "anchor", None) is not None:
            place = _line(event.start_mark)
            raise invalid(where, f"has an anchor or alias in {place}.", "Write out what it stands for.")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise invalid(where, f"has a tag in {_line(event.start_mark)}: {shown(tag)}.", "Leave it out.")


class _Reader(yaml.SafeLoader):
    """A loader that makes maps, lists, text and null."""

    yaml_implicit_resolvers: Dict[Any, List[Tuple[str, Any]]] = {
        first: [pair for pair in pairs if pair[0] == _NULL]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Dict[Hashable, Any]:
        found: Dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that isn't text", key_node.start_mark)
            if key_node.value in found:
                message = f"the key {shown(key_node.value)} a second time"
                raise yaml.constructor.ConstructorError(None, None, message, key_node.start_mark)
            found[key_node.value] = self.construct_object(value_node, deep=True)
        return found

    def construct_yaml_map(self, node: Any) -> Any:
        yield self.construct_mapping(node)


_Reader.add_constructor("tag:yaml.org,2002:map", _Reader.construct_yaml_map)


class YamlWriter(yaml.SafeDumper):
    """A dumper that quotes what other readers of YAML would take for something else, and repeats nothing by alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _write_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # (line breaks that are not \n survive only where they are escaped)
    style = '"' if _BREAKS & set(text) else "|" if "\n" in text else None
    return writer.represent_scalar(_TEXT, text, style=style)


YamlWriter.add_representer(str, _write_text)


def _unreadable(error: yaml.YAMLError, where: str) -> EspalierError:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it isn't YAML")
    place = f" in {_line(mark)}" if mark is not None else ""
    return invalid(where, f"can't be read{place}: {problem if problem.isprintable() else ascii(problem)}.")


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
