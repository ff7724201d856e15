"""Inputs: files and folders outside the snapshot that a job may read, and outputs of other runs."""

import os
from typing import Any, Dict, List, Mapping, Sequence, Union

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.job import Input
from espalier.base.names import check_name, input_variable
from espalier.base.paths import WorkspacePaths, is_run_id
from espalier.lifecycle.status import read_status
from espalier.store.input_digests import input_at
from espalier.tracking.run_outputs import found_output, output_to_come

# A path, or `run` and `output` of an output of a run.
Given = Union[str, Mapping[str, str]]


def resolve_inputs(paths: WorkspacePaths, inputs: Mapping[str, Given]) -> List[Input]:
    """Each input: absolute path, kind, and what tells whether it changed. Of outputs that a run has yet to write the
    path alone.

    Raises:
        EspalierError: `input_missing`, `bad_name`, `run_missing`.
    """
    taken: Dict[str, str] = {}
    for name in inputs:
        other = taken.setdefault(input_variable(check_name("input", name)), name)
        if other != name:
            raise EspalierError(
                "bad_name",
                f"The inputs {other} and {name} would have the same variable, {input_variable(name)}.",
                "Give them names that differ in more than case and signs.",
            )
    return [_resolved(paths, name, given) for name, given in sorted(inputs.items())]


def _resolved(paths: WorkspacePaths, name: str, given: Given) -> Input:
    if not isinstance(given, str):
        return _output(paths, name, dict(given))
    full = os.path.abspath(os.path.expanduser(given))
    if not os.path.exists(full):
        raise EspalierError(
            "input_missing", f"The input {name} is {given}, and there is no such file or folder.", "Correct the path."
        )
    try:
        return input_at(name, full)
    except OSError as error:
        hint = "Make it readable, or leave it out."
        message = f"The input {name} ({given}) cannot be read: {error.filename or given}: {error.strerror}."
        raise EspalierError("input_missing", message, hint) from error


def _output(paths: WorkspacePaths, name: str, given: Dict[str, str]) -> Input:
    """An output of a run of the workspace."""
    if sorted(given) != ["output", "run"] or not all(isinstance(item, str) for item in given.values()):
        raise EspalierError("bad_argument", f"The input {name} must be a path, or run and output of an output.")
    run_id = given["run"]
    if not is_run_id(run_id) or not os.path.isdir(paths.run(run_id).root):
        message = f"The input {name} is to be an output of {run_id!r:.150}, and there is no such run in {paths.root}."
        raise EspalierError("run_missing", message, "Outputs of runs of the same workspace can be inputs.")
    item, state = output_to_come(paths, name, run_id, given["output"]), read_status(paths.run(run_id)).state
    if state == states.COMPLETED:
        return found_output(paths, item)
    if states.is_final(state):
        message = f"The input {name} is to be an output of the run {run_id}, which ended as {state}."
        raise EspalierError("input_missing", message, "Name a run that completes, or give the path of a file.")
    return item


def identity_of(inputs: Sequence[Input]) -> List[Any]:
    """What decides whether the inputs are the same as another run's."""
    keys = ("digest",) if all(item.is_copied for item in inputs) else ("digest", "path", "size", "modified_at")
    return [[item.name, *(getattr(item, key) for key in keys)] for item in inputs]


def runs_waited_for(inputs: Sequence[Input]) -> List[str]:
    """The runs that have yet to write an input."""
    return [str(item.run) for item in inputs if item.is_to_come]
