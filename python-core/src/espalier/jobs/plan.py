"""From configs to runs that are fully described: program, snapshot, surroundings. Values flow one way; `commit.py` and
`batch.py` write what comes out of it."""

import os
import sys
import time
from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, TypeVar

from espalier.adapters import posix
from espalier.adapters.homes import chosen_scratch
from espalier.adapters.trust import refuse_foreign_workspace
from espalier.base.canonical import digest
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decode, encode
from espalier.base.model.job import FrozenFolder, GitState, Input, JobEnv, JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.model.words import LITERAL
from espalier.base.names import check_name
from espalier.base.paths import FORMAT, SPEC_FORMAT, WorkspacePaths
from espalier.base.queue_paths import QueuePaths
from espalier.base.records import now_iso
from espalier.base.retry import checked_retry
from espalier.base.scripts import language_of
from espalier.executors.registry import BUILT_IN, executor_for
from espalier.jobs.demands import hide_gpus, refuse_impossible, refuse_incapable
from espalier.jobs.documents import refuse_missing_tools
from espalier.jobs.environment import (
    MADE,
    SESSION,
    choose_environment,
    full_core,
    preparing,
    refuse_missing_extras,
    with_gpu,
    with_version,
)
from espalier.jobs.inherited import for_environment, inherited_variables, notes_on_missing
from espalier.jobs.inputs import declared_outputs, fetching, identity_of, resolve_inputs, runs_waited_for
from espalier.jobs.known_params import unknown_params
from espalier.jobs.param_kinds import kinds_of_params, refuse_values
from espalier.jobs.program import Program, checked_script, named_files, program, refuse_too_long
from espalier.jobs.surroundings import Surroundings, surroundings
from espalier.jobs.working_copy import read_index, working_copy
from espalier.lifecycle.children import DETACH
from espalier.queue.capacity import capacity
from espalier.queue.home import queue_paths
from espalier.snapshot.diff import Asked, ask_for_diff
from espalier.snapshot.entries import Excluded, Scan
from espalier.snapshot.git import start_git
from espalier.snapshot.mentions import mentioned, mentioned_but_excluded, scripts_of
from espalier.snapshot.script_paths import absolute_mentions, mentions_above
from espalier.snapshot.take import Snapshot, scan_source, store_scan
from espalier.vault.known import NOT_SEARCHED, refuse_secret_values

_Trial = TypeVar("_Trial")
_Result = TypeVar("_Result")


class Plan(NamedTuple):
    """A run that is fully described and not yet on disk."""

    spec: JobSpec
    display_name: Optional[str]
    env: JobEnv
    notes: List[str]
    warnings: List[str]
    diff: Optional[Asked]
    git_index: bytes
    queue: QueuePaths


def plan(
    paths: WorkspacePaths, workspace_id: str, experiment: str, config: ScriptRunConfig, hold: Callable[[], object]
) -> Plan:
    """Freeze a config. See `plan_trials`."""
    return plan_trials(paths, workspace_id, experiment, config, [config.script_params], hold)[0]


