import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, List

import pytest
from espalier import EspalierError, Run, Workspace, wait_for
from espalier.api.wait_many import look, progress_text
from espalier.base.paths import RunPaths, WorkspacePaths
from espalier.base.records import replace_record
from hanging import not_hanging

Submit = Callable[..., Run]


def test_all_and_any(submit: Submit) -> None:
    runs = [submit("sleep 0.2"), submit("exit 3"), submit("sleep 0.4")]
    first = wait_for(runs, any=True, timeout=20)
    assert list(first) == [run.id for run in runs] and set(first.values()) & {"Completed", "Failed"}
    assert list(wait_for(runs, timeout=20).values()) == ["Completed", "Failed", "Completed"]
    assert wait_for([]) == {} and wait_for(runs[:1], any=True) == {runs[0].id: "Completed"}


def test_time_out(submit: Submit) -> None:
    runs = [submit("true"), submit("sleep 60")]
    before = time.monotonic()
    with pytest.raises(EspalierError, match=f"longer than 1 s: 1 of 2 runs haven't ended: {runs[1].id}") as caught:
        wait_for(runs, timeout=1)
    assert caught.value.code == "wait_timed_out" and time.monotonic() - before >= 1
    assert caught.value.fields["states"] == {runs[0].id: "Completed", runs[1].id: "Running"}
    runs[1].cancel()
    assert wait_for(runs, timeout=20)[runs[1].id] == "Canceled"


def test_a_run_that_was_deleted(submit: Submit, tmp_path: Path) -> None:
    run = submit("sleep 60")
    os.rename(run.run_dir, tmp_path / "away")
    with pytest.raises(EspalierError) as caught:
        wait_for([run])
    assert caught.value.code == "run_missing"


def test_from_another_language(submit: Submit, workspace: Workspace) -> None:
    runs = [submit("true"), submit("sleep 60")]
    wait_for(runs, any=True, timeout=20)
    with not_hanging():
        seen = workspace.runs.follow([run.id for run in runs], any=True, wait_seconds=600)
    assert (seen["ended"], seen["enough"], seen["states"][0]) == (1, True, "Completed")
    assert not workspace.runs.follow([run.id for run in runs])["enough"]
    with pytest.raises(EspalierError, match="Can't find the run '../x'"):
        workspace.runs.follow(["../x"])


@pytest.fixture
def many(home: Path) -> List[RunPaths]:
    paths = WorkspacePaths(str(home / "many"))
    runs = [paths.run(f"e_1_{i:08x}") for i in range(500)]
    for run in runs:
        os.makedirs(run.root)
        replace_record(run.status, {"format": 1, "state": "Running"}, run.shard)
    return runs


def test_one_of_hundreds_is_seen_at_once(many: List[RunPaths]) -> None:
    look(many, 0)
    threading.Timer(
        0.3, replace_record, (many[77].status, {"format": 1, "state": "Completed"}, many[77].shard)
    ).start()
    with not_hanging():
        assert look(many, 600).count("Completed") == 1


def test_an_interrupt_ends_the_waiting_alone(submit: Submit, workspace: Workspace) -> None:
    run = submit("sleep 60")
    code = "import sys\nfrom espalier import Run, wait_for\nprint('up', flush=True)\nwait_for([Run(*sys.argv[1:])])"
    env = {**os.environ, "PYTHONPATH": str(Path(sys.modules["espalier"].__file__ or "").parents[1])}
    waiter = subprocess.Popen([sys.executable, "-c", code, workspace.path, run.id], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert waiter.stdout is not None and waiter.stdout.readline() == b"up\n"
    time.sleep(0.3)
    waiter.send_signal(2)
    assert b"KeyboardInterrupt" in waiter.communicate(timeout=60)[1]
    assert run.get_status() == "Running"


def test_the_line_of_a_terminal(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_text(["Running", "Completed", "Failed", "Running"]) == (
        "2 of 4 runs have ended (1 Completed, 1 Failed, 2 Running)"
    )
    written: List[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> Any:
            written.append(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Terminal())
    wait_for([submit("sleep 0.5")], timeout=20)
    assert "0 of 1 run has ended" in written[0] and not written[-1].strip()
