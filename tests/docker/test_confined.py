"""Jobs in containers that try to reach what they were not given, with a real engine. Each of these attacks once worked,
or is a variant of one that did."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.environment.definition import Environment
from job_runs import log_of, wait

# Asks for something as a job does, and prints the id of the child, or the error.
ASK = """
import json, os, sys, time
from espalier import Run
run = Run.get_context()
def ask(**config):
    try:
        return run.submit_child(config)
    except Exception as error:
        print("refused:", getattr(error, "code", type(error).__name__), str(error).splitlines()[0], flush=True)
"""


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the user's that no job was given."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o755)
    (folder / "secret").write_text("the-canary-of-the-victim")
    return folder


@pytest.fixture
def submit(workspace: Callable[..., Workspace], base_image: str, tmp_path: Path) -> Callable[..., Run]:
    """Submits a Python script in a container of the base image that has no network."""
    experiment = Experiment(workspace(), "exp")
    environment = {"name": "base", "docker": {"base_image": base_image}}
    (tmp_path / "project").mkdir()

    def submitted(script: str, **fields: Any) -> Run:
        (tmp_path / "project" / "job.py").write_text(script)
        config = {"environment": environment, "docker": {"network": "none"}, **fields}
        return experiment.submit(
            ScriptRunConfig(source_directory=str(tmp_path / "project"), entry_script="job.py", **config)
        )

    return submitted


def done(run: Run) -> str:
    """The log of a run that ends well."""
    details = wait(run)
    assert details["status"] == "Completed", (details["error"], log_of(run))
    return log_of(run)


def test_a_child_is_in_its_parents_container(submit: Callable[..., Run], victim: Path) -> None:
    script = f"""{ASK}
child = ask(command=["/bin/sh", "-c", "test ! -e {victim} && test ! -S /var/run/docker.sock && ls /sys/class/net && hostname"])
child.wait_for_completion(show_output=False)
print("state", child.get_status(), flush=True)
"""
    run = submit(script)
    assert "state Completed" in done(run)
    (child,) = run.get_children()
    spec = child.get_details()["runDefinition"]
    assert (spec["target"], spec["docker"]["network"]) == ("docker", "none")
    assert spec["environment"]["name"] == "base"
    assert log_of(child).split("\n")[0] == "lo"


def test_a_job_follows_its_children(submit: Callable[..., Run]) -> None:
    """Status, log, metrics, tags and outputs of a child, as it runs and when it has ended; a child of the child too."""
    inner = f"""{ASK}
run.log("auc", 0.5)
open("outputs/model", "w").write("m")
print("said", flush=True)
if len(sys.argv) > 1:
    below = ask(source_directory=".", entry_script="inner.py")
    below.wait_for_completion(show_output=False)
"""
    script = f"""{ASK}
open("inner.py", "w").write({inner!r})
child = run.submit_child(dict(source_directory=".", entry_script="inner.py", arguments=["deeper"]), tags={{"a": "b"}})
child.wait_for_completion(show_output=False)
print("log", *child.get_log())
print("state", child.get_status(), child.get_metrics(), child.get_tags(), child.get_file_names())
(below,) = child.get_children()
print("below", below.get_status(), below.get_metrics(), [each.id for each in run.get_children(recursive=True)] == [child.id, below.id])
child.download_file("outputs/model", "copy")
print("model", open("copy").read(), flush=True)
"""
    run = submit(script)
    said = done(run)
    assert "log said" in said
    assert "state Completed {'auc': 0.5} {'a': 'b'}" in said and "outputs/model" in said
    assert "below Completed {'auc': 0.5} True" in said and "model m" in said


def test_children_that_a_job_records_by_hand(submit: Callable[..., Run]) -> None:
    script = f"""{ASK}
first, second = run.create_children(tag_key="fold", tag_values=["a", "b"])
first.log("rmse", 1.5)
second.log("rmse", 2.5)
second.log_table("t", {{"x": list(range(3000))}})
first.complete()
print("first", first.get_status(), flush=True)
"""
    run = submit(script)
    assert "first Completed" in done(run)
    first, second = run.get_children()
    assert (first.get_metrics(), first.get_status()) == ({"rmse": 1.5}, "Completed")
    assert second.get_metrics()["rmse"] == 2.5 and second.get_status() == "Completed"


def test_what_a_job_sees_of_the_workspace(submit: Callable[..., Run], workspace: Callable[..., Workspace]) -> None:
    """Its own run and those below it; no variables, no other run, nothing of the record to write to."""
    other = submit("print('other')", environment_variables={"TOKEN": "canary-of-another"})
    done(other)
    script = f"""{ASK}
