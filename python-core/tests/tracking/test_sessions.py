"""What R and Python processes of jobs ran with: recorded by themselves, read without trust."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import espalier
import pytest
from espalier.base.config import ScriptRunConfig
from espalier.base.paths import RunPaths
from espalier.tracking.sessions import read_sessions

SOURCE = str(Path(espalier.__file__).parent.parent)
START = "from espalier import Run\nrun = Run.get_context()\n"


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"
    folder.mkdir(parents=True)
    return RunPaths(str(folder))


def python(run, code, *paths):
    env = {
        "ESPALIER_WORKSPACE": str(Path(run.root).parents[2]),
        "ESPALIER_RUN_ID": os.path.basename(run.root),
        "PYTHONPATH": os.pathsep.join([SOURCE, *map(str, paths)]),
        "PATH": os.defpath,
    }
    command = [sys.executable, "-S", "-c", code, "argument"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def record(run, name, **fields):
    columns = {"package": ["a"], "version": ["1"], "attached": [True], "library": [0]}
    whole = {"format": 1, "language": "r", "time": 1.5, "pid": 7, "libraries": ["/lib"], "packages": columns, **fields}
    Path(run.sessions).mkdir(exist_ok=True)
    Path(run.session(name)).write_text(json.dumps(whole))


@pytest.mark.parametrize("end", ["", "raise ValueError('bad')", "import sys; sys.exit(3)"])
def test_a_python_job_records_itself_however_it_ends(run, end):
    done = python(run, START + end)
    assert ("ValueError" in done.stderr) == ("ValueError" in end)
    (session,) = read_sessions(run)
    assert session["language"] == "python" and session["version"] == "Python " + sys.version.split()[0]
    assert os.path.samefile(session["command"][0], sys.executable) and session["command"][-1] == "argument"
    assert session["host"] == os.uname().nodename and abs(session["time"] - time.time()) < 60


def test_installed_packages_of_loaded_modules(run, tmp_path):
    site = tmp_path / "site"
    for name, top in (("Some.Thing-1.2", None), ("scikit_other-3.0rc1", "skother\n"), ("unused-9", None)):
        (site / f"{name}.dist-info").mkdir(parents=True)
        if top:
            (site / f"{name}.dist-info" / "top_level.txt").write_text(top)
    for name in ("some_thing", "skother", "unused"):
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("")
    (site / "single.py").write_text("__version__ = '0.5'\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "helper.py").write_text("__version__ = '7'\n")
    done = python(run, START + "import some_thing, skother, single, helper, json", site, tmp_path / "own")
    assert done.stderr == ""
    packages = read_sessions(run)[0]["packages"]
    rows = list(zip(packages["package"], packages["version"]))
    assert rows == [("Some.Thing", "1.2"), ("scikit-other", "3.0rc1"), ("single", "0.5")]
    assert set(packages["library"]) == {str(site)}


def test_forks_do_not_record_and_one_process_records_once(run):
    code = START + "Run.get_context()\nimport os\nif os.fork() == 0: raise SystemExit\nos.wait()"
    assert python(run, code).stderr == ""
    assert len(read_sessions(run)) == 1


def test_a_folder_that_cannot_be_written_is_no_failure(run):
    Path(run.sessions).write_text("")
    done = python(run, START)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read_sessions(run)) == 1  # (a file that is in the way is set aside)
    shutil.rmtree(run.root)
    done = python(run, START)
    assert (done.returncode, done.stderr) == (0, "") and not os.path.exists(run.root)


def test_the_order_is_that_of_the_ends(run):
    record(run, "z", time=1.0, pid=1)
    record(run, "a", time=2.0, pid=2)
    assert [session["pid"] for session in read_sessions(run)] == [1, 2]
    assert read_sessions(run)[0]["packages"]["library"] == ["/lib"]


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 2},
        {"packages": None},
        {"time": "x"},
        {"packages": {"package": ["a"], "version": ["1"], "attached": [True], "library": [5]}},
        {"libraries": 3},
    ],
)
def test_what_is_no_such_record_is_left_out(run, fields):
    record(run, "bad", **fields)
    record(run, "good")
    assert len(read_sessions(run)) == 1


def test_links_fifos_and_nonsense_are_left_out(run, tmp_path):
    record(run, "good")
    os.symlink(run.session("good"), run.session("link"))
    os.mkfifo(run.session("fifo"))
    Path(run.session("text")).write_text("[" * 100_000)
    Path(run.sessions, ".tmp-1.json").write_text(Path(run.session("good")).read_text())
    assert len(read_sessions(run)) == 1


def test_no_more_than_a_hundred(run):
    for i in range(100):
        record(run, f"r-{i}")
    python(run, START)
    assert len(os.listdir(run.sessions)) == 100


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_an_r_job_that_fails(experiment, project, ended):
    (project / "train.R").write_text('library(stats4)\nf <- function() stop("bad")\nf()\n')
    details = ended(experiment.submit(ScriptRunConfig(str(project), entry_script="train.R", arguments=["é\"\\"])))
    assert details["status"] == "Failed" and details["error"]["message"] == "bad (exit status 1)"
    (session,) = details["provenance"]["sessions"]
    assert session["language"] == "r" and session["version"].startswith("R version ")
    at = session["packages"]["package"].index("stats4")
    assert session["packages"]["attached"][at] and session["packages"]["version"][at] in session["version"]
    assert session["command"][-1] == "é\"\\"
    assert details["provenance"]["diff"] is None
