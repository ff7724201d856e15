"""The errors users can meet: one class, documented codes, the same in Python and R.

Every message says what failed, what was seen, and what to do next. In R the condition's class is
`espalier_error_<code>`, then `espalier_error`.
"""

from typing import Any, Dict


class DamageWarning(UserWarning):
    """Some of what a run had recorded is gone; the rest is given."""


class EspalierError(Exception):
    """Any refusal or failure espalier reports.

    Args:
        code: Which kind of failure, one of `CODES`; stable, meant for programs.
        message: What failed and what was seen, one or two sentences, in R's words; `str()` of the error has Python's.
        hint: What to do next, likewise; empty where nothing can be done.
        **fields: Facts a program may want (`path`, `run_id`, `exit_code`, ...), JSON values only.
    """

    def __init__(self, code: str, message: str, hint: str = "", **fields: Any) -> None:
        if code not in CODES:
            raise KeyError(f"unknown error code {code!r}")
        super().__init__(f"{message}\n{hint}" if hint else message)
        self.code = code
        self.message = message
        self.hint = hint
        self.fields: Dict[str, Any] = fields

    def __str__(self) -> str:
        """The message and the hint, which name what Python calls."""
        from espalier.base.python_words import in_python

        return in_python(super().__str__())


# code -> when it is raised. docs and R's help page list them from here.
CODES: Dict[str, str] = {
    "bad_argument": "an argument has the wrong type or value",
    "bad_filter": "a filter, an order or a page token of a list of runs can't be read",
    "bad_job_file": "a job file can't be read, or a field of it is wrong",
    "bad_name": "a workspace, experiment, metric or artifact name breaks the naming rule",
    "workspace_missing": "the workspace doesn't exist",
    "workspace_exists": "create_workspace() found one already there",
    "workspace_read_only": "the workspace's folder isn't writable",
    "newer_format": "the record was written by a newer espalier",
    "damaged": "a record or event log can't be parsed",
    "record_changed": "a run's definition or variables were changed after it was submitted",
    "source_missing": "the source directory doesn't exist or isn't a directory",
    "source_unreadable": "a file of the source directory can't be read, or is neither file, folder nor link",
    "source_changed": "a file kept changing while the snapshot was taken",
    "snapshot_missing": "the workspace doesn't have the snapshot, or the run has none",
    "snapshot_damaged": "a stored file does not match its digest",
    "script_missing": "the entry script does not exist, is a folder, is left out by ignore rules, or can't be executed",
    "input_missing": "an input's path does not exist",
    "input_changed": "an input isn't what the job was submitted with",
    "output_missing": "a job ended well without a file or folder that it declares as an output",
    "interpreter_missing": "Rscript, Python, or what renders a document was not found for the job",
    "executor_missing": "the executor that a run names isn't installed",
    "executor_failed": "an executor of another package failed or took too long",
    "not_enough_resources": "a job asks for more processors or memory than the host gives to runs",
    "run_missing": "the run doesn't exist",
    "run_exists": "another run has that id",
    "run_in_use": "the run has not ended, or one that hasn't ended needs it",
    "archive_invalid": "a file isn't an export of runs, was changed, or has files that aren't allowed",
    "run_failed": "the run that was waited for failed",
    "wait_timed_out": "not all of the runs that were waited for had ended in time",
    "run_not_active": "the run has ended, or is not the kind of run that can do this",
    "request_unanswered": "espalier didn't answer a job's request in time",
    "artifact_missing": "the run doesn't have the file",
    "artifact_unsafe": "the file is a link that leaves the run's folder",
    "file_exists": "the file to be written exists already",
    "environment_missing": "the workspace doesn't have the environment, or not that version",
    "environment_invalid": "the definition of an environment is contradictory, or a field of it is wrong",
    "environment_damaged": "a stored lock, image record or private environment doesn't match its digest",
    "extra_missing": "an optional Python package of espalier isn't installed where it is needed",
    "package_missing": "no repository has the package, or not that version",
    "lock_failed": "the packages of an environment can't be resolved to exact versions",
    "build_failed": "an image or a private environment can't be built",
    "needs_docker": "the environment needs a container",
    "docker_unavailable": "no Docker engine answers, or this user has no access to it",
    "docker_failed": "the Docker engine refused a request",
    "image_missing": "no registry has the image, or the base image",
    "registry_failed": "a registry doesn't answer, refuses the credentials, or returned other content",
    "secret_missing": "the keyvault doesn't have the secret, or the job wasn't given it",
    "keyvault_locked": "the keyvault can't be opened: its key is missing or wrong",
    "unsupported_data": "a data frame or vector can't cross between R and Python",
    "disk_full": "a file can't be written because its disk is full",
    "not_permitted": "this user may not read or write a file or folder",
    "writable_by_others": "another user can change a program, or its folder",
    "path_missing": "a file or folder doesn't exist",
    "too_many_processes": "the limit on processes and threads is reached",
    "too_many_files": "the limit on open files is reached",
    "out_of_memory": "there is not enough memory",
    "system_failed": "the operating system refused something for another reason",
    "not_supported": "not in this version, or not on this system",
    "internal": "a defect in espalier; please report it",
}