runs = os.path.join(os.environ["ESPALIER_WORKSPACE"], "runs")
print("runs", sorted(name for _, names, _ in os.walk(runs) for name in names if name.startswith("exp_")) == [run.id])
def tried(name, act):
    try:
        act()
        print("worked", name, flush=True)
    except OSError as error:
        print("not", name, error.strerror, flush=True)
here = os.environ["ESPALIER_RUN_DIR"]
for name in ("spec.json", "status.json", "meta.json", "env.json", "user_logs/std_log.txt", ".job/container.json", "children/x", "new"):
    tried(name, lambda: open(os.path.join(here, name), "a"))
for name in ("outputs", "requests", "events", "user_logs", "spec.json"):
    tried("rename " + name, lambda: os.rename(os.path.join(here, name), os.path.join(here, name + "-old")))
tried("env", lambda: open(os.path.join(here, "env.json")).read())
tried("git index", lambda: open(os.path.join(here, ".job/git-index")).read())
for name in ("outputs", "requests", "events", "parts", "payloads", "logs", "uploads", "sessions"):
    open(os.path.join(here, name, ".probe"), "w").close()
    os.unlink(os.path.join(here, name, ".probe"))
"""
    run = submit(script, environment_variables={"TOKEN": "canary-of-its-own"})
    said = done(run)
    assert "runs True" in said
    assert "worked" not in said, said
    assert said.count("not ") == 15


def test_another_attempt_executes_what_was_submitted(submit: Callable[..., Run], victim: Path) -> None:
    """The first attempt rewrites whatever it can reach; the second is the same, in its container."""
    script = f"""{ASK}
import shutil
here = os.environ["ESPALIER_RUN_DIR"]
evil = dict(format=1, docker=None, environment=None, type="command", snapshot=None, command=["/bin/sh", "-c", "touch {victim}/reached"])
for name in ("spec.json", "env.json", "status.json"):
    for way in (name, "../" + run.id + "/" + name):
        try:
            json.dump(dict(evil, core_python="/bin/false"), open(os.path.join(here, way), "w"))
        except OSError:
            pass
for path in ("user_logs/std_log.txt", "outputs", "events"):
    try:
        os.rename(os.path.join(here, path), os.path.join(here, "moved"))
    except OSError:
        pass
    try:
        os.symlink("{victim}/bashrc", os.path.join(here, path))
    except OSError:
        pass
os.path.lexists("outputs/link") or os.symlink("{victim}", "outputs/link")
shutil.rmtree(os.path.join(here, "requests"), ignore_errors=True)
print("attempt in", os.path.exists("{victim}"), flush=True)
sys.exit(1)
"""
    run = submit(script, retry=2)
    details = wait(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "job_failed"), details["error"]
    assert log_of(run).count("attempt in False") == 2
    assert sorted(os.listdir(victim)) == ["secret"]


CHILDREN: List[Tuple[str, str]] = [
    ("docker=False", "in its container"),
    ("docker=None", "in its container"),
    ("docker=dict(network='none')", "in its container"),
    ("docker=dict(network='host')", "bad_argument"),
    ("docker=dict(network='bridge')", "bad_argument"),
    ("docker=dict(network='none', mounts=['/'])", "bad_argument"),
    ("docker=dict(network='none', mounts={'/': '/host'})", "bad_argument"),
    ("docker=dict(network='none', mounts=[VICTIM])", "bad_argument"),
    ("docker=dict(network='none', mounts=['/var/run/docker.sock'])", "bad_argument"),
    ("docker=dict(network='none', user='12345')", "bad_argument"),
    ("docker=dict(network='none', privileged=True)", "bad_argument"),
    ("compute_target='local'", "in its container"),
    ("environment=dict(docker=dict(base_image='espalier-test-base:bookworm'), name='own')", "environment_missing"),
    ("environment=dict(name='base', docker=dict(dockerfile='FROM scratch'))", "environment_"),
    ("environment=dict(name='with-token')", "bad_argument"),
    ("environment=dict(name='base')", "in its container"),
    ("secrets=['other']", "secret_missing"),
    ("inputs=dict(data=VICTIM + '/secret')", "bad_argument"),
    ("inputs=dict(data='/etc/shadow')", "bad_argument"),
    ("inputs=dict(data=os.getcwd() + '/link')", "bad_argument"),
    ("inputs=dict(data=os.getcwd() + '/folder/secret')", "bad_argument"),
    ("inputs=dict(data=os.getcwd() + '/../../../victim/secret')", "bad_argument"),
    ("inputs=dict(data=os.getcwd() + '/linked')", "bad_argument"),
    ("inputs=dict(data=os.getcwd() + '/plain')", "in its container"),
    ("inputs=dict(data=os.environ['ESPALIER_INPUT_GIVEN'])", "in its container"),
    ("source_directory=VICTIM", "bad_argument"),
    ("source_directory=os.getcwd() + '/folder'", "source_missing"),
    ("source_directory=os.getcwd() + '/linked'", "source_unreadable"),
    ("source_directory=os.getcwd() + '/linked', outside_links='copy'", "source_unreadable"),
    ("source_directory='/etc'", "bad_argument"),
]


def test_a_child_gets_no_more_than_its_parent(submit: Callable[..., Run], workspace: Callable[..., Workspace], base_image: str, victim: Path) -> None:
    ws, given = workspace(), victim.parent / "given"
    given.write_text("given")
    ws.environments.register(Environment.from_mapping({"name": "with-token", "docker": {"base_image": base_image}, "variables": {"A_TOKEN": "t"}}))
    ws.get_default_keyvault().set_secret("other", "secret-of-another")
    ws.get_default_keyvault().set_secret("own", "secret-of-its-own")
    look = "; ".join([
        "test ! -e VICTIM", "test ! -S /var/run/docker.sock", "test -e /.dockerenv", "test $(ls /sys/class/net) = lo",
        "! grep -rq the-canary . $ESPALIER_INPUT_DATA /dev/null",
    ]).replace("; ", " && ").replace("VICTIM", str(victim))
    script = f"""{ASK}
