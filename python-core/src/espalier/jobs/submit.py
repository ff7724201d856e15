"""The spine: config -> program -> snapshot -> surroundings -> run folder -> queue. Values flow one way."""

import contextlib
import os
import sys
import time
from dataclasses import fields, replace
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from espalier.adapters import posix
from espalier.adapters.homes import chosen_scratch
from espalier.adapters.trust import refuse_foreign_workspace
from espalier.base import states
from espalier.base.canonical import digest
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decode, encode
from espalier.base.model.job import FrozenFolder, GitState, Input, JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.model.status import Status
from espalier.base.names import check_label, check_name
from espalier.base.paths import ENV, FORMAT, META, WorkspacePaths
from espalier.base.progress import indivisible
from espalier.base.records import now_iso
from espalier.base.retry import checked_retry
from espalier.base.scripts import language_of
from espalier.base.types import Text
from espalier.executors.registry import executor_for
from espalier.jobs.demands import hide_gpus, refuse_impossible, refuse_incapable
from espalier.jobs.documents import refuse_missing_tools
from espalier.jobs.environment import MADE, SESSION, choose_environment, preparing, with_gpu, with_version
from espalier.jobs.exec_limits import refuse_too_long
from espalier.jobs.folder import build_folder, place_folder, record_child
from espalier.jobs.full_core import full_core
from espalier.jobs.inherited import for_environment, inherited_variables, notes_on_missing
from espalier.jobs.inputs import fetching, identity_of, resolve_inputs, runs_waited_for
from espalier.jobs.known_params import unknown_params
from espalier.jobs.outputs import declared_outputs
from espalier.jobs.program import Program, checked_script, named_files, program
from espalier.jobs.surroundings import Surroundings, surroundings
from espalier.jobs.working_copy import read_index, working_copy
from espalier.lifecycle.children import DETACH
from espalier.queue.capacity import capacity
from espalier.queue.home import allocator, queue_paths
from espalier.queue.step import step_locked
from espalier.queue.tickets import add_ticket, remove_ticket_of
from espalier.snapshot.diff import Asked, ask_for_diff, start_diff, store_diff
from espalier.snapshot.entries import Excluded, Scan
from espalier.snapshot.git import start_git
from espalier.snapshot.mentions import mentioned_but_excluded, scripts_of
from espalier.snapshot.script_paths import absolute_mentions, mentions_above
from espalier.snapshot.take import Snapshot, scan_source, store_scan
from espalier.vault.known import NOT_SEARCHED, refuse_secret_values


class Prepared(NamedTuple):
    """A run that is fully described and not yet on disk."""

    spec: JobSpec
    display_name: Optional[str]
    env: Dict[str, Any]
    notes: List[str]
    warnings: List[str]
    diff: Optional[Asked]
    git_index: bytes


