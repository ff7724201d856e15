"""Carrying out what a job asks for: `python -I -S submission/requests.py RUN_DIR`, started by the job's runner.

A request is carried out once: what it makes has an id that follows from the request, so that whoever repeats one of
which the answer was not written finds what is there. A request is other people's text until it has been checked.
"""

import os
import sys
import traceback
from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Sequence

if __name__ == "__main__":  # (see runner/__main__.py)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier import states
from espalier.adapters.files import remove_tree
from espalier.errors import EspalierError
from espalier.lifecycle.children import is_descendant
from espalier.lifecycle.recorded import end_recorded, keep_outputs
from espalier.lifecycle.requests import RequestBox, error_answer, open_box
from espalier.lifecycle.status import read_status
from espalier.names import check_label
from espalier.paths import RunPaths, is_run_id
from espalier.queue.control import cancel
from espalier.records import read_record
from espalier.submission.asked import config_of, items_of, plain_request, text_of, texts_of
from espalier.submission.children import check_child_id, child_spec, create_held, settled_id, submit_child

Answer = Dict[str, Any]


def carry_out(run: RunPaths) -> None:
    """Carry out all requests of a run's job that have no answer yet; none when another process is at it."""
    with open_box(run) as box:
        if not box.alone():
            return
        for name in box.pending():
            box.take(name)
            box.answer(name, _answer(run, box, name))


def _answer(run: RunPaths, box: RequestBox, name: str) -> Answer:
    try:
        record = plain_request(box.read(name))
        deed = _DEEDS.get(text_of(record, "op", needed=True))
        if deed is None:
            raise EspalierError("bad_argument", f"A job cannot ask for {record['op']!r:.100}.")
        status = read_status(run)
        if states.is_final(status["state"]) or os.path.exists(run.cancel):
            raise EspalierError("run_not_active", "The run that asks has ended, or is being canceled.")
        return deed(run, record, f"{os.path.basename(run.root)}/{name}", box.made_at(name))
    except EspalierError as error:
        return error_answer(error)
    except Exception as error:
        traceback.print_exc()
        return error_answer(EspalierError("internal", f"The request {name} failed: {error!r:.500}."))


def _submit(run: RunPaths, record: Mapping[str, Any], seed: str, made_at: int) -> Answer:
    parent = _own(run, record, "parent")
    spec = read_record(run.spec)
    run_id = settled_id(spec["experiment"], made_at, seed)
    if _is_there(run, run_id):
        return {"run_ids": [run_id], "notes": [], "warnings": []}
    config, above = config_of(record, _environment(run), run), os.path.basename(parent.root)
    _refuse_other_secrets(spec, config.secrets)
    if config.source_directory and _is_within(config.source_directory, run.work):
        # a copy of what this run was submitted from: git knows of it what it knew of the original, and what was left
        # out of that has been told
        config = replace(config, record_diff=False)
        told = {**submit_child(run.workspace, above, config, _tags(record), run_id, git=spec.get("git")), "notes": []}
    else:
        told = submit_child(run.workspace, above, config, _tags(record), run_id)
    return {"run_ids": [told["run_id"]], "notes": told["notes"], "warnings": told["warnings"]}


def _refuse_other_secrets(spec: Mapping[str, Any], wanted: Sequence[str]) -> None:
    """A job hands on secrets that it has been given, and no others. Raises EspalierError `secret_missing`."""
    others = [name for name in wanted if name not in spec.get("secrets", [])]
    if others:
        message = f"This job cannot hand on the secret {', '.join(others)}, which it was not given itself."
        raise EspalierError("secret_missing", message, "Submit it with secrets = the names of all that are needed.")


