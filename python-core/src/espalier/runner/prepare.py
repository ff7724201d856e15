"""What a job needs around it before it starts: its working copy, its kept folders, its environment."""

import contextlib
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from espalier.adapters.homes import state_folder
from espalier.adapters.inside import folder_inside, make_inside
from espalier.base.model.job import Input, JobEnv, JobSpec
from espalier.base.model.resolve import facts_of, resolved, typed_words
from espalier.base.paths import JOB_PYTHON, JOB_R, KEPT_FOLDERS, LOGS, OUTPUTS, RunPaths, WorkspacePaths
from espalier.base.records import FOLDER_MODE, make_folders
from espalier.base.scratch_paths import ScratchPaths
from espalier.base.scripts import input_variable, origin_variable
from espalier.executors.contract import Job
from espalier.runner.ahead import load_next

# By which programs find where temporary files go.
_TEMPORARY = ("TMPDIR", "TMP", "TEMP")
_HERE = os.path.dirname(os.path.abspath(__file__))


def prepare_folders(run: RunPaths, scratch: ScratchPaths, workspace: str, spec: JobSpec, given: JobEnv) -> None:
    """Make the working copy, the copies of inputs and the folders that are kept. Raises EspalierError:
    `snapshot_damaged`, `input_missing`, `input_changed`."""
    for folder in (run.events, run.payloads):
        make_inside(run.root, folder)
    make_folders(os.path.dirname(scratch.job))
    link_espalier(run, given.links)
    if spec.snapshot:
        from espalier.runner.workdir import materialise
        from espalier.snapshot.hold import holding_objects

        # (collection never takes away what a run needs, but may move it from one pack to another)
        with holding_objects(WorkspacePaths(workspace), only_reading=True):
            materialise(workspace, spec.snapshot.id, scratch.job)
    else:
        make_folders(scratch.job)
    if spec.inputs:
        from espalier.runner.inputs import copy_inputs

        copy_inputs(run, spec.inputs, given.fetch)
    make_kept_folders(run, scratch)
    if spec.working_copy:
        from espalier.runner.project import dress_up

        dress_up(run, scratch, spec.working_copy)


def link_espalier(run: RunPaths, links: Mapping[str, str]) -> None:
    """Let the job find espalier. See `prepare_folders`."""
    for name, target in links.items():
        *above, last = name.split("/")
        place = folder_inside(run.root, (os.path.basename(run.job), *above))
        with contextlib.suppress(FileExistsError), place as folder:
            os.symlink(target, last, dir_fd=folder)


def make_kept_folders(run: RunPaths, scratch: ScratchPaths) -> None:
    """Make `./outputs` and `./logs` of the job, with what an earlier attempt has left in them."""
    for name in KEPT_FOLDERS:
        path, home = os.path.join(scratch.job, name), os.path.join(run.root, name)
        is_own = os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path))
        if os.path.isdir(home) and not os.path.islink(home) and not is_own:
            from espalier.lifecycle.collect import hand_on

            hand_on(run, scratch, name)  # (in the place of what the snapshot brought, by `!outputs/`)
        with contextlib.suppress(FileExistsError):  # a file or link of that name is the user's own
            os.mkdir(path, FOLDER_MODE)