def prepare(
    paths: WorkspacePaths, workspace_id: str, experiment: str, config: ScriptRunConfig, hold: Callable[[], object]
) -> Prepared:
    """Freeze a config: check it, snapshot its folder, resolve everything it names.

    Args:
        workspace_id: Id of the workspace.
        experiment: Name of the experiment.
        hold: Called before the store is looked into: keeps what is in it until the caller is done.

    Raises:
        EspalierError: what is wrong with the config or its folder; nothing has been created then.
    """
    posix.refuse_where_no_jobs_run()
    refuse_foreign_workspace(paths)
    check_name("experiment", experiment)
    refuse_secret_values(paths, _recorded(config))
    source = _checked_source(config)
    script = checked_script(source, config.entry_script) if source and config.entry_script else None
    executor, code = executor_for(config.executor)
    warnings = executor.check(config)
    inputs = resolve_inputs(paths, config.inputs)
    if config.secrets:
        from espalier.vault.store import refuse_missing

        refuse_missing(paths, config.secrets)
    git = start_git(source) if source else None
    repository = git.repository if git else None
    git_index = read_index(repository)
    scanned = scan_source(source, outside_links=config.outside_links) if source else None
    if source and script and scanned:
        _refuse_excluded_script(scanned.why_excluded(script.replace(os.sep, "/")), script)
    if source and scanned:
        given = [paths.root, *(item.path for item in inputs if not item.url)]
        warnings += _not_found_by_the_job(source, script, config, scanned, inputs)
        scripts = scripts_of(source, script)
        warnings += absolute_mentions(source, scripts, given)
        warnings += mentions_above(source, scripts, given, named_files(config))
        if script:
            warnings += unknown_params(source, script, config.script_params)
    config = replace(config, entry_script=script) if script else config
    chosen = choose_environment(paths, config, experiment, executor.capabilities)
    if chosen is not None:
        refuse_secret_values(paths, {"environment": chosen.environment})
    config = with_gpu(config, chosen)
    refuse_incapable(executor, config, chosen.how if chosen is not None else SESSION)
    there = capacity(queue_paths())
    refuse_impossible(paths, config, there)
    around = surroundings(config, source, language_of(script), chosen, executor)
    what = program(config, inputs, around.variables.get("PATH", os.defpath), around.record, source)
    command = shown_command(_spec(workspace_id, experiment, config, what, None, around, inputs))
    if script and chosen is None:
        refuse_missing_tools(script, config.session, command[0], around.variables)
    refuse_too_long(command, around.variables)
    # last, for it writes: whatever can be wrong has been found by now
    snapshot = None
    if scanned:
        hold()
        snapshot = store_scan(paths, scanned)
    if chosen is not None:
        if not scanned:
            hold()
        chosen = with_version(paths, chosen)
        around = surroundings(config, source, language_of(script), chosen, executor)
    notes = list(around.notes)
    if chosen is None:  # (an environment is a world of its own)
        entry = os.path.join(source, script) if source and script else None
        notes += notes_on_missing(config.session, around.variables, entry, config.command)
    notes += [] if executor.capabilities.is_confined else hide_gpus(config, around, len(there.gpus))
    notes += [*chosen.environment.notes(), *chosen.notes] if chosen is not None else []
    spec = _spec(workspace_id, experiment, config, what, snapshot, around, inputs)
    if source is not None:
        found = git.result() if git is not None else None
        state = decode(GitState, found) if found else None
        layout = working_copy(source, repository if state else None, state.commit if state else None)
        spec = spec._replace(git=state, working_copy=layout)
    spec = executor.specify(spec._replace(executor=code), config, chosen.environment if chosen is not None else None)
    env: Dict[str, Any] = {"format": FORMAT, "variables": around.variables, "links": around.links}
    if chosen_scratch():
        env["scratch"] = chosen_scratch()
    env.update(fetching(inputs, os.environ if config.session.environment is None else config.session.environment))
    if config.secrets:
        env.update(full_core(config.session))
    if chosen is not None and chosen.how in MADE:
        env.update(full_core(config.session))
        env.update(preparing(paths, chosen, config, for_environment(inherited_variables(config.session))))
    diff = ask_for_diff(git, scanned) if git and scanned and config.wants_diff else None
    notes += snapshot.excluded_notes if snapshot else []
    return Prepared(spec, config.display_name, env, notes, warnings, diff, git_index)


@indivisible()
def enqueue(paths: WorkspacePaths, prepared: Prepared, tags: Mapping[str, Text]) -> str:
    """Write the run durably, queue it, and move the queue on.

    Returns:
        The run's id.

    Raises:
        EspalierError: `workspace_missing`, `workspace_read_only`.
    """
    queue = queue_paths()  # first: where there can be no queue, nothing is written
    diff = start_diff(prepared.diff)  # git is done when the folder is
    spec = prepared.spec
    queued = Status(states.QUEUED, queued_at=spec.created_at)
    records = {META: meta_record(paths, prepared.display_name, tags), ENV: prepared.env}
    if spec.parent:
        record_child(paths.run(spec.parent), spec.id)
    folder, digests = build_folder(paths, spec, queued, records, prepared.git_index)
    with allocator(queue):
        if spec.parent:  # who carried out the same request before, and was killed, may have left one
            remove_ticket_of(queue, spec.id)
        # ticket first: a ticket without its run is dropped, a run without its ticket would wait for a reader to see it
        add_ticket(queue, paths.run(spec.id).root, spec, digests=digests)
        place_folder(paths, folder, spec.id)
        with contextlib.suppress(Exception):  # the run exists: what hinders the queue is not this submit's failure
            step_locked(queue)
    store_diff(paths.run(spec.id), diff)
    return spec.id


def meta_record(paths: WorkspacePaths, display_name: Optional[str], tags: Mapping[str, Text]) -> Dict[str, Any]:
    """The mutable record of a new run. Raises EspalierError `bad_name`, `bad_argument`."""
    checked = checked_tags(tags)
    refuse_secret_values(paths, {"display_name": display_name, "tags": checked})
    return {"format": FORMAT, "display_name": display_name, "tags": checked, "properties": {}}


