import json
import os
from pathlib import Path
from typing import Any

import pytest
from espalier.adapters.homes import scratch_below
from espalier.api.follow import canceled_line
from espalier.base.errors import EspalierError
from espalier.base.model.status import Status, plain_error
from espalier.base.paths import RunPaths
from espalier.lifecycle import end as module
from espalier.lifecycle.end import end_job, end_lost_attempt, finish
from espalier.lifecycle.status import Known, Outcome, move, read_status
from espalier.tracking.writer import EventWriter
from scratch import give_scratch


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "ab" / "e_1_abcdef01"))
    os.makedirs(os.path.dirname(paths.log))
    Path(paths.spec).write_text('{"format": 1}')
    Path(paths.env).write_text("{}")
    Path(paths.status).write_text('{"format": 1, "state": "Running", "warnings": ["before"], "attempt": 1}')
    give_scratch(paths, str(tmp_path / "w"))
    return paths


def end(run: RunPaths, *outcome: Any) -> Status:
    end_job(Known(run, read_status(run)), Outcome(*outcome))
    return read_status(run)


@pytest.mark.parametrize(
    "outcome,state,code",
    [
        ((0, None, None, 1.0), "Completed", None),
        ((3, None, None, 1.0), "Failed", "job_failed"),
        ((None, 9, None, 1.0), "Failed", "job_killed"),
        ((0, None, "canceled", 1.0), "Canceled", "canceled"),
        ((None, 15, "canceled", 1.0), "Canceled", "canceled"),
        ((None, 9, "timed_out", 1.0), "Canceled", "timed_out"),
    ],
)
def test_outcomes(run: RunPaths, tmp_path: Path, outcome: Any, state: str, code: Any) -> None:
    record = end(run, *outcome)
    assert (record.state, record.exit_code, record.signal) == (state, *outcome[:2])
    assert (record.error or {}).get("code") == code
    assert record.attempt == 1 and record.warnings == ("before",)
    assert str(record.ended_at).endswith("Z")
    assert os.listdir(scratch_below(str(tmp_path / "w"))) == [] and not os.path.exists(run.env)


@pytest.mark.parametrize("seconds,written", [(1.23456789, 1.234568), (-5.0, 0.0), (0.0, 0.0)])
def test_durations_are_never_negative(run: RunPaths, seconds: float, written: float) -> None:
    assert end(run, 0, None, None, seconds).duration_seconds == written


def test_last_metrics_are_kept(run: RunPaths) -> None:
    writer = EventWriter(run.root)
    for value in (1, 2, 3):
        writer.metric("m", "integer", value)
    writer.metric("nan", "double", float("nan"))
    Path(run.events, "torn.jsonl").write_text('{"type":"metric","name":"t","ti')
    assert end(run, 0, None, None, 1.0).metrics == {
        "m": {"kind": "integer", "value": 3},
        "nan": {"kind": "double", "value": "!NaN"},
    }


def test_first_least_and_largest_values_are_kept(run: RunPaths) -> None:
    writer = EventWriter(run.root)
    for name, values in {"loss": (0.9, 0.2, 0.5), "once": (1.0,), "same": (3.0, 3.0), "down": (2.0, 1.0)}.items():
        for value in values:
            writer.metric(name, "double", value)
    for value in (float("nan"), 2.0, float("-inf"), None):
        writer.metric("odd", "double", value)
    for kind, value in (("string", "start"), ("integer", 4), ("double", 0.5), ("string", "end")):
        writer.metric("mixed", kind, value)
    assert end(run, 0, None, None, 1.0).metric_ranges == {
        "loss": {"first": 0.9, "min": 0.2, "max": 0.9},
        "down": {"first": 2.0, "max": 2.0},
        "odd": {"first": "!NaN", "min": "!-Inf", "max": 2.0},
        "mixed": {"first": "start", "min": {"kind": "double", "value": 0.5}, "max": {"kind": "integer", "value": 4}},
    }


