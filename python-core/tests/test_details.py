import json
from pathlib import Path
from typing import Any, Callable, Dict

from espalier import Run

Submit = Callable[..., Run]
Ended = Callable[..., Dict[str, Any]]


def test_details(submit: Submit, ended: Ended) -> None:
    run = submit("echo hi; exit 0", script_params={"a": 1}, display_name="Näme")
    details = ended(run)
    assert details["runId"] == run.id and details["experiment"] == run.experiment_name == "exp"
    assert (details["status"], details["exitCode"], details["error"]) == ("Completed", 0, None)
    assert details["durationSeconds"] > 0 and details["startTimeUtc"] <= details["endTimeUtc"]
    assert details["logFiles"] == {"user_logs/std_log.txt": f"{run.run_dir}/user_logs/std_log.txt"}
    assert details["runDefinition"]["params"] == {"a": {"kind": "integer", "value": 1}}
    json.dumps(details)


def test_logs_as_text(submit: Submit, ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    run = submit(f"echo hi; echo more > logs/a.txt; ln -s {tmp_path}/secret logs/link")
    ended(run)
    logs = run.get_details_with_logs()["logFiles"]
    assert logs["user_logs/std_log.txt"] == "hi\n" and logs["logs/a.txt"] == "more\n"
    assert "isn't a plain file" in logs["logs/link"]


def test_a_damaged_event_log_is_among_the_warnings(submit: Submit, ended: Ended) -> None:
    run = submit("true")
    assert ended(run)["warnings"] == []
    Path(run.run_dir, "events", "w.jsonl").write_text("broken\n")
    details = run.get_details()
    assert details["status"] == "Completed", "its state is whole"
    assert "w.jsonl is damaged at line 1" in details["warnings"][0]