def checked_tags(tags: Mapping[str, Text]) -> Dict[str, str]:
    """Tags with valid names, their values as text. Raises EspalierError `bad_name`."""
    return {check_label("tag", name): str(value) for name, value in tags.items()}


def new_run_id(experiment: str, seconds: float) -> str:
    """`<experiment>_<seconds since 1970>_<8 random hex digits>`."""
    # a machine whose clock was never set may be before 1970
    return f"{experiment[:100]}_{max(int(seconds), 0)}_{os.urandom(4).hex()}"


def base_spec(workspace_id: str, experiment: str, kind: str, client: str) -> JobSpec:
    """The definition of a run that executes nothing."""
    now = time.time()
    version = ".".join(map(str, sys.version_info[:3]))
    return JobSpec(
        id=new_run_id(experiment, now),
        experiment=experiment,
        workspace_id=workspace_id,
        type=kind,
        created_at=now_iso(now),
        user=posix.user_name(),
        host=posix.host_name(),
        client=client or f"Python {version}",
        children=DETACH,
    )


def _spec(
    workspace_id: str,
    experiment: str,
    config: ScriptRunConfig,
    what: Program,
    snapshot: Optional[Snapshot],
    around: Surroundings,
    inputs: Sequence[Input],
) -> JobSpec:
    decides = {
        "command": encode(what.command),
        "params": what.params,
        "snapshot": snapshot.id if snapshot else None,
        "environment": around.record.key,
        "inputs": identity_of(inputs),
        "seed": config.seed,
        **({"outputs": dict(config.outputs)} if config.outputs else {}),
        **({"secrets": list(config.secrets)} if config.secrets else {}),
    }
    return base_spec(workspace_id, experiment, what.kind, config.session.client)._replace(
        target=config.executor,
        source_directory=snapshot.source_directory if snapshot else None,
        snapshot=FrozenFolder(snapshot.id, snapshot.files, snapshot.bytes) if snapshot else None,
        entry_script=config.entry_script,
        command=tuple(what.command),
        arguments=tuple(what.arguments),
        params=what.params,
        environment=around.record,
        inherited=tuple(around.inherited),
        inputs=tuple(inputs),
        outputs=tuple(declared_outputs(config.outputs)),
        resources=config.resources,
        priority=config.priority,
        retry=checked_retry(config.retry) if config.retry is not None else None,
        depends_on=tuple(dict.fromkeys([*config.depends_on, *runs_waited_for(inputs)])),
        secrets=tuple(config.secrets),
        children=config.children,
        max_run_duration_seconds=config.max_run_duration_seconds,
        queue_timeout_seconds=config.queue_timeout_seconds or None,
        prepare_timeout_seconds=config.prepare_timeout_seconds or None,
        keep_workdir=config.keep_workdir,
        seed=config.seed,
        reuse_key=digest(decides),
    )


def _recorded(config: ScriptRunConfig) -> Dict[str, object]:
    """The fields that get into records as the user wrote them; an environment is read first."""
    others = (*NOT_SEARCHED, "environment")
    return {field.name: getattr(config, field.name) for field in fields(config) if field.name not in others}


def _checked_source(config: ScriptRunConfig) -> Optional[str]:
    if config.source_directory is None:
        if config.entry_script is not None:
            raise EspalierError("bad_argument", "entry_script needs a source_directory.", "Give the script's folder.")
        return None
    source = os.path.abspath(os.path.expanduser(config.source_directory))
    if not os.path.isdir(source):
        seen = "is a file" if os.path.exists(source) else "does not exist"
        raise EspalierError("source_missing", f"The source directory {source} {seen}.", "Correct source_directory.")
    return source


def _not_found_by_the_job(
    source: str, script: Optional[str], config: ScriptRunConfig, scanned: Scan, inputs: Sequence[Input]
) -> List[str]:
    """A warning for each file that script, command or arguments name and that the job will not find."""
    given = [os.path.realpath(item.path) for item in inputs if not item.url]
    mentions = mentioned_but_excluded(source, script, scanned, named_files(config))
    return [item.message for item in mentions if os.path.realpath(os.path.join(source, item.path)) not in given]


def _refuse_excluded_script(why: Optional[Excluded], script: str) -> None:
    if why is not None:
        raise EspalierError(
            "script_missing",
            f"The entry script {script!r} is left out of the snapshot by {why.decision.rule} ({why.decision.origin}).",
            "Change that rule, or rename the script.",
        )
