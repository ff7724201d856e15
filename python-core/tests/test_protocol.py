"""docs/protocol.md, held against what both languages' writers and the runner write."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest
from espalier.api.job_log import JobLog
from espalier.api.run_parts import RunParts
from espalier.base import states
from espalier.base.config import ScriptRunConfig
from espalier.base.paths import RunPaths
from espalier.base.values import NA, from_json
from espalier.tracking.charts import chart_of_event
from espalier.tracking.metrics import read_metrics
from espalier.tracking.parts import read_parts

TOP = Path(__file__).resolve().parents[2]
KINDS = {"double": (int, float), "integer": int, "logical": bool, "string": str}
TAGS = {"!NaN", "!Inf", "!-Inf", "!NA"}
FIELDS = {
    "metric": {"name", "kind", "value"},
    "list": {"name", "kind", "values"},
    "row": {"name", "kinds", "row"},
    "table": {"name", "kinds", "columns"},
    "image": {"name", "path"},
    "chart": {"name", "schema_type", "schema_version", "data"},
    "param": {"name", "kind", "value"},
    "warning": {"message", "call"},
    "error": {"message", "call", "class", "traceback"},
    "part": {"key", "status"},
}
OPTIONAL = {"metric": {"step"}, "list": {"description"}, "row": {"description"}, "table": {"description"}}
OPTIONAL["part"] = {"seconds", "digest", "error", "kinds", "metrics"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def check_value(value: Any, kind: str) -> None:
    """One value as the table "Encoding" has it."""
    if isinstance(value, str) and value.startswith("!"):
        assert value in TAGS or (kind == "string" and value.startswith("!!"))
        return
    assert isinstance(value, KINDS[kind])
    assert kind == "logical" or not isinstance(value, bool)


def check_log(run: RunPaths, path: Path, longest: int) -> List[Dict[str, Any]]:
    """One event log, field by field; returns its events."""
    data = path.read_bytes()
    assert data.endswith(b"\n")
    lines = data.split(b"\n")[:-1]
    assert all(len(line) < longest for line in lines)
    header, *events = [json.loads(line) for line in lines]
    assert set(header) == {"type", "format", "writer", "pid", "host", "time"}
    assert header["type"] == "writer" and header["format"] == 1
    assert path.name == header["writer"] + ".jsonl"
    assert re.fullmatch(rf"[a-z]+-{header['pid']}-[0-9a-f]{{8}}", header["writer"])
    assert [event["seq"] for event in events] == list(range(len(events)))
    for event in events:
        check_event(run, event, header["writer"])
    return events


def check_event(run: RunPaths, event: Dict[str, Any], writer: str) -> None:
    kind = event["type"]
    fields = set(event) - {"type", "seq", "time"}
    assert isinstance(event["time"], (int, float))
    if "payload" in event:
        assert fields == {"key" if kind == "part" else "name", "payload"}
        assert event["payload"] == f"payloads/{writer}-{event['seq']}.json"
        event = {**event, **json.loads(Path(run.root, event["payload"]).read_text("utf-8"))}
        fields = set(event) - {"type", "seq", "time", "payload"}
    assert FIELDS[kind] <= fields <= FIELDS[kind] | OPTIONAL.get(kind, set()) | {"description"}
    if kind == "part":
        assert list(event.get("kinds", {})) == list(event.get("metrics", {}))
        for name, value in event.get("metrics", {}).items():
            check_value(value, event["kinds"][name])
    elif kind in ("metric", "param"):
        check_value(event["value"], event["kind"])
    elif kind == "list":
        for value in event["values"]:
            check_value(value, event["kind"])
    elif kind == "row":
        for name, value in event["row"].items():
            check_value(value, event["kinds"][name])
    elif kind == "table":
        for name, column in event["columns"].items():
            for value in column:
                check_value(value, event["kinds"][name])
    elif kind == "chart":
        chart_of_event(event)


def check_run(run: RunPaths, longest: int, folder: str = "events") -> List[Dict[str, Any]]:
    logs = sorted(Path(run.root, folder).glob("*.jsonl"))
    assert logs
    return [event for path in logs for event in check_log(run, path, longest)]


def run_folder(tmp_path: Path) -> RunPaths:
    run = RunPaths(str(tmp_path / "runs" / "ab" / "x_1_abcdef01"))
    os.makedirs(run.events)
    return run


def test_python_writer(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    log = JobLog(run.root)
    for value in (0.1, -0.0, 1e308, float("nan"), float("-inf"), 3, 2**60, True, "!text", "é😀", None):
        log.log("m", value)
    log.log("s", 1.5, step=3)
    log.log_list("l", [1, None, 3])
    log.log_row("r", a=1, b="x")
    log.log_table("t", {"a": [1.5, float("inf")], "b": ["!NA", None]}, description="d")
    log.log_table("big", {"x": list(range(20_000))})
    bins = {"bin_averages": [float("nan"), 1], "bin_errors": [0, 1], "bin_counts": [0, 3], "bin_edges": [0, 1, 2]}
    log.log_predictions("p", {"data": bins}, description="d")
    events = check_run(run, 32_768)
    assert sum("payload" in event for event in events) == 1
    metrics = read_metrics(run)
    assert [str(value) for value in metrics["m"]] == [
        "0.1", "-0.0", "1e+308", "nan", "-inf", "3", str(2**60), "True", "!text", "é😀", "NA",
    ]  # fmt: skip
    assert metrics["big"]["x"] == list(range(20_000))
    assert metrics["t"]["b"] == ["!NA", NA]


def test_python_parts(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    log = RunParts(run.root)
    log.log_part("a", metrics={"d": 0.1, "i": 3, "s": "!x", "n": None, "x": float("nan")}, seconds=1, digest="sha256:ab")
    log.log_part("é", error="x" * 40_000)
    events = check_run(run, 32_768, "parts")
    assert ["payload" in event for event in events] == [False, True]
    assert len(read_parts(run)) == 2


R_SCRIPT = """
e <- new.env()
for (f in commandArgs(TRUE)) sys.source(f, e)
with(e, {
  for (v in list(0.1, -0, 1e308, NaN, -Inf, 3L, TRUE, NA, NA_character_, "!text", "\\u00e9\\U1F600"))
    log_metric_to_run("m", v)
  log_metric_to_run("s", 1.5, step = 3)
  log_list_to_run("l", c(1L, NA, 3L))
  log_row_to_run("r", a = 1L, b = "x")
  log_table_to_run("t", data.frame(a = c(1.5, Inf), b = c("!NA", NA)), description = "d")
  log_table_to_run("big", data.frame(x = 1:20000))
  log_predictions_to_run("p", c(1, 2, 8, 9, 10), predicted = c(1.5, 2, 7, 9, 11), description = "d")
  log_metric_to_run("long", strrep("\\u00e9", 8000))
  log_part_to_run("a", metrics = list(d = 0.1, i = 3L, z = -0), seconds = 1.5, digest = "sha256:ab")
  log_part_to_run("b", metrics = list(s = "!x", n = NA, x = NaN))
  log_part_to_run("\\u00e9", error = strrep("\\u00e9", 8000))
})
"""
# The part of the package that runs inside jobs: base R only, so it can be sourced.
R_FILES = (
    "conditions", "checks", "json", "road", "plain-file", "event-log", "active-run", "run-request", "log-doubts", "log-values", "run-log", "run-log-image", "run-log-chart", "chart-values",
    "run-log-part",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_writer(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    script = tmp_path / "log.R"
    script.write_text(R_SCRIPT, "utf-8")
    files = [str(TOP / "R" / f"{name}.R") for name in R_FILES]
    env = {**os.environ, "ESPALIER_RUN_DIR": run.root, "LC_ALL": "C.UTF-8"}
    subprocess.run(["Rscript", "--vanilla", str(script), *files], env=env, check=True)
    events = check_run(run, 4096)
    assert sum("payload" in event for event in events) == 2
    metrics = read_metrics(run)
    assert metrics["long"] == "é" * 8000
    assert [str(value) for value in metrics["m"]] == [
        "0.1", "-0.0", "1e+308", "nan", "-inf", "3", "True", "NA", "NA", "!text", "é😀",
    ]  # fmt: skip
    assert metrics["l"] == [1, NA, 3]
    assert metrics["big"]["x"] == list(range(1, 20_001))
    assert metrics["t"]["b"] == ["!NA", NA]
    assert sum("payload" in event for event in check_run(run, 4096, "parts")) == 1
    parts = read_parts(run).rows()
    assert [repr(parts[0][name]) for name in ("d", "i", "z", "seconds")] == ["0.1", "3", "-0.0", "1.5"]
    assert (parts[1]["s"], parts[1]["n"], str(parts[1]["x"])) == ("!x", None, "nan")
    assert parts[2]["error"] == "é" * 8000


def test_records_of_a_run(experiment: Any, tmp_path: Path, reach: Any) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "job.sh").write_text("echo done\n")
    config = ScriptRunConfig(str(project), entry_script="job.sh", script_params={"a": 1, "b": [0.5, float("inf")]})
    run = experiment.submit(config, tags={"k": "v"})
    run.wait_for_completion()
    paths = RunPaths(run.run_dir)
    spec, status, meta = (json.loads(Path(p).read_text()) for p in (paths.spec, paths.status, paths.meta))
    documented = set(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", (TOP / "docs" / "protocol.md").read_text(), re.M))
    names = {name for row in documented for name in re.findall(r"\w+", row)}
    assert set(spec) <= names
    assert set(status) <= names
    assert [record["format"] for record in (spec, status, meta)] == [2, 1, 1]
    assert status["state"] == states.COMPLETED and status["exit_code"] == 0
    assert all(TIME.fullmatch(status[key]) for key in ("queued_at", "prepared_at", "started_at", "ended_at"))
    assert spec["params"]["a"] == {"kind": "integer", "value": 1}
    assert [from_json(item["value"]) for item in spec["params"]["b"]] == [0.5, float("inf")]
    assert meta["tags"] == {"k": "v"}
    assert not os.path.exists(paths.env)
    reach(lambda: not os.path.exists(paths.work))  # removed after the end is written, so that nobody waits for it