def plan_trials(
    paths: WorkspacePaths,
    workspace_id: str,
    experiment: str,
    config: ScriptRunConfig,
    trials: Sequence[Mapping[str, Any]],
    hold: Callable[[], object],
) -> List[Plan]:
    """Freeze a config for several sets of parameters: check all, snapshot the folder, resolve everything they name.

    Args:
        trials: The `script_params` of each run, in place of the config's own.
        hold: Called before the store is looked into: keeps what is in it until the caller is done.

    Returns:
        A plan for each, in their order, which is that of their ids too. Notes and warnings are of all together.

    Raises:
        EspalierError: what is wrong with the config, a trial or the folder; nothing has been created then.
    """
    posix.refuse_where_no_jobs_run()
    refuse_foreign_workspace(paths)
    check_name("experiment", experiment)
    refuse_secret_values(paths, _recorded(config))
    each_trial(trials, lambda params: refuse_secret_values(paths, {"script_params": params}))
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
        all_params = _merged(trials)
        words = named_files(config, all_params)
        scripts, named = scripts_of(source, script)
        warnings += _not_found_by_the_job(source, [*mentioned(source, [], words), *named], scanned, inputs)
        warnings += absolute_mentions(source, scripts, given)
        warnings += mentions_above(source, scripts, given, words)
        if script:
            if len(trials) > 1:
                _refuse_unknown(source, script, all_params)
            warnings += unknown_params(source, script, all_params, config.inputs)
            warnings += _doubtful_values(source, script, trials)
    if script and script != config.entry_script:
        config = replace(config, entry_script=script)
    chosen = choose_environment(paths, config, experiment, executor.capabilities)
    if chosen is not None:
        refuse_secret_values(paths, {"environment": chosen.environment})
    refuse_missing_extras(paths, config, chosen)
    config = with_gpu(config, chosen)
    refuse_incapable(executor, config, chosen.how if chosen is not None else SESSION)
    queue = queue_paths()  # (where there can be no queue, nothing is written)
    there = capacity(queue)
    refuse_impossible(paths, config, there)
    around = surroundings(config, source, language_of(script), chosen, executor)
    path = around.variables.get("PATH", os.defpath)

    def checked_program(params: Mapping[str, Any]) -> Tuple[Program, str]:
        found = program(config, inputs, path, around.record, source, params)
        command = shown_command(_shown(config, found, around, inputs))
        refuse_too_long(command, around.variables)
        return found, command[0]

    checked = each_trial(trials, checked_program)
    if script and chosen is None:
        refuse_missing_tools(script, config.session, checked[0][1], around.variables)
    # last, because it writes: what can be wrong has been found before
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
    programs = [found for found, _ in checked]
    specs = _specs(workspace_id, experiment, config, programs, snapshot, around, inputs)
    if source is not None:
        found = git.result() if git is not None else None
        state = decode(GitState, found) if found else None
        layout = working_copy(source, repository if state else None, state.commit if state else None)
        specs = [spec._replace(git=state, working_copy=layout) for spec in specs]
    environment = chosen.environment if chosen is not None else None
    specs = [executor.specify(spec._replace(executor=code), config, environment) for spec in specs]
    env: Dict[str, Any] = {"variables": around.variables, "links": around.links}
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
    return [Plan(spec, config.display_name, JobEnv(**env), notes, warnings, diff, git_index, queue) for spec in specs]


def _refuse_unknown(source: str, script: str, params: Mapping[str, Any]) -> None:
    """Raise EspalierError `bad_argument` for a parameter of a grid that the script certainly doesn't know."""
    for warning in unknown_params(source, script, params)[:1]:
        message, _, hint = warning.partition("`. ")
        raise EspalierError("bad_argument", f"{message}`.", hint)


def _doubtful_values(source: str, script: str, trials: Sequence[Mapping[str, Any]]) -> List[str]:
    """A warning for a value that the script would refuse. Raises EspalierError for that of a grid."""
    kinds = kinds_of_params(source, script)
    try:
        each_trial(trials, lambda params: refuse_values(kinds, script, params))
    except EspalierError as error:
        if len(trials) > 1:
            raise
        return [f"{error.message} {error.hint}"]
    return []


