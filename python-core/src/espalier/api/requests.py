"""Carrying out what a job asks for: `python -I -S api/requests.py RUN_DIR`, started by the job's runner.

A request is carried out once: what it makes has an id that follows from the request, so that a process that repeats
it, because the answer wasn't written, finds what is there. A request is other people's text until it has been checked.
"""

import contextlib
import os
import sys
import traceback
from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

if __name__ == "__main__":  # (see runner/__main__.py)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier.adapters.files import remove_tree
from espalier.api.dispatch import Dispatcher, member_of
from espalier.api.wire import JsonCarrier
from espalier.base import states
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as, shown
from espalier.base.model.job import JobEnv, JobSpec
from espalier.base.names import check_label
from espalier.base.os_errors import os_error
from espalier.base.paths import RunPaths, WorkspacePaths, is_run_id
from espalier.executors.registry import executor_of
from espalier.jobs.asked import Request, config_of, request_of
from espalier.jobs.children import check_child_id, child_spec, create_held, settled_id, submit_child
from espalier.jobs.confined import (
    copied_source,
    handed_on,
    in_parents_container,
    known_environment,
    refuse_others_runs,
    refuse_to_collect,
)
from espalier.lifecycle.children import is_descendant, parent_of
from espalier.lifecycle.end import end_recorded
from espalier.lifecycle.recorded import keep_outputs
from espalier.lifecycle.requests import RequestBox, error_answer, open_box
from espalier.lifecycle.scratch import live_scratch
from espalier.lifecycle.set_ids import close_to_others
from espalier.lifecycle.status import read_status
from espalier.lifecycle.view import bring_recorded, show
from espalier.queue.control import cancel

Answer = Dict[str, Any]
# A large project is submitted in a tenth of it.
_MEMORY_BYTES = 4 << 30


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
        asked = request_of(box.read(name))
        deed = _DEEDS.get(asked.op)
        if deed is None:
            raise EspalierError("bad_argument", f"Can't carry out {shown(asked.op)}: a job can't request it.")
        status = read_status(run)
        if states.is_final(status.state) or os.path.exists(run.cancel):
            raise EspalierError(
                "run_not_active", "Can't carry out the request: its run has ended or is being canceled."
            )
        return deed(run, asked, f"{os.path.basename(run.root)}/{name}", box.made_at(name))
    except EspalierError as error:
        return error_answer(error)
    except Exception as error:
        traceback.print_exc()
        found = os_error(error, run.workspace.root)
        return error_answer(found or EspalierError("internal", f"Can't carry out the request {name}: {error!r:.500}."))


def _submit(run: RunPaths, asked: Request, seed: str, made_at: int) -> Answer:
    parent = _own(run, asked.parent)
    spec = read_as(JobSpec, run.spec)
    run_id = settled_id(spec.experiment, made_at, seed)
    if _is_there(parent, run_id):
        return {"run_ids": [run_id], "notes": [], "warnings": []}
    confined = executor_of(spec).capabilities.is_confined
    fields = in_parents_container(asked.config, spec) if confined else asked.config
    config, above = config_of(fields, _environment(run), run), os.path.basename(parent.root)
    _refuse_other_secrets(spec, config.secrets)
    if confined:
        submitted = _submit_confined(run, spec, above, config, _tags(asked.tags), run_id)
    elif config.source_directory and _is_within_copy(run, config.source_directory):
        # a copy of what this run was submitted from: git knows of it what it knew of the original, and what was left
        # out of that has been submitted
        config = replace(config, record_diff=False)
        submitted = {**submit_child(run.workspace, above, config, _tags(asked.tags), run_id, copied=spec), "notes": []}
    else:
        submitted = submit_child(run.workspace, above, config, _tags(asked.tags), run_id)
    return {"run_ids": [submitted["run_id"]], "notes": submitted["notes"], "warnings": submitted["warnings"]}