VICTIM = {str(victim)!r}
os.symlink(VICTIM, "folder")
os.symlink(VICTIM + "/secret", "link")
os.mkdir("linked")
os.mkdir("plain")
open("plain/file", "w").write("a")
os.symlink(VICTIM + "/secret", "linked/secret")
for text in {[config for config, _ in CHILDREN]!r}:
    child = ask(command={look!r}, **eval("dict(" + text + ")"))
    if child is not None:
        child.wait_for_completion(show_output=False, raise_on_error=False)
        print("child", child.get_status(), flush=True)
"""
    run = submit(script, secrets=["own"], inputs={"given": str(given)}, max_run_duration_seconds=300)
    lines = [line for line in done(run).splitlines() if line.startswith(("child", "refused"))]
    assert len(lines) == len(CHILDREN), lines
    wrong = []
    for (config, expected), line in zip(CHILDREN, lines):
        fits = line == "child Completed" if " " in expected else line.startswith(f"refused: {expected}")
        wrong += [] if fits else [f"{config}: {line}, not {expected}"]
    assert wrong == []
    assert sorted(os.listdir(victim)) == ["secret"]


def test_a_child_of_a_child_is_as_confined(submit: Callable[..., Run], victim: Path) -> None:
    """Also with variables by which its own child's host processes would be led elsewhere."""
    inner = f"""{ASK}
os.makedirs("bin", exist_ok=True)
for name in ("git", "docker", "uv", "python3", "sh"):
    open("bin/" + name, "w").write("#!/bin/sh\\ntouch {victim}/reached\\n")
    os.chmod("bin/" + name, 0o755)
below = ask(command="test ! -e {victim} && test -e /.dockerenv && echo in-container", docker=False)
below.wait_for_completion(show_output=False)
print(*below.get_log())
"""
    script = f"""{ASK}
open("inner.py", "w").write({inner!r})
variables = dict(DOCKER_HOST="tcp://127.0.0.1:1", ESPALIER_CACHE_DIR="{victim}", ESPALIER_STATE_DIR="{victim}", PATH=os.getcwd() + "/bin:" + os.environ["PATH"], ESPALIER_PYTHON=os.getcwd() + "/bin/python3")
child = ask(source_directory=".", entry_script="inner.py", environment_variables=variables)
child.wait_for_completion(show_output=False, raise_on_error=False)
print("child", child.get_status(), *child.get_log(), flush=True)
"""
    run = submit(script)
    assert "child Completed in-container" in done(run)
    assert sorted(os.listdir(victim)) == ["secret"]


