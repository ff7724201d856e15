"""What to do about the commonest causes of a failed job: a file, package, module, function or program that is missing.

Hints are in R's words, as its users are most. Loaded where a job has failed; standard library only.
"""

import contextlib
import os
import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.names import argument_name
from espalier.base.paths import KEPT_FOLDERS, OUTPUTS, WORKDIR, RunPaths, WorkspacePaths, is_run_id
from espalier.base.records import readable_record
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle.near_names import missing_files, nearest_file, quoted

# The newest runs that are looked at.
_RUNS_LOOKED_AT = 300


class Earlier(NamedTuple):
    """A run, and one of its files."""

    run_id: str
    name: str


def hint_on_earlier(run: RunPaths, directory: str, wanted: str, is_left_out: bool = False) -> Optional[str]:
    """Which run wrote a file that a job misses, and how the job gets it; None if none did.

    Args:
        directory: Where in its working copy the job worked.
        wanted: The path that the job asked for, seen from there.
        is_left_out: Whether a snapshot of the project would not have it.
    """
    found = earlier_writer(run, directory, wanted)
    if found is None:
        return None
    run_of = f'get_run(ws, "{found.run_id}")'
    if not is_left_out and not os.path.isabs(wanted) and not wanted.startswith(".."):
        path = os.path.normpath(wanted)
        how = f'copy it into the project: download_file_from_run({run_of}, "{found.name}", "{path}")'
    else:
        how = (
            f"give it to the job with inputs = list({argument_name(wanted)} = run_output({run_of}, "
            f'"{found.name}")), and read its path with job_params()'
        )
    return f"Run {found.run_id} wrote a file of that name. To submit again, {how}."


def earlier_writer(run: RunPaths, directory: str, wanted: str) -> Optional[Earlier]:
    """The newest completed run that kept that file: of the same experiment, else of another of the workspace.

    Args:
        run: See `hint_on_earlier`.
        directory: See `hint_on_earlier`.
        wanted: See `hint_on_earlier`.
    """
    names = list(dict.fromkeys(_kept_as(directory, wanted)))
    for run_id in _newest_first(run.workspace, os.path.basename(run.root)):
        other = run.workspace.run(run_id)
        for name in names:
            if _has_kept(other, name) and _is_completed(other):
                return Earlier(run_id, name)
    return None


def _has_kept(run: RunPaths, name: str) -> bool:
    """Whether a run has a file. (What lies behind a link is not the run's.)"""
    path = os.path.join(run.root, name)
    return os.path.isfile(path) and os.path.realpath(path) == os.path.join(os.path.realpath(run.root), name)


def _kept_as(directory: str, wanted: str) -> Iterator[str]:
    """The names under which a run may have kept a file that its job wrote by this path, the likeliest first."""
    path = os.path.normpath(wanted)
    if not os.path.isabs(path) and not path.startswith(".."):
        in_copy = os.path.normpath(os.path.join(directory, path))
        yield path if path.split("/")[0] in KEPT_FOLDERS else f"{WORKDIR}/{in_copy}"
        yield f"{OUTPUTS}/{path}"
    yield f"{OUTPUTS}/{os.path.basename(path)}"


def _newest_first(workspace: WorkspacePaths, run_id: str) -> List[str]:
    """The other runs of a workspace by what their ids say: those of the same experiment first."""
    found: List[str] = []
    for shard in os.scandir(workspace.runs):
        if shard.is_dir(follow_symlinks=False):
            found += [name for name in os.listdir(shard.path) if is_run_id(name) and name != run_id]

    def key(other: str) -> "tuple[bool, int]":
        experiment, seconds, _ = other.rsplit("_", 2)
        return experiment == run_id.rsplit("_", 2)[0], int(seconds)

    return sorted(found, key=key, reverse=True)[:_RUNS_LOOKED_AT]


def _is_completed(run: RunPaths) -> bool:
    return readable_record(run.status).get("state") == states.COMPLETED


_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_LIBRARIES_SHOWN = 3
# What scripts call most of espalier.
_OF_ESPALIER = frozenset(
    (
        "job_params", "log_metric_to_run", "log_list_to_run", "log_row_to_run", "log_table_to_run",
        "log_image_to_run", "log_confusion_matrix_to_run", "log_accuracy_table_to_run", "log_predictions_to_run",
        "log_residuals_to_run", "log_part_to_run", "log_parts_to_run", "run_part", "upload_files_to_run",
        "upload_folder_to_run", "get_current_run", "get_secrets_from_run", "set_run_tags", "submit_child_run",
        "create_child_run", "create_child_runs", "start_logging_run", "complete_run", "fail_run",
    )
)  # fmt: skip


def hint_on_error(run: RunPaths, scratch: Optional[ScratchPaths], error: Mapping[str, Any]) -> Optional[str]:
    """What to do about an error in a job's own words; None where nothing is known.

    Args:
        scratch: Its scratch folder, if that is still there.
        error: `message`, `call`; of a missing R package `package` and `libraries`.
    """
    message = str(error.get("message") or "")
    return (
        _on_package(run, error)
        or _on_module(run, message)
        or _on_function(message, error.get("call"))
        or (_on_files(run, scratch, message) if scratch else None)
    )


