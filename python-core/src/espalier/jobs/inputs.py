"""Inputs: files and folders outside the snapshot that a job may read, outputs of other runs, files on the web.
And the outputs that a job declares, which others may name, and without which it has failed."""

import os
import re
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Sequence, Union

from espalier.adapters.homes import cache_folder
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.job import Fetch, Input, Output
from espalier.base.names import check_name
from espalier.base.paths import KEPT_FOLDERS, WORKDIR, WorkspacePaths, is_digest, is_run_id
from espalier.base.scripts import input_variable
from espalier.environment.spelling import KEEP_SECRETS, url
from espalier.lifecycle.status import read_status
from espalier.store.input_digests import digest_of_file, input_at
from espalier.tracking.artifacts import checked_parts
from espalier.tracking.run_outputs import found_output, output_to_come

_FOLDERS = (*KEPT_FOLDERS, WORKDIR)


def declared_outputs(outputs: Mapping[str, str]) -> List[Output]:
    """The outputs of a job, by their names. Raises EspalierError: `bad_name`; `bad_argument`: one lies where no job
    writes."""
    return [_declared(check_name("output", name), path) for name, path in sorted(outputs.items())]


def _declared(name: str, path: str) -> Output:
    parts = checked_parts(path)
    if parts[0] not in _FOLDERS:
        message = f"Can't declare the output {name} as {path!r:.200}: a run's files are in {', '.join(_FOLDERS)}."
        hint = f'If the job writes "{path:.200}", declare "{WORKDIR}/{path:.200}".'
        raise EspalierError("bad_argument", message, hint)
    return Output(name, path)


# A path, or a reference: the names of its fields say of which kind it is.
Given = Union[str, Mapping[str, str]]
_OF_NETWORKS = re.compile("(?i:(?:https?|no|all)_proxy)|SSL_CERT_FILE|SSL_CERT_DIR")
_LONGEST_NAME = 200
_ADDRESS = (
    "An address begins with https:// or http://, and has no spaces or quotes. Give a local file by its path. "
    "Download other addresses in the job."
)


def resolve_inputs(paths: WorkspacePaths, inputs: Mapping[str, Given]) -> List[Input]:
    """Each input: absolute path, kind, and what tells whether it changed. Of outputs that a run has yet to write the
    path alone. Raises EspalierError: `input_missing`, `bad_name`, `run_missing`."""
    taken: Dict[str, str] = {}
    for name in inputs:
        other = taken.setdefault(input_variable(check_name("input", name)), name)
        if other != name:
            raise EspalierError(
                "bad_name",
                f"Can't tell the inputs {other} and {name} apart: both have the variable {input_variable(name)}.",
                "Give them names that differ in more than case and signs.",
            )
    return [_resolved(paths, name, given) for name, given in sorted(inputs.items())]


def _resolved(paths: WorkspacePaths, name: str, given: Given) -> Input:
    if not isinstance(given, str):
        resolve = _KINDS.get(frozenset(given))
        if resolve is None or not all(isinstance(item, str) for item in given.values()):
            kinds = "; ".join(" and ".join(sorted(fields)) for fields in _KINDS)
            raise EspalierError("bad_argument", f"The input {name} must be a path, or have the fields {kinds}.")
        return resolve(paths, name, dict(given))
    full = os.path.abspath(os.path.expanduser(given))
    if not os.path.exists(full):
        raise EspalierError(
            "input_missing", f"Can't find {given}, the input {name}.", "Correct the path."
        )
    try:
        return input_at(name, full)
    except OSError as error:
        hint = "Make it readable, or leave it out."
        message = f"Can't read the input {name} ({given}): {error.filename or given}: {error.strerror}."
        raise EspalierError("input_missing", message, hint) from error


def _output(paths: WorkspacePaths, name: str, given: Dict[str, str]) -> Input:
    """An output of a run of the workspace."""
    run_id = given["run"]
    if not is_run_id(run_id) or not os.path.isdir(paths.run(run_id).root):
        message = f"Can't find the run {run_id!r:.150} of the input {name} in {paths.root}."
        raise EspalierError("run_missing", message, "Outputs of runs of the same workspace can be inputs.")
    item, state = output_to_come(paths, name, run_id, given["output"]), read_status(paths.run(run_id)).state
    if state == states.COMPLETED:
        return found_output(paths, item)
    if states.is_final(state):
        message = f"Can't use an output of the run {run_id} as the input {name}: that run ended as {state}."
        raise EspalierError("input_missing", message, "Name a run that completes, or give the path of a file.")
    return item


def _url(paths: WorkspacePaths, name: str, given: Dict[str, str]) -> Input:
    """What is at an address: the file of that digest, wherever it is fetched from."""
    sha256 = given["sha256"].lower()
    if not is_digest(sha256):
        message = f"`sha256` of the input {name} must be 64 hexadecimal digits, not {given['sha256']!r:.100}."
        hint = "`sha256sum <file>` prints the digest of a file."
        raise EspalierError("bad_argument", message, hint)
    try:
        address = url(f"The input {name}", given["url"])
    except EspalierError as error:
        hint = "Take an address without it, or download the file in the job, with the password in `secrets`."
        raise EspalierError("bad_argument", error.message, hint if error.hint == KEEP_SECRETS else _ADDRESS) from None
    place = address.partition("?")[0]
    file = os.path.basename(place)
    if not place.startswith(("https://", "http://")) or file in ("", ".", "..") or len(file) > _LONGEST_NAME:
        message = f"Can't use {address:.200} as the input {name}: an address is https://<host>/<path>/<file>."
        raise EspalierError("bad_argument", message, _ADDRESS)
    return Input(name, place, digest=digest_of_file(sha256), url=address, sha256=sha256)


# A kind of reference is an entry here: the names of its fields, and what makes an input of them.
_KINDS: Dict[FrozenSet[str], Callable[[WorkspacePaths, str, Dict[str, str]], Input]] = {
    frozenset(("run", "output")): _output,
    frozenset(("url", "sha256")): _url,
}


def fetching(inputs: Sequence[Input], variables: Mapping[str, str]) -> Dict[str, Fetch]:
    """What env.json holds for inputs that have an address: where they are kept, and the session's proxies and
    certificates. Empty without such inputs.
    """
    if not any(item.url for item in inputs):
        return {}
    needed = {name: value for name, value in variables.items() if _OF_NETWORKS.fullmatch(name)}
    return {"fetch": Fetch(cache_folder(), needed)}


def identity_of(inputs: Sequence[Input]) -> List[Any]:
    """What decides whether the inputs are the same as another run's."""
    keys = ("digest",) if all(item.is_copied for item in inputs) else ("digest", "path", "size", "modified_at")
    return [[item.name, *(getattr(item, key) for key in keys)] for item in inputs]


def runs_waited_for(inputs: Sequence[Input]) -> List[str]:
    """The runs that have yet to write an input."""
    return [str(item.run) for item in inputs if item.is_to_come]
