"""Requests to operations: what is carried out, what is refused, and many callers at once."""

import threading
from typing import Any, Dict, List

import pytest
from espalier import EspalierError, Experiment, Run, Workspace
from espalier.api.catalog import catalogue, noun_class
from espalier.api.dispatch import Dispatcher, member_of
from espalier.api.wire import JsonCarrier, error_record


def request(class_name: str, member: str, identity: Any = None, **args: Any) -> Dict[str, Any]:
    return {"class": class_name, "member": member, "identity": identity, "args": args}


def test_operations_and_properties(workspace: Workspace, experiment: Experiment) -> None:
    run = experiment.start_logging()
    run.log("auc", 0.5)
    run.complete()
    dispatcher = Dispatcher(JsonCarrier())
    assert dispatcher.call(request("Workspace", "name", workspace._identity())) == workspace.name
    rows = dispatcher.call(request("Runs", "list", workspace._identity(), filter="metrics.auc > 0.4"))
    columns = {column["name"]: column["values"] for column in rows["columns"]}
    assert columns["run_id"] == [run.id] and columns["metric_auc"] == [0.5]
    assert dispatcher.call(request("Runs", "get", workspace._identity(), run_id="latest")) == run._identity()
    assert dispatcher.call(request("Run", "get_metrics", run._identity())) == {"auc": 0.5}


def test_nouns_of_a_workspace(workspace: Workspace) -> None:
    assert workspace.runs == noun_class("runs")(workspace.path)  # type: ignore[misc]
    assert workspace.get_default_keyvault() == workspace.secrets
    assert workspace.runs != workspace.experiments and workspace.runs != workspace
    with pytest.raises(AttributeError, match="a Workspace has no 'trees'"):
        _ = workspace.trees


@pytest.mark.parametrize(
    "asked",
    [
        request("Nothing", "list"),
        request("Runs", "_ask", {"path": "/"}),
        request("Runs", "__class__", {"path": "/"}),
        request("Run", "log", {"workspace": "/", "id": "x"}, name="a", value=1),
        request("Host", "resources", None, cpu=1),
        request("subprocess", "run"),
    ],
    ids=lambda asked: f"{asked['class']}.{asked['member']}",
)
def test_what_is_not_declared_is_not_reached(asked: Dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        Dispatcher(JsonCarrier()).prepared(asked)


def test_a_value_of_another_type_is_refused() -> None:
    asked = request("Host", "resources", None, cpus="many")
    with pytest.raises(TypeError, match="argument cpus is str, declared int"):
        Dispatcher(JsonCarrier()).prepared(asked)


def test_tables_do_not_come_from_other_processes() -> None:
    with pytest.raises(EspalierError) as caught:
        JsonCarrier().argument({"table": ["1", "2"]})
    assert caught.value.code == "unsupported_data"
    assert error_record(caught.value)["code"] == "unsupported_data"
    assert error_record(KeyError("x"))["code"] == "internal"


def test_each_member_of_the_catalogue_can_be_looked_up() -> None:
    for name, record in catalogue().items():
        for one in [*record["properties"], *record["methods"]]:
            assert member_of(name, one["name"])["name"] == one["name"]


def test_many_callers_at_once(workspace: Workspace, experiment: Experiment) -> None:
    runs: List[Run] = [experiment.start_logging() for _ in range(8)]
    seen: Dict[int, List[Any]] = {number: [] for number in range(len(runs))}

    def work(number: int) -> None:
        dispatcher, identity = Dispatcher(JsonCarrier()), runs[number]._identity()
        for turn in range(5):
            dispatcher.call(request("Run", "set_tags", identity, tags={"turn": str(turn), "of": str(number)}))
            seen[number].append(dispatcher.call(request("Run", "get_tags", identity)))

    threads = [threading.Thread(target=work, args=(number,)) for number in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {n: [{"turn": str(turn), "of": str(n)} for turn in range(5)] for n in seen}