def hint_on_status(exit_code: Optional[int], number: Optional[int]) -> Optional[str]:
    """What mostly is the cause of a job that ended without a word.

    Args:
        exit_code: Its exit status, or None if a signal ended it.
        number: The signal's number, or None.
    """
    if number == 9 or exit_code == 137:
        return "The system probably ran out of memory. get_run_usage(run) shows what the job used."
    if exit_code == 127:
        return "The shell probably didn't find the program. The job has the PATH of the session that submitted it."
    if exit_code == 126:
        return "The program probably isn't executable. Check its permissions."
    return None


def _environment(run: RunPaths) -> Dict[str, Any]:
    found = readable_record(run.spec).get("environment")
    return found if isinstance(found, dict) else {}


def _has_own_packages(environment: Mapping[str, Any]) -> bool:
    """Whether the job had packages of its environment, not of the session."""
    return environment.get("how") not in (None, "session")


def _on_package(run: RunPaths, error: Mapping[str, Any]) -> Optional[str]:
    package, libraries = error.get("package"), error.get("libraries")
    if not isinstance(package, str) or not isinstance(libraries, list):
        return None
    places = [_short(str(path)) for path in libraries[:_LIBRARIES_SHOWN]]
    more = len(libraries) - len(places)
    where = ", ".join(places) + (f" and {more} more" if more > 0 else "")
    environment = _environment(run)
    if _has_own_packages(environment):
        return f"The job searched {where}. Add cran_packages = \"{package}\" to the job's environment."
    if (environment.get("r") or {}).get("renv"):
        return f"The job searched {where}: the library of the project's renv. Install {package} there."
    return (
        f"The job searched {where}: .libPaths() of the session that submitted it. Install {package} there, or give "
        f'estimator() cran_packages = "{package}".'
    )


def _short(path: str) -> str:
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if path.startswith(home + os.sep) else path


def _on_module(run: RunPaths, message: str) -> Optional[str]:
    found = _NO_MODULE.match(message)
    if found is None:
        return None
    path = found[1].replace(".", "/")
    for name in (path + ".py", path + "/__init__.py", path):
        hint = _on_left_out(run, name)
        if hint is not None:
            return hint
    environment, package = _environment(run), found[1].split(".")[0]
    python = environment.get("python") or {}
    interpreter = python.get("executable") or python.get("interpreter") if isinstance(python, dict) else None
    if _has_own_packages(environment):
        return f"Add the package of {package} to pip_packages of the job's environment."
    if not interpreter:
        return None
    return (
        f"The job ran on {_short(str(interpreter))}. Install the package of {package} there, or choose another Python "
        "with script_run_config(python = )."
    )


def _on_function(message: str, call: Any) -> Optional[str]:
    for name in quoted(message):
        if name in _OF_ESPALIER and isinstance(call, str) and call.startswith(name + "("):
            return f"{name}() is a function of espalier. Add library(espalier) to the script."
    return None


def _on_files(run: RunPaths, scratch: ScratchPaths, message: str) -> Optional[str]:
    """Where a missing file is: in the project, in an earlier run, or under a near name."""
    missing = missing_files(scratch.job, message)
    for wanted in missing:
        if wanted.split("/")[0] in KEPT_FOLDERS:  # (never in a snapshot: those of a run come first)
            hint = _on_earlier(run, scratch, wanted) or _on_left_out(run, wanted)
        else:
            hint = _on_left_out(run, wanted) or _on_earlier(run, scratch, wanted)
        if hint is not None:
            return hint
    near = next(filter(None, (nearest_file(scratch.job, wanted) for wanted in missing)), None)
    return f'Did you mean "{near}"?' if near else None


def _on_earlier(run: RunPaths, scratch: ScratchPaths, wanted: str) -> Optional[str]:
    """Which run wrote a file."""
    from espalier.snapshot.mentions import is_left_out

    with contextlib.suppress(OSError, EspalierError):
        source = _source(run)
        return hint_on_earlier(run, scratch.directory, wanted, source is not None and is_left_out(source, wanted))
    return None


def _on_left_out(run: RunPaths, wanted: str) -> Optional[str]:
    """Why the job's copy hasn't a file that its project has; None where the project hasn't it either."""
    from espalier.snapshot.mentions import why_left_out

    with contextlib.suppress(OSError, EspalierError, ValueError):
        source = _source(run)
        return why_left_out(source, wanted) if source is not None else None
    return None


def _source(run: RunPaths) -> Optional[str]:
    source = readable_record(run.spec).get("source_directory")
    return source if isinstance(source, str) else None


def relative_paths(lines: List[str], scratch: ScratchPaths) -> List[str]:
    """Lines in which files of the working copy are named as those of the project, from where the job worked."""
    below = "../" * (len(scratch.job_parts) - 1)
    for folder, by in ((scratch.job, ""), (scratch.work, below)):
        for name in {folder, os.path.realpath(folder)}:
            pattern = re.compile(rf"(?<![\w./-]){re.escape(name)}/+(?=[^\s/])")
            lines = [pattern.sub(lambda _: by, line) for line in lines]  # noqa: B023
    return lines