def _submit_confined(
    run: RunPaths, spec: JobSpec, above: str, config: ScriptRunConfig, tags: Dict[str, str], run_id: str
) -> Answer:
    """Submit a child of a job in a container, which sees neither this host's files nor its engine."""
    refuse_others_runs(run, config.depends_on, "depends_on")
    environment = known_environment(run, spec, config.environment or {})
    config = replace(config, environment=environment, inputs=handed_on(run, spec, config.inputs))
    with copied_source(run, config.source_directory) as source:
        if source is not None:
            config = replace(config, source_directory=source.copy)
        submitted = submit_child(run.workspace, above, config, tags, run_id, copied=spec, source=source)
    show(run, run.workspace.run(run_id))
    return {**submitted, "notes": []}


def _refuse_other_secrets(spec: JobSpec, wanted: Sequence[str]) -> None:
    """A job hands on secrets that it has been given, and no others. Raises EspalierError `secret_missing`."""
    others = [name for name in wanted if name not in spec.secrets]
    if others:
        message = f"Can't pass on the secret {', '.join(others)}: this job wasn't given it."
        raise EspalierError("secret_missing", message, "Submit it with secrets = the names of all that are needed.")


def _create(run: RunPaths, asked: Request, seed: str, made_at: int) -> Answer:
    parent = _own(run, asked.parent)
    if states.is_final(read_status(parent).state):
        raise EspalierError(
            "run_not_active", f"Can't add a child to the run {os.path.basename(parent.root)}: it has ended."
        )
    own, paths = read_as(JobSpec, run.spec), run.workspace
    is_confined = executor_of(own).capabilities.is_confined
    experiment = own.experiment
    made: List[str] = []
    for number, item in enumerate(asked.wanted):
        settled = settled_id(experiment, made_at, f"{seed}/{number}")
        chosen = item.run_id
        if chosen and not _is_made(paths, chosen, settled):
            check_child_id(paths, experiment, chosen)
        collect_from, tags = item.collect_from or None, _tags(item.tags)
        if collect_from and is_confined:
            refuse_to_collect(collect_from)
        run_id = chosen or settled
        if not _is_there(parent, run_id):
            above, name = os.path.basename(parent.root), item.name or None
            spec = child_spec(paths, above, None, asked.client)
            create_held(paths, spec._replace(id=run_id, request=settled), name, collect_from, tags)
        if is_confined:
            if parent is run:  # (what the job logs into it is a file of the job's, brought to it)
                close_to_others(run.workspace.run(run_id))
            show(run, run.workspace.run(run_id))
        made.append(run_id)
    return {"run_ids": made}


def _is_there(parent: RunPaths, run_id: str) -> bool:
    """Whether a request has been carried out before, by a process that was killed; what is left of a try is removed.

    Raises:
        EspalierError: `run_exists`: another's run has that id. (A job chooses what ids are made from, and can try until
            one is that of a run that it is not to see.)
    """
    child = parent.workspace.run(run_id)
    if os.path.isdir(child.root):
        if parent_of(child) != os.path.basename(parent.root):
            raise EspalierError(
                "run_exists", f"Can't create the run {run_id}: it exists already.", "Ask for it once more."
            )
        return True
    remove_tree(parent.workspace.new_run(run_id).root)
    return False


def _is_made(paths: WorkspacePaths, chosen: str, settled: str) -> bool:
    """Whether a run with a chosen id is what this very request made when it was tried before."""
    try:
        return is_run_id(chosen) and read_as(JobSpec, paths.run(chosen).spec).request == settled
    except (OSError, EspalierError):
        return False


def _complete(run: RunPaths, asked: Request, seed: str, made_at: int) -> Answer:
    return _end(run, asked, states.COMPLETED)


def _fail(run: RunPaths, asked: Request, seed: str, made_at: int) -> Answer:
    return _end(run, asked, states.FAILED)


def _end(run: RunPaths, asked: Request, state: str) -> Answer:
    child = _below(run, asked)
    bring_recorded(run, child)
    status = read_status(child)
    if status.state != state:  # (else it was done before, and the answer got lost)
        end_recorded(child, keep_outputs(child, status), state, asked.message or None)
    if _is_confined(run):
        show(run, child)
    return {"run_ids": [os.path.basename(child.root)]}