def _create(run: RunPaths, record: Mapping[str, Any], seed: str, made_at: int) -> Answer:
    parent = _own(run, record, "parent")
    if states.is_final(read_status(parent)["state"]):
        raise EspalierError("run_not_active", f"The run {os.path.basename(parent.root)} has ended already.")
    experiment, paths = read_record(run.spec)["experiment"], run.workspace
    made: List[str] = []
    for number, item in enumerate(items_of(record, "wanted")):
        settled = settled_id(experiment, made_at, f"{seed}/{number}")
        chosen = text_of(item, "run_id")
        if chosen and not _is_made(paths.run(chosen), settled):
            check_child_id(paths, experiment, chosen)
        collect_from, tags = text_of(item, "collect_from") or None, _tags(item)
        run_id = chosen or settled
        if not _is_there(run, run_id):
            above, name = os.path.basename(parent.root), text_of(item, "name") or None
            spec = child_spec(paths, above, None, name, text_of(record, "client"))
            create_held(paths, {**spec, "id": run_id, "request": settled}, collect_from, tags)
        made.append(run_id)
    return {"run_ids": made}


def _is_there(run: RunPaths, run_id: str) -> bool:
    """Whether a request has been carried out before, by somebody who was killed; what is left of a try is removed."""
    if os.path.isdir(run.workspace.run(run_id).root):
        return True
    remove_tree(run.workspace.new_run(run_id).root)
    return False


def _is_made(child: RunPaths, settled: str) -> bool:
    """Whether a run with a chosen id is what this very request made when it was tried before."""
    try:
        return read_record(child.spec).get("request") == settled
    except (OSError, EspalierError):
        return False


def _complete(run: RunPaths, record: Mapping[str, Any], seed: str, made_at: int) -> Answer:
    return _end(run, record, states.COMPLETED)


def _fail(run: RunPaths, record: Mapping[str, Any], seed: str, made_at: int) -> Answer:
    return _end(run, record, states.FAILED)


def _end(run: RunPaths, record: Mapping[str, Any], state: str) -> Answer:
    child = _below(run, record)
    status = read_status(child)
    if status["state"] != state:  # (else it was done before, and the answer got lost)
        end_recorded(child, keep_outputs(child, status), state, text_of(record, "message") or None)
    return {"run_ids": [os.path.basename(child.root)]}


def _cancel(run: RunPaths, record: Mapping[str, Any], seed: str, made_at: int) -> Answer:
    child = _below(run, record)
    return {"run_ids": [os.path.basename(child.root)], "canceled": cancel(child, os.path.basename(child.root))}


_DEEDS: Dict[str, Callable[[RunPaths, Mapping[str, Any], str, int], Answer]] = {
    "submit": _submit,
    "create": _create,
    "complete": _complete,
    "fail": _fail,
    "cancel": _cancel,
}


def _own(run: RunPaths, record: Mapping[str, Any], field: str) -> RunPaths:
    """The run that a request names, which must be the one that asks or be below it."""
    own, named = os.path.basename(run.root), text_of(record, field) or os.path.basename(run.root)
    if named == own:
        return run
    if is_run_id(named) and is_descendant(run.workspace.run(named), own):
        return run.workspace.run(named)
    message = f"{named!r:.200} is not the run of this job, nor below it."
    raise EspalierError("bad_argument", message, "A job can only do that to its own.")


def _below(run: RunPaths, record: Mapping[str, Any]) -> RunPaths:
    named = _own(run, {"run": text_of(record, "run", needed=True)}, "run")
    if named is run:
        raise EspalierError("bad_argument", "A job cannot do that to its own run.", "It ends when its script does.")
    return named


def _environment(run: RunPaths) -> Dict[str, Any]:
    """What the job was given: its children find the same. A run without one is recorded by a session."""
    try:
        return read_record(run.env)
    except FileNotFoundError:
        return {"variables": dict(os.environ), "links": {}}


def _is_within(path: str, folder: str) -> bool:
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(os.path.realpath(folder), ""))


def _tags(record: Mapping[str, Any]) -> Dict[str, str]:
    return {check_label("tag", name): value for name, value in texts_of(record, "tags").items()}


if __name__ == "__main__":
    carry_out(RunPaths(sys.argv[1]))
