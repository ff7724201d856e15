"""A job's command on this host: what its words stand for is looked up here, and nowhere else. Pure."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.base.model.job import JobEnvironment, JobSpec
from espalier.base.model.record import Record
from espalier.base.model.words import INPUT, INTERPRETER, LITERAL, PARAMETER, SCRIPT, Part, Word, word
from espalier.base.scripts import language_of, parameter_texts
from espalier.base.values import is_cell


class Facts(Record):
    """What the words of one job stand for on one host.

    Args:
        interpreters: Language -> program.
        inputs: Name -> where the job reads it.
        parameters: Name -> a text for each value.
    """

    interpreters: Mapping[str, str]
    inputs: Mapping[str, str]
    parameters: Mapping[str, List[str]]


def facts_of(spec: JobSpec, places: Mapping[str, str], made: Mapping[str, Any]) -> Facts:
    """What the words of a job's command stand for.

    Args:
        places: Name of an input -> where the job reads it.
        made: What was made ready for it (protocol.md, `.job/environment.json`).

    Raises:
        EspalierError: `damaged`: a parameter of it isn't a value.
    """
    for name, given in spec.params.items():
        if not all(map(is_cell, given if isinstance(given, list) else [given])):
            message = f"Can't read the job's parameter {name!r:.100}: {given!r:.100} isn't a value."
            raise EspalierError("damaged", message, "Restore spec.json from a backup, or submit it again.")
    parameters = {name: parameter_texts(spec.entry_script, given) for name, given in spec.params.items()}
    return Facts(interpreters(spec.environment, made), places, parameters)


def interpreters(asked: Optional[JobEnvironment], made: Mapping[str, Any]) -> Dict[str, str]:
    """What runs scripts of each language: what was made ready, else what the definition names, else what the session
    has, else what is on the PATH."""
    environment = asked or JobEnvironment()
    r, python = ((environment.definition or {}).get(side) or {} for side in ("r", "python"))
    rscript = made.get("rscript") or r.get("rscript_path") or (environment.r or {}).get("rscript")
    own = made.get("python") or python.get("interpreter_path") or (environment.python or {}).get("interpreter")
    return {"r": str(rscript or "Rscript"), "python": str(own or "python3")}


def resolved(words: Sequence[Word], facts: Facts) -> List[str]:
    """The argument vector that words stand for. A vector gives an argument for each value; in a word of several parts
    its values are separated by commas.

    Raises:
        EspalierError: `not_supported`: a newer espalier has such words; `damaged`: it names what the job doesn't have.
    """
    found: List[str] = []
    for each in words:
        texts = [_texts(part, facts) for part in each.parts]
        found += texts[0] if len(texts) == 1 else ["".join(",".join(values) for values in texts)]
    return found


def _texts(part: Part, facts: Facts) -> List[str]:
    if part.kind in (LITERAL, SCRIPT):  # (a job starts in its working copy)
        return [part.text]
    if part.kind == PARAMETER and part.text in facts.parameters:
        return facts.parameters[part.text]
    known = {INPUT: facts.inputs, INTERPRETER: facts.interpreters}.get(part.kind, {})
    if part.text in known:
        return [known[part.text]]
    shown = f"Can't replace the {part.kind:.40} {part.text!r:.100} in the job's command"
    if part.kind in (INPUT, INTERPRETER, PARAMETER):
        raise EspalierError("damaged", f"{shown}: the job has none of that name.", "Submit it again.")
    raise EspalierError(
        "not_supported", f"{shown}: this version doesn't know that kind of word.", "Install a newer espalier."
    )


def shown_command(spec: JobSpec, words: Optional[Sequence[Word]] = None) -> List[str]:
    """A command for people, as its submitter would write it: with the originals of its inputs.

    Args:
        words: Others of the job's words.
    """
    facts = facts_of(spec, {item.name: item.path for item in spec.inputs}, {})
    shown: List[str] = []
    for each in spec.command if words is None else words:
        try:
            shown += resolved([each], facts)
        except EspalierError:
            shown.append("".join(f"<{part.kind} {part.text}>" for part in each.parts))
    return shown


def typed_words(spec: JobSpec) -> Sequence[Word]:
    """A job's command. That of an older version has texts only: it ends with `--name path` of each input, and begins
    with the interpreter of the session, in whose place comes what was made ready."""
    words = list(spec.command)
    tail = len(words) - 2 * len(spec.inputs)
    if any(part.kind != LITERAL for each in words for part in each.parts):
        return words
    for item, at in zip(spec.inputs, range(tail + 1, len(words), 2)):
        words[at] = word(INPUT, item.name)
    language = language_of(spec.script)
    if spec.how == "private" and spec.type == "script" and language != "other":
        words[0] = word(INTERPRETER, language)
    return words