def _merged(trials: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The parameters of all trials as those of one, with all their values."""
    if len(trials) == 1:
        return trials[0]
    values: Dict[str, Dict[Any, None]] = {}
    for params in trials:
        for name, value in params.items():
            texts = value if isinstance(value, (list, tuple)) else [value]
            values.setdefault(name, {}).update((text, None) for text in texts if isinstance(text, str))
    return {name: list(texts) for name, texts in values.items()}


def each_trial(trials: Sequence[_Trial], action: Callable[[_Trial], _Result]) -> List[_Result]:
    """Do something to each trial. Raises EspalierError: what one of them met; where there are more than one, it has the
    number of the trial."""
    results: List[_Result] = []
    for trial in trials:
        try:
            results.append(action(trial))
        except EspalierError as error:
            if len(trials) == 1:
                raise
            number = len(results) + 1
            message = f"Trial {number} of {len(trials)}: {error.message}"
            raise EspalierError(error.code, message, error.hint, **error.fields, trial=number) from error
    return results


def new_run_ids(experiment: str, seconds: float, count: int = 1) -> List[str]:
    """`<experiment>_<seconds since 1970>_<8 random hex digits>`, so many that differ, in the order of their names."""
    numbers: Set[int] = set()
    while len(numbers) < count:
        numbers.add(int.from_bytes(os.urandom(4), "big"))
    # a machine whose clock was never set may be before 1970
    return [f"{experiment[:100]}_{max(int(seconds), 0)}_{number:08x}" for number in sorted(numbers)]


def base_spec(workspace_id: str, experiment: str, kind: str, client: str, now: Optional[float] = None) -> JobSpec:
    """The definition of a run that executes nothing."""
    now = time.time() if now is None else now
    version = ".".join(map(str, sys.version_info[:3]))
    return JobSpec(
        id=new_run_ids(experiment, now)[0],
        experiment=experiment,
        workspace_id=workspace_id,
        type=kind,
        created_at=now_iso(now),
        user=posix.user_name(),
        host=posix.host_name(),
        client=client or f"Python {version}",
        children=DETACH,
    )


def _specs(
    workspace_id: str,
    experiment: str,
    config: ScriptRunConfig,
    programs: Sequence[Program],
    snapshot: Optional[Snapshot],
    around: Surroundings,
    inputs: Sequence[Input],
) -> List[JobSpec]:
    """The definitions of runs that differ in their program alone, in the order of their ids."""
    common = {
        "snapshot": snapshot.id if snapshot else None,
        "environment": around.record.key,
        "inputs": identity_of(inputs),
        "seed": config.seed,
        **({"outputs": dict(config.outputs)} if config.outputs else {}),
        **({"secrets": list(config.secrets)} if config.secrets else {}),
    }
    now = time.time()
    ids = new_run_ids(experiment, now, len(programs))
    spec = base_spec(workspace_id, experiment, programs[0].kind, config.session.client, now)._replace(
        target=config.executor,
        source_directory=snapshot.source_directory if snapshot else None,
        snapshot=FrozenFolder(snapshot.id, snapshot.files, snapshot.bytes) if snapshot else None,
        entry_script=config.entry_script,
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
    )
    return [
        spec._replace(
            id=run_id,
            format=_format_of(config, each),
            command=tuple(each.command),
            arguments=tuple(each.arguments),
            params=each.params,
            reuse_key=digest({"command": encode(each.command), "params": each.params, **common}),
        )
        for run_id, each in zip(ids, programs)
    ]


def _format_of(config: ScriptRunConfig, what: Program) -> int:
    """The format of a definition: a version that can't execute it leaves it in the queue."""
    is_typed = any(part.kind != LITERAL for each in what.command for part in each.parts)
    return SPEC_FORMAT if is_typed or config.outputs or config.executor not in BUILT_IN else FORMAT


def _shown(config: ScriptRunConfig, what: Program, around: Surroundings, inputs: Sequence[Input]) -> JobSpec:
    """As much of a definition as its command is shown by."""
    return JobSpec(
        entry_script=config.entry_script,
        command=tuple(what.command),
        params=what.params,
        environment=around.record,
        inputs=tuple(inputs),
    )


def _recorded(config: ScriptRunConfig) -> Dict[str, object]:
    """The fields that get into records as the user wrote them; an environment is read first."""
    others = (*NOT_SEARCHED, "environment")
    return {name: value for name, value in vars(config).items() if name not in others}


def _checked_source(config: ScriptRunConfig) -> Optional[str]:
    if config.source_directory is None:
        if config.entry_script is not None:
            raise EspalierError(
                "bad_argument",
                "Can't find the entry script: `source_directory` is missing.",
                "Give the script's folder.",
            )
        return None
    source = os.path.abspath(os.path.expanduser(config.source_directory))
    if not os.path.isdir(source):
        seen = "is a file" if os.path.exists(source) else "does not exist"
        raise EspalierError(
            "source_missing", f"Can't use the source directory {source}: it {seen}.", "Correct source_directory."
        )
    return source


def _not_found_by_the_job(
    source: str, named: List[Tuple[str, str]], scanned: Scan, inputs: Sequence[Input]
) -> List[str]:
    """A warning for each file that is named (see `mentioned`) and that the job will not find."""
    given = [os.path.realpath(item.path) for item in inputs if not item.url]
    mentions = mentioned_but_excluded(source, named, scanned)
    return [item.message for item in mentions if os.path.realpath(os.path.join(source, item.path)) not in given]


def _refuse_excluded_script(why: Optional[Excluded], script: str) -> None:
    if why is not None:
        raise EspalierError(
            "script_missing",
            f"Can't run {script!r}: {why.decision.rule} ({why.decision.origin}) leaves it out of the snapshot.",
            "Change that rule, or rename the script.",
        )