def test_a_last_metric_may_lie_in_a_payload(run: RunPaths) -> None:
    os.makedirs(run.events)
    os.makedirs(run.payloads)
    lines = [{"type": "metric", "seq": n, "time": 1.0 + n, "name": f"m{n}", "payload": f"payloads/w-{n}.json"} for n in range(3)]
    Path(run.events, "w.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Path(run.payloads, "w-0.json").write_text('{"kind":"string","value":"long"}')
    Path(run.payloads, "w-1.json").write_text("broken")
    assert end(run, 0, None, None, 1.0).metrics == {"m0": {"kind": "string", "value": "long"}}


def test_large_logs_are_left_to_readers(run: RunPaths) -> None:
    os.makedirs(run.events)
    with open(Path(run.events, "w.jsonl"), "wb") as file:
        file.truncate(9 * 1024 * 1024)
    assert end(run, 0, None, None, 1.0).metrics is None


def test_a_final_state_stays(run: RunPaths) -> None:
    end(run, 0, None, None, 1.0)
    with pytest.raises(EspalierError) as caught:
        end_lost_attempt(Known(run, read_status(run)))
    assert caught.value.code == "internal"
    assert read_status(run).state == "Completed"


def test_lost(run: RunPaths) -> None:
    Path(run.log).write_text("last words\n")
    end_lost_attempt(Known(run, read_status(run)))
    error = read_status(run).error or {}
    assert error["code"] == "runner_lost" and error["log_tail"] == ["last words"]


def test_kept_working_copy(run: RunPaths) -> None:
    Path(run.spec).write_text('{"format": 1, "keep_workdir": true}')
    end(run, 0, None, None, 1.0)
    assert os.path.isdir(run.work) and not os.path.exists(run.env)


def test_a_damaged_spec_stops_nothing(run: RunPaths) -> None:
    Path(run.spec).write_text("{")
    assert end(run, 0, None, None, 1.0).state == "Completed"
    assert os.path.isdir(run.work), "keeping is the safe side"


def test_the_limit_that_was_passed_is_named(run: RunPaths) -> None:
    Path(run.spec).write_text('{"format": 1, "max_run_duration_seconds": 2.0}')
    record = end(run, None, 9, "timed_out", 1.0)
    assert (record.error or {})["message"] == "It took longer than its limit of 2 s."
    assert canceled_line("e", record.record()) == "Run e: Canceled. It took longer than its limit of 2 s.\n"
    assert canceled_line("e", {"error": {"message": "Canceled by ada."}}) == "Run e: Canceled by ada.\n"


def test_who_canceled(run: RunPaths) -> None:
    assert "signal to stop from outside" in (end(run, None, 15, "canceled", 1.0).error or {})["message"]
    Path(run.status).write_text('{"format": 1, "state": "Running"}')
    os.makedirs(os.path.dirname(run.cancel))
    Path(run.cancel).write_text('{"format": 1, "by": "ada"}')
    assert (end(run, None, 15, "canceled", 1.0).error or {})["message"] == "Canceled by ada."


def test_secrets_are_gone_before_the_end_is_seen(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*args: Any, **fields: Any) -> Any:
        assert not os.path.exists(run.env)
        return move(*args, **fields)

    monkeypatch.setattr(module, "move", look)
    assert end(run, 0, None, None, 1.0).state == "Completed"


def test_killed_before_the_state_was_written(run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Called again by whoever reaps, it does the rest."""
    outputs = Path(scratch_below(str(tmp_path / "w"))) / "abcdef01" / "work" / "outputs"
    outputs.mkdir()
    (outputs / "model").write_text("m")
    with monkeypatch.context() as patch:
        patch.setattr(module, "move", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            end(run, 0, None, None, 1.0)
    end_lost_attempt(Known(run, read_status(run)))
    assert Path(run.outputs, "model").read_text() == "m" and os.listdir(scratch_below(str(tmp_path / "w"))) == []


def test_an_unknown_state_is_damage(run: RunPaths) -> None:
    Path(run.status).write_text(json.dumps({"format": 1, "state": "Dancing"}))
    with pytest.raises(EspalierError) as caught:
        read_status(run)
    assert caught.value.code == "damaged"


def test_plain_error_has_every_field() -> None:
    assert set(plain_error("canceled", "x")) == {"code", "message", "call", "place", "class", "traceback", "log_tail"}


def test_finish_keeps_what_is_known(run: RunPaths) -> None:
    finish(Known(run, read_status(run)), "Failed", plain_error("prepare_failed", "why"), exit_code=None)
    assert read_status(run).attempt == 1
