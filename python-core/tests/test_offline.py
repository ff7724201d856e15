import os
import subprocess
import sys
from pathlib import Path


def outside(code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("ESPALIER_")}
    return subprocess.run([sys.executable, "-c", "from espalier import Run\n" + code], env={**env, **variables}, capture_output=True, text=True)


def test_outside_a_job_it_says_once_that_nothing_is_recorded(tmp_path: Path) -> None:
    done = outside(
        "run = Run.get_context()\nrun.log('a', 1)\nrun.log('b', 2)\nrun.log_list('c', [1])\n"
        "run.log_table('d', {'a': [1]})\nrun.log_image('e', 'p.png')\nrun.flush()\nprint(run.id)"
    )
    assert (done.returncode, done.stdout) == (0, "offline\n")
    assert done.stderr.count("\n") == 1 and "nothing is recorded" in done.stderr


def test_outside_a_job_bad_values_are_refused_all_the_same() -> None:
    assert "bad_argument" in outside("try: Run.get_context().log('a', [1])\nexcept Exception as e: print(e.code)").stdout


def test_outside_a_job_other_verbs_refuse() -> None:
    code = "run = Run.get_context()\nfor call in (run.get_status, run.get_details, run.cancel, run.get_metrics, run.complete):\n"
    done = outside(code + "    try: call()\n    except Exception as e: print(e.code)")
    assert done.stdout.split() == ["run_not_active"] * 5


def test_no_offline_run_on_request() -> None:
    assert "run_not_active" in outside("try: Run.get_context(False)\nexcept Exception as e: print(e.code)").stdout
