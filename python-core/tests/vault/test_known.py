from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig, Workspace
from espalier.environment.definition import Environment
from espalier.vault.known import refuse_secret_values

SECRET = "hunter2-canary"
IN_TEXT = f"Bearer {SECRET}"


@pytest.fixture
def vaulted(workspace: Workspace) -> Workspace:
    workspace.get_default_keyvault().set_secrets({"token": SECRET, "short": "prod-1"})
    return workspace


def refused(field: str, call: Callable[[], object]) -> None:
    with pytest.raises(EspalierError) as caught:
        call()
    assert caught.value.code == "bad_argument" and f"`{field}`" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "field,given",
    [
        ("script_params$p", {"script_params": {"p": IN_TEXT}}),
        ("script_params$p", {"script_params": {"p": ["a", IN_TEXT]}}),
        ("names of script_params", {"script_params": {SECRET: 1}}),
        ("arguments", {"arguments": ["--token", SECRET]}),
        ("display_name", {"display_name": IN_TEXT}),
        ("environment_variables$AUTH", {"environment_variables": {"AUTH": IN_TEXT}}),
        ("environment$variables$AUTH", {"environment": {"name": "e", "variables": {"AUTH": IN_TEXT}}}),
    ],
)
def test_no_text_of_a_job_contains_a_value(
    vaulted: Workspace, experiment: Experiment, project: Path, field: str, given: Dict[str, Any]
) -> None:
    (project / "a.py").write_text("")
    refused(field, lambda: experiment.submit(ScriptRunConfig(str(project), "a.py", **given)))
    assert experiment.get_runs() == []


def test_nor_does_a_command_or_a_name_or_a_tag(vaulted: Workspace, experiment: Experiment) -> None:
    refused("command", lambda: experiment.submit(ScriptRunConfig(command=["echo", SECRET])))
    refused("command", lambda: experiment.submit(ScriptRunConfig(command=f"curl -H '{IN_TEXT}'")))
    refused("tags$a", lambda: experiment.submit(ScriptRunConfig(command="true"), tags={"a": IN_TEXT}))
    refused("experiment", lambda: Experiment(vaulted, f"e-{SECRET}").submit(ScriptRunConfig(command="true")))
    refused("experiment", lambda: Experiment(vaulted, f"e-{SECRET}").start_logging())
    environment = Environment.from_mapping({"name": "e", "variables": {"AUTH": IN_TEXT}})
    refused("environment$variables$AUTH", lambda: vaulted.environments.register(environment))
    assert experiment.get_runs() == []


def test_nor_does_what_is_changed_later(vaulted: Workspace, experiment: Experiment) -> None:
    run = experiment.start_logging()
    refused("tags$a", lambda: run.set_tags({"a": SECRET}))
    refused("names of tags", lambda: run.set_tags({SECRET: "a"}))
    refused("display_name", lambda: run.child_run(name=IN_TEXT))
    assert run.get_tags() == {} and run.get_children() == []
    run.set_tags({"a": "prod-1"})
    run.complete()


def test_a_value_that_was_got_counts_and_one_that_was_deleted_does_not(
    vaulted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: Dict[str, Dict[str, str]] = {}
    monkeypatch.setattr("espalier.vault.known._known", known)
    refuse_secret_values(vaulted._paths, {"tags": IN_TEXT})
    keyvault = vaulted.get_default_keyvault()
    keyvault.get_secret("token")
    refused("tags", lambda: refuse_secret_values(vaulted._paths, {"tags": IN_TEXT}))
    keyvault.delete_secrets(["token"])
    refuse_secret_values(vaulted._paths, {"tags": IN_TEXT})


def test_what_a_run_gave_counts(vaulted: Workspace, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Run = experiment.submit(ScriptRunConfig(command="true", secrets=["token"]))
    known: Dict[str, Dict[str, str]] = {}
    monkeypatch.setattr("espalier.vault.known._known", known)
    run.get_secret("token")
    refused("tags$a", lambda: run.set_tags({"a": SECRET}))
    run.wait_for_completion()


def test_what_a_job_asks_its_runner_for(
    vaulted: Workspace, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = experiment.start_logging()
    monkeypatch.setattr(Run, "_job", lambda self: self._paths)
    monkeypatch.setattr("espalier.api.run_children.ask", lambda *given, **named: pytest.fail("asked"))
    refused("command", lambda: run.submit_child({"command": ["echo", SECRET]}))
    refused("tags$a", lambda: run.submit_child({"command": ["true"]}, tags={"a": SECRET}))
    refused("display_name", lambda: run.child_run(name=IN_TEXT))
    refused("tags$a", lambda: run.create_children(tag_key="a", tag_values=[SECRET]))
    monkeypatch.undo()
    run.complete()
