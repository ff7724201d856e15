"""`espalier run`: submit a script and follow it."""

import os
import re
import shlex
import shutil
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence

import click

import espalier
from espalier.base.errors import EspalierError
from espalier.cli import complete, output, problems
from espalier.cli.call import examples, operations, output_options, workspace_options
from espalier.cli.follow import follow
from espalier.cli.parameters import environment_value, named_value, read_value
from espalier.cli.place import home, workspace_folder
from espalier.cli.request import call
from espalier.cli.text import is_terminal, one_line, tell
from espalier.cli.views import metric_rows, short

# So many metrics are shown when a run has ended.
_METRICS = 8


def command() -> click.Command:
    """The command."""
    params: List[click.Parameter] = [
        click.Argument(["script"], type=click.Path()),
        click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED),
        click.Option(["--folder"], type=click.Path(), help="Folder to snapshot. Default: the script's."),
        *submit_options(),
        click.Option(["-d", "--detach"], is_flag=True, help="Don't follow the run."),
        click.Option(["--environment"], metavar="NAME|FILE", help="Environment of the job.",
                     shell_complete=complete.environments),
        click.Option(["--cpus"], type=int, help="Processors it takes."),
        click.Option(["--gpus"], type=int, help="Number of graphics processors."),
        click.Option(["--memory"], help="Memory it takes, '4 GB'."),
        click.Option(["--input", "inputs"], multiple=True, metavar="NAME=PATH", help="A file or folder it reads."),
        click.Option(["--param", "params"], multiple=True, metavar="NAME=VALUE",
                     help="A parameter: recorded, and given to the script as --NAME VALUE."),
        click.Option(["--name", "display_name"], help="Display name of the run."),
        *workspace_options(), *output_options(),
        click.Option(["--dry-run", "dry_run"], is_flag=True, help="Show the job; submit nothing."),
    ]  # fmt: skip
    text = "Submit a script and follow its run.\n\nArguments after `--` are those of the script."
    return _Run("run", callback=_run, params=params, help=text, epilog=examples("run"))


class _Run(click.Command):
    """An option that isn't one of espalier may be the script's: then this is how it is written."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            at = next((i for i, word in enumerate(given) if word.split("=")[0] == error.option_name), None)
            script = ctx.params.get("script") or next((word for word in given if not word.startswith("-")), "SCRIPT")
            rest = " ".join(map(shlex.quote, given[at:] if at is not None else [error.option_name]))
            hint = f"Write options of the script after --: espalier run {shlex.quote(script)} -- {rest}"
            raise click.UsageError(f"{error.format_message()}\n{hint}", ctx) from None


def submit_options() -> List[click.Parameter]:
    """What `run` and `job submit` have in common."""
    return [
        click.Option(["-e", "--experiment"], help="Name of the experiment. Default: the folder's.",
                     shell_complete=complete.experiments),
        click.Option(["--tag", "tags"], multiple=True, metavar="NAME=VALUE", help="Text to find the run by."),
        click.Option(["--reuse"], is_flag=True, help="Return an equal completed run if one exists."),
    ]  # fmt: skip


def _run(script: str, arguments: Sequence[str], folder: Optional[str], dry_run: bool, **given: Any) -> None:
    if script in operations("runs") and not os.path.exists(script):
        raise click.UsageError(f"Can't find the script {script!r}. Did you mean `espalier runs {script}`?")
    source = os.path.abspath(folder or os.path.dirname(script) or os.curdir)
    inputs = dict(named_value(each, "--input") for each in given["inputs"])
    params = [named_value(each, "--param") for each in given["params"]]
    config: Dict[str, Any] = {
        "source_directory": source,
        "entry_script": os.path.relpath(os.path.abspath(script), source),
        "arguments": list(arguments),
        "script_params": {name: read_value(text) for name, text in params},
        "inputs": {name: os.path.abspath(path) for name, path in inputs.items()},
        "session": {"client": f"espalier {espalier.__version__}", "rscript": shutil.which("Rscript")},
        **{name: given[name] for name in ("cpus", "gpus", "memory", "display_name") if given[name] is not None},
    }
    experiment = given["experiment"] or named_like(source)
    if dry_run:
        shown = {name: value for name, value in config.items() if name != "session" and value not in ([], {})}
        job = {"experiment": experiment, **shown, "environment": given["environment"]}
        return output.show(job, {**given, "_output": given["_output"] or "json"})
    workspace = project_workspace(given, source)
    if given["environment"]:
        config["environment"] = environment_value(given["environment"], workspace)
    identity = {"workspace": workspace, "name": experiment}
    job = {"config": config, "tags": tags_of(given), "reuse": given["reuse"]}
    follow_up(workspace, call("Experiment", "submit_values", identity, job), given)


def tags_of(given: Mapping[str, Any]) -> Dict[str, str]:
    """The tags that were given."""
    return dict(named_value(each, "--tag") for each in given["tags"])


def follow_up(workspace: str, submitted: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Follow a run that was submitted, unless the user detaches, and end this process with its exit code."""
    run_id = submitted["run_id"]
    for note in submitted["notes"]:
        tell(note, "i")
    for warning in submitted["warnings"]:
        tell(warning, "!")
    tell(f"{'Reused' if submitted['reused'] else 'Submitted'} {run_id}.")
    code = problems.DONE if given["detach"] else follow(workspace, run_id, sys.stderr)
    _report(workspace, run_id, given, code)
    raise click.exceptions.Exit(code)


def _report(workspace: str, run_id: str, given: Mapping[str, Any], code: int) -> None:
    """The run as it is now: on stdout for programs, in a line for people."""
    run = {"workspace": workspace, "id": run_id}
    found = {"run_id": run_id, "status": call("Run", "get_status", run, {})}
    if not given["detach"]:
        found["metrics"] = call("Run", "get_metrics", run, {})
    if given["_output"] or given["_query"] or not is_terminal(sys.stdout):
        output.show(found, given)
    elif not given["detach"] and code != problems.INTERRUPTED:
        tell(f"{found['status']}. {_in_short(run_id, found.get('metrics') or {})}".rstrip())


def _in_short(run_id: str, metrics: Mapping[str, Any]) -> str:
    """The last values of the first metrics."""
    rows = metric_rows(metrics)
    shown = [f"{one_line(row['name'])} {short(row['last'])}" for row in rows[:_METRICS]]
    more = f"; {len(rows) - _METRICS} more: `espalier runs metrics {run_id}`" if rows[_METRICS:] else ""
    return ", ".join(shown) + more


def project_workspace(given: Mapping[str, Any], source: str) -> str:
    """The workspace that is meant; where a project has none yet, its first is made."""
    named, path = given["_workspace"], given["_path"]
    try:
        return workspace_folder(named, path, source)
    except EspalierError as error:
        if named or error.fields.get("names") != [] or os.environ.get("ESPALIER_WORKSPACE"):
            raise
    folder = home(path, source)
    name = named_like(os.path.dirname(folder))
    made = call("Workspace", "create", None, {"name": name, "path": folder, "exist_ok": True})
    tell(f"Created workspace {name} in {folder}.")
    return str(made.path)


def named_like(folder: str) -> str:
    """A name for an experiment or workspace, as a folder has it."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", os.path.basename(os.path.abspath(folder))).strip("-._")
    return name[:100] or "main"