def job_environment(
    run: RunPaths,
    scratch: ScratchPaths,
    workspace: str,
    spec: JobSpec,
    given: JobEnv,
    gpu_ids: Sequence[str] = (),
    made: Optional[Mapping[str, Any]] = None,
) -> Dict[str, str]:
    """The job's variables: what env.json holds, then ours (protocol.md, "Inside the job").

    Args:
        gpu_ids: The graphics processors it was given.
        made: What was made ready for it: `variables` that the definition may override, and what goes first on PATH.
    """
    variables: Dict[str, str] = dict(given.variables)
    if made is not None:
        others = made.get("variables", {}).items()
        variables.update({name: value for name, value in others if name not in spec.asked_variables})
        if made.get("path"):
            variables["PATH"] = _joined(*made["path"], variables.get("PATH"))
    if gpu_ids:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(gpu_ids)
    ours = {
        "ESPALIER_RUN_DIR": run.root,
        "ESPALIER_RUN_ID": spec.id,
        "ESPALIER_EXPERIMENT": spec.experiment,
        "ESPALIER_WORKSPACE": workspace,
        "ESPALIER_STATE_DIR": state_folder(),
        "ESPALIER_CPUS": str(spec.resources.cpus),
        "AZUREML_RUN_ID": spec.id,
        "AZUREML_EXPERIMENT_ID": spec.experiment,
        "AZUREML_ARM_WORKSPACE_NAME": os.path.basename(workspace),
        "AZUREML_ARM_PROJECT_NAME": spec.experiment,
        "ESPALIER_WORK_DIR": scratch.job,
        "AZUREML_OUTPUT_DIRECTORY": os.path.join(scratch.job, OUTPUTS),
        "AZUREML_LOGDIRECTORY_PATH": os.path.join(scratch.job, LOGS),
        # git finds the working copy's own repository, or none
        "GIT_CEILING_DIRECTORIES": _joined(scratch.root, variables.get("GIT_CEILING_DIRECTORIES")),
        "R_PROFILE_USER": os.path.join(_HERE, "prelude.R"),
        "PYTHONPATH": _joined(os.path.join(run.job, JOB_PYTHON), variables.get("PYTHONPATH")),
        # prints appear when they happen, not when a buffer fills: the log is watched live
        "PYTHONUNBUFFERED": variables.get("PYTHONUNBUFFERED", "1"),
    }
    ours.update({name: scratch.temporary for name in _TEMPORARY if name not in spec.asked_variables})
    if "R_PROFILE_USER" in variables:
        ours["ESPALIER_PREVIOUS_R_PROFILE_USER"] = variables["R_PROFILE_USER"]
    r_library = os.path.join(run.job, JOB_R)
    if os.path.isdir(r_library):
        ours["R_LIBS"] = _joined(variables.get("R_LIBS"), r_library)
    if spec.seed is not None:
        ours["ESPALIER_SEED"] = str(spec.seed)
    for item in spec.inputs:
        ours[input_variable(item.name)] = _place(run, item)
        ours[origin_variable(item.name)] = item.path
    return {**variables, **ours}


def job_command(run: RunPaths, spec: JobSpec, made: Optional[Mapping[str, Any]] = None) -> List[str]:
    """What to execute. See `job_environment`; raises as `resolved`."""
    places = {item.name: _place(run, item) for item in spec.inputs}
    return resolved(typed_words(spec), facts_of(spec, places, made or {}))


def _place(run: RunPaths, item: Input) -> str:
    """Where the job reads an input: its copy, if one was made."""
    return run.input_copy(item.name, item.path) if item.is_copied else item.path


def _joined(*parts: Optional[str]) -> str:
    return os.pathsep.join(part for part in parts if part)


class RunnersJob(Job):
    """An attempt at a run, as its executor gets it."""

    _has_folders = False

    def make_folders(self) -> None:
        """See `Job`."""
        if not self._has_folders:
            self._has_folders = True
            prepare_folders(self.run, self.scratch, self._workspace, self.spec, self.env)

    def link_espalier(self, run: RunPaths) -> None:
        """See `Job`."""
        link_espalier(run, self.env.links)

    def variables(self, prepared: Optional[Mapping[str, Any]] = None) -> Dict[str, str]:
        """See `Job`."""
        run, scratch = self.run, self.scratch
        return job_environment(run, scratch, self._workspace, self.spec, self.env, self.gpu_ids, prepared)

    def command(self, prepared: Optional[Mapping[str, Any]] = None) -> List[str]:
        """See `Job`."""
        return job_command(self.run, self.spec, prepared)

    def idle(self) -> Iterator[None]:
        """See `Job`."""
        return load_next(is_ready=True)

    @property
    def _workspace(self) -> str:
        return os.path.dirname(os.path.dirname(self.run.shard))
