"""Commands that delete. One rule: they list what would go and ask; --yes acts, --dry-run lists and changes nothing."""

import sys
from typing import Any, Dict, Mapping, NamedTuple, Optional, Set

import click

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.types import Frame
from espalier.cli.output import as_table_of, plain
from espalier.cli.place import run_ids
from espalier.cli.request import Request
from espalier.cli.text import is_terminal, tell


class _Deletion(NamedTuple):
    """The operation as it lists, and as it deletes. Some have no list."""

    listing: Optional[Request]
    acting: Request


def delete(request: Request, parameters: Set[str], word: str, *, yes: bool, dry_run: bool) -> Any:
    """Carry out an operation that deletes, and return its result, or what it would delete.

    Args:
        dry_run: Only list.

    Raises:
        EspalierError: `not_permitted`: the answer was no, or it can't be asked for without a terminal.
    """
    steps = _steps(request, parameters)
    if dry_run:
        return _listed(steps, request)
    if yes:
        return steps.acting.carry_out()
    if not is_terminal(sys.stdin):
        message = "Can't delete without asking, and this isn't a terminal."
        raise EspalierError("not_permitted", message, "Add --yes to go on, or --dry-run to list what would be deleted.")
    listed = _listed(steps, request)
    if not len(listed):
        tell("There is nothing to delete.", "i")
        return listed
    click.echo(as_table_of(listed), err=True, nl=False)
    if not click.confirm(f"{word.capitalize().replace('-', ' ')}: this can't be undone. Go on?", err=True):
        raise EspalierError("not_permitted", "Can't delete without your consent. Nothing was deleted.")
    return steps.acting.carry_out()


def _steps(request: Request, parameters: Set[str]) -> _Deletion:
    if "dry_run" in parameters:
        return _Deletion(request.of(dry_run=True), request.of(dry_run=False))
    return _Deletion(None, request)


def _listed(steps: _Deletion, request: Request) -> Any:
    if steps.listing is not None:
        return steps.listing.carry_out()
    if request.class_name == "Workspace":
        return _workspace(request.identity or {})
    if request.class_name == "Snapshots":
        return _those(request._replace(member="list", arguments={}), "id", [request.arguments["snapshot_id"]])
    if request.class_name == "Keyvault":
        return _those(request._replace(member="list_secrets", arguments={}), "name", request.arguments["names"])
    if request.class_name == "Host":
        return request._replace(member="keeper_status", arguments={}).carry_out()
    return {**(request.identity or {}), **request.arguments}


def _workspace(identity: Mapping[str, str]) -> Dict[str, Any]:
    return {"path": identity["path"], "runs": len(run_ids(WorkspacePaths(identity["path"])))}


def _those(listing: Request, column: str, wanted: Any) -> Any:
    """The rows of a list that are meant."""
    frame: Frame = listing.carry_out()
    return [row for row in plain(frame) if row[column] in wanted]