def test_a_run_that_a_job_forges_is_not_executed(submit: Callable[..., Run], victim: Path) -> None:
    """A mark of a job that waits named a folder in its outputs, and the queue put right the run that lay there."""
    script = f"""{ASK}
from espalier.adapters import posix
here = os.environ["ESPALIER_RUN_DIR"]
spec = json.load(open(os.path.join(here, "spec.json")))
forged = os.path.join(here, "outputs", "runs", "00", "exp_1_00000000")
os.makedirs(forged)
evil = dict(spec, id="exp_1_00000000", docker=None, environment=None, snapshot=None, type="command", target="local", command=["/bin/sh", "-c", "touch {victim}/reached"])
json.dump(evil, open(forged + "/spec.json", "w"))
json.dump(dict(format=1, state="Queued", attempt=1), open(forged + "/status.json", "w"))
json.dump(dict(format=1, variables={{}}, links={{}}), open(forged + "/env.json", "w"))
mark = dict(format=1, pid=os.getpid(), start=posix.process_start(os.getpid()), folders=[forged])
json.dump(mark, open(os.path.join(here, "requests", "waiting-py-%d-00000000.json" % os.getpid()), "w"))
time.sleep(5)
"""
    done(submit(script))
    assert sorted(os.listdir(victim)) == ["secret"]


def test_what_git_would_execute_is_not_in_a_childs_source(submit: Callable[..., Run], victim: Path) -> None:
    script = f"""{ASK}
import subprocess
os.makedirs("sub/.git/objects"); os.makedirs("sub/.git/refs")
open("sub/.git/HEAD", "w").write("ref: refs/heads/main\\n")
open("sub/.git/config", "w").write('[core]\\nrepositoryformatversion = 0\\nfsmonitor = "touch {victim}/reached"\\n')
open("sub/run.sh", "w").write("echo ran\\n")
child = ask(source_directory="sub", entry_script="run.sh")
child.wait_for_completion(show_output=False)
print(child.get_status(), flush=True)
"""
    assert "Completed" in done(submit(script))
    assert sorted(os.listdir(victim)) == ["secret"]


def test_what_a_job_uploads_and_tags(submit: Callable[..., Run]) -> None:
    """Its folders are mounts of their own, and it can't write beside its run."""
    script = f"""{ASK}
open("a", "w").write("first")
run.upload_files(["outputs/deep/a", "note"], ["a", "a"])
run.set_tags({{"stage": "prod"}})
print("tags", run.get_tags())
"""
    run = submit(script)
    done(run)
    assert {"outputs/deep/a", "note"} <= set(run.get_file_names()) and run.get_tags() == {"stage": "prod"}
    assert not [name for name in run.get_file_names() if ".tmp-" in name]


def test_no_other_account_gets_the_users_rights_by_what_a_job_writes(submit: Callable[..., Run], tmp_path: Path) -> None:
    """A file that is executed with its owner's rights, wherever a job can leave one; the deepest beyond a path's length."""
    script = f"""{ASK}
child = run.create_children(count=1)[0]
child.log("x", 1)
run.log("x", 1)
here = os.environ["ESPALIER_RUN_DIR"]
places = [here + "/" + name for name in ("outputs", "logs", "uploads", "events", "payloads", "requests", "sessions")]
places += [".", "outputs", "sub", here + "/recorded/" + child.id + "/events", os.path.join(here, "outputs", "hidden")]
for place in places:
    os.makedirs(place, exist_ok=True)
    for mode, name in ((0o4755, "user.py"), (0o2755, "group.py"), (0o6711, ".both.jsonl")):
        open(place + "/" + name, "w").close()
        os.chmod(place + "/" + name, mode)
os.chmod(here + "/outputs/hidden", 0o001)
os.chdir("outputs")
for level in range(600):
    os.mkdir("d" * 20)
    os.chdir("d" * 20)
open("deep", "w").close()
os.chmod("deep", 0o4755)
child.complete()
print("made", flush=True)
time.sleep(3)
"""
    run = submit(script)
    until = time.monotonic() + 60
    while "made" not in log_of(run):
        assert time.monotonic() < until
        time.sleep(0.05)
    (child,) = run.get_children()
    assert [os.stat(each.run_dir).st_mode & 0o777 for each in (run, child)] == [0o700, 0o700]
    done(run)
    assert [os.stat(each.run_dir).st_mode & 0o777 for each in (run, child)] == [0o755, 0o755]
    found = subprocess.run(["find", run.run_dir, child.run_dir, "-perm", "/6000", "-type", "f"], stdout=subprocess.PIPE, check=True)
    assert found.stdout.decode() == ""
    assert os.path.exists(os.path.join(run.run_dir, "workdir", "sub", "user.py"))
    deep = subprocess.run(["find", run.run_dir, "-name", "deep"], stdout=subprocess.PIPE, check=True)
    assert deep.stdout
