"""What a command from the catalogue does: its request, and how the result is shown."""

from typing import Any, Dict, List, Mapping, Optional

from espalier.base.errors import EspalierError
from espalier.cli import output, parameters, views
from espalier.cli.call import DOWNLOADS, OF_EXPERIMENTS, deletes, names_of
from espalier.cli.deleting import delete
from espalier.cli.place import LATEST, run_id, workspace_folder
from espalier.cli.request import Request, call
from espalier.cli.text import tell


def carry_out(record: Mapping[str, Any], member: Mapping[str, Any], keys: List[str], values: Dict[str, Any]) -> None:
    """Make the request, and show its result."""
    workspace = None
    if member["kind"] == "instance":
        workspace = workspace_folder(values["_workspace"], values["_path"])
    if record["noun"] == "job":
        parameters.existing_file(values["path"])
    found = parameters.given(member, values, workspace)
    if workspace is not None and "run_ids" in found.arguments:
        found.arguments["run_ids"] = [known_run(workspace, each) for each in found.arguments["run_ids"]]
    identity = _identity(record, keys, values, workspace)
    request = Request(record["name"], member["name"], identity, found.arguments)
    if values.get("_experiment") and workspace is not None:
        identity = {"workspace": workspace, "name": values["_experiment"]}
        request = Request(*OF_EXPERIMENTS[2:], identity, found.arguments)
    if deletes(member):
        how = {"yes": values["_yes"], "dry_run": values["_dry_run"]}
        return output.show(delete(request, names_of(member), member["command"], **how), values)
    if values.get("_dry_run"):
        asked = {"command": f"{record['noun']} {member['command']}", **(identity or {}), **_hidden(found.arguments)}
        return output.show(asked, {**values, "_output": values["_output"] or "json"})
    if member["name"] in DOWNLOADS and not values["_overwrite"] and workspace is not None and identity is not None:
        from espalier.cli.downloads import refuse_existing

        refuse_existing(workspace, identity["id"], member["name"], found.arguments)
    result = views.whole(request, request.carry_out())
    if found.is_page and getattr(result, "page_token", None):
        tell(f"The first {len(result)} are shown. --all lists all.", "i")
    views.remarks(request, result, record["noun"], member["command"])
    output.show(result, values, request)
    if (record["name"], member["name"]) == ("Keyvault", "get_secrets"):
        _refuse_missing(result)


def _refuse_missing(secrets: Mapping[str, Optional[str]]) -> None:
    """End with an error when there is a secret that the keyvault doesn't have; the others are shown."""
    lacking = [name for name, value in secrets.items() if value is None]
    if lacking:
        message = f"Can't find the secret {', '.join(map(repr, lacking))}."
        raise EspalierError("secret_missing", message, "`espalier secrets list` shows those there are.")


def _hidden(arguments: Mapping[str, Any]) -> Dict[str, Any]:
    hidden = {name: {key: "***" for key in value} for name, value in arguments.items() if name == "secrets"}
    return {**arguments, **hidden}


def _identity(
    record: Mapping[str, Any], keys: List[str], values: Mapping[str, Any], workspace: Optional[str]
) -> Optional[Dict[str, str]]:
    if workspace is None:
        return None
    if not keys:
        return {"path": workspace}
    given = {key: values[f"_{key}"] for key in keys}
    if record["name"] == "Run":
        given = {"id": known_run(workspace, given["id"])}
    return {"workspace": workspace, **given}


def known_run(workspace: str, given: str) -> str:
    """The id of the run that is meant, see `run_id`."""
    found = run_id(workspace, given)
    if found == LATEST:
        found = call("Runs", "get", {"path": workspace}, {"run_id": LATEST}).id
    return found