def _cancel(run: RunPaths, asked: Request, seed: str, made_at: int) -> Answer:
    child = _below(run, asked)
    return {"run_ids": [os.path.basename(child.root)], "canceled": cancel(child, os.path.basename(child.root))}


def _call(run: RunPaths, asked: Request, seed: str, made_at: int) -> Answer:
    """An operation on the job's own run or one below, of those that the catalogue lets jobs ask for.

    It answers jobs whose language can't read the run's files, or that may not write to the record.
    """
    called = _own(run, asked.identity.id)
    if not _may_call(asked.class_, asked.member):
        raise EspalierError("bad_argument", f"Can't carry out {shown(asked.member)}: a job can't request it.")
    confined = _is_confined(run)
    if confined:
        bring_recorded(run, called)
    identity = {"workspace": run.workspace.root, "id": os.path.basename(called.root)}
    request = {"class": "Run", "member": asked.member, "identity": identity, "args": asked.args}
    try:
        value = Dispatcher(JsonCarrier()).call(request)
    except (LookupError, TypeError) as error:
        raise EspalierError("bad_argument", f"Can't carry out {shown(asked.member)} for a job: {error}.") from error
    if confined:
        show(run, called)
    return {"value": value}


def _may_call(class_name: str, name: str) -> bool:
    """Whether jobs may ask for an operation by `call`. Other requests have precedence."""
    if class_name != "Run" or name in _BY_REQUEST:
        return False
    try:
        member = member_of(class_name, name)
    except LookupError:
        return False
    return bool(member["kind"] == "property" or member["in_job"])


_DEEDS: Dict[str, Callable[[RunPaths, Request, str, int], Answer]] = {
    "submit": _submit,
    "create": _create,
    "complete": _complete,
    "fail": _fail,
    "cancel": _cancel,
    "call": _call,
}
# Operations of the catalogue that these carry out: a job's part in them differs.
_BY_REQUEST = ("submit_child_values", "child_run", "create_children", "complete", "fail", "cancel")


def _own(run: RunPaths, name: Optional[str]) -> RunPaths:
    """The run that a request names, which must be the one that asks or be below it."""
    own = os.path.basename(run.root)
    named = name or own
    if named == own:
        return run
    if is_run_id(named) and is_descendant(run.workspace.run(named), own):
        return run.workspace.run(named)
    message = f"Can't use the run {named!r:.200}: it's neither this job's run nor below it."
    raise EspalierError("bad_argument", message, "A job can only do that to its own.")


def _below(run: RunPaths, asked: Request) -> RunPaths:
    named = _own(run, asked.run)
    if named is run:
        raise EspalierError(
            "bad_argument", "Can't end or cancel a job's own run from inside the job.", "It ends when its script does."
        )
    return named


def _environment(run: RunPaths) -> JobEnv:
    """What the job was given: its children find the same. A run without one is recorded by a session."""
    try:
        return read_as(JobEnv, run.env)
    except FileNotFoundError:
        return JobEnv(variables=dict(os.environ))


def _is_confined(run: RunPaths) -> bool:
    """Whether the job of a run is in a container."""
    return executor_of(read_as(JobSpec, run.spec)).capabilities.is_confined


def _is_within_copy(run: RunPaths, path: str) -> bool:
    """Whether a folder lies in the working copy of a run that is being executed."""
    scratch = live_scratch(run)
    if scratch is None:
        return False
    folder = scratch.work
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(os.path.realpath(folder), ""))


def _tags(tags: Mapping[str, str]) -> Dict[str, str]:
    return {check_label("tag", name): value for name, value in tags.items()}


def bound_memory(run: RunPaths) -> None:
    """Let what a job in a container has this process read take no more than so much of the machine's memory: the job's
    own may be limited. (Then the answer is an error.)"""
    import resource

    if _is_confined(run):
        with contextlib.suppress(OSError, ValueError):  # (it is lower)
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))


if __name__ == "__main__":
    bound_memory(RunPaths(sys.argv[1]))
    carry_out(RunPaths(sys.argv[1]))
