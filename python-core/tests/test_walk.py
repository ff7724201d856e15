"""Every operation, on disks and hosts that refuse: a classed error that names path, cause and remedy, never `internal`.

The operations come from the signatures, so that a new one is walked without being named here.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest
from espalier.api.describe import describe

WALKER = Path(__file__).parent / "helpers" / "walk_operations.py"
# condition -> how the file system is mounted
CONDITIONS = {
    "full": "size=4m",
    "inodes": "size=8m,nr_inodes=400",
    "readonly": "size=4m",
    "closed": "size=4m",
    "unwritable": "size=4m",
    "absent": "size=4m",
    "processes": "size=4m",
}
# What the operations that write have to answer with, at least; and no others than these may fail for that reason.
WANTED = {
    "full": {"Experiment.submit": "workspace_read_only", "Snapshots.take": "workspace_read_only",
             "Run.set_tags": "workspace_read_only", "Run.download_file": "disk_full"},
    "inodes": {"Experiment.submit": "workspace_read_only", "Run.set_tags": "workspace_read_only",
               "Run.download_file": "disk_full", "Run.upload_file": "workspace_read_only"},
    "readonly": {"Experiment.submit": "workspace_read_only", "Run.set_tags": "workspace_read_only",
                 "Runs.list": "ok", "Run.get_metrics": "ok"},
    "closed": {"Runs.list": "not_permitted", "Runs.get": "not_permitted",
               "Workspace.write_config": "not_permitted", "Experiment.submit": "not_permitted"},
    "unwritable": {"Run.download_file": "not_permitted", "Workspace.write_config": "not_permitted",
                   "Run.set_tags": "workspace_read_only", "Runs.list": "ok"},
    "absent": {"Runs.list": "workspace_missing", "Run.set_tags": "run_missing"},
    "processes": {"Snapshots.take": "too_many_processes", "Runs.list": "ok"},
}  # fmt: skip


# What each error says whose cause is a full disk.
FULL = {
    "full": ("No space left on device (the disk is full).\nFree some space, or use another folder.",),
    "inodes": ("(the disk has room, but no file (inode) left).\nDelete files",),
}


def assert_no_defects(outcomes: Dict[str, str]) -> None:
    defects = {name: told for name, told in outcomes.items() if told.startswith("internal")}
    assert not defects, "\n".join(f"{name}: {told}" for name, told in defects.items())


def namespace() -> List[str]:
    """What gives a process file systems of its own, as root or not."""
    for command in (["unshare", "-m"], ["unshare", "-Urm"]):
        if shutil.which(command[0]) and not subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], stderr=subprocess.DEVNULL).returncode:
            return command
    pytest.skip("no file system can be mounted here, in no namespace")


def bound_by(condition: str) -> List[str]:
    """What makes root a user whom permissions, or limits on processes, bind."""
    if os.geteuid() != 0 or condition in ("full", "inodes", "readonly"):
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root is bound by no permissions, and there is no setpriv to give that up")
    if condition == "processes":
        return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_no_operation_answers_with_a_defect(condition: str, tmp_path: Path) -> None:
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    for folder in (disk, elsewhere):
        folder.mkdir()
        folder.chmod(0o777)
    prefix = bound_by(condition)
    if condition == "processes":
        if os.geteuid() != 0:
            pytest.skip("a limit on this user's processes would hit those that it has already")
        for folder in (tmp_path, *tmp_path.parents):
            if not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)
    mount = f'mount -t tmpfs -o {CONDITIONS[condition]} none "$0" && chmod 777 "$0" && exec "$@"'
    argv = [*namespace(), "sh", "-c", mount, str(disk), *prefix, sys.executable, str(WALKER), condition, str(disk), str(elsewhere)]
    source = str(Path(__file__).parents[1] / "src")
    done = subprocess.run(argv, capture_output=True, encoding="utf-8", timeout=120, env={**os.environ, "PYTHONPATH": source})
    if prefix and "Permission denied" in done.stderr and not done.stdout:
        pytest.skip("another user may not read this source folder, or not execute this Python")
    assert done.returncode == 0, done.stderr
    outcomes: Dict[str, str] = json.loads(done.stdout)
    assert_no_defects(outcomes)
    if condition in FULL:
        refused = [told for told in outcomes.values() if "No space left" in told or "is full" in told]
        assert refused and all(all(text in told for text in FULL[condition]) for told in refused), refused
    for name, code in WANTED[condition].items():
        assert outcomes[name].split(":")[0] == code, outcomes[name]
        assert code == "ok" or str(disk) in outcomes[name] or code in ("run_missing", "too_many_processes"), outcomes[name]


def test_an_argument_of_the_wrong_type_is_no_defect(tmp_path: Path) -> None:
    """A raw TypeError or AttributeError named the first place in our code that happened to use it."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    argv = [sys.executable, str(WALKER), "types", str(tmp_path / "disk"), str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, encoding="utf-8", timeout=300, env=env)
    assert done.returncode == 0, done.stderr
    outcomes: Dict[str, str] = json.loads(done.stdout)
    assert_no_defects(outcomes)
    methods = [(each["name"], method) for each in describe(undeclared=True)["classes"] for method in each["methods"]]
    for name, method in methods:
        if method["name"].startswith(("log", "flush")):  # (they take anything)
            continue
        for param in method["params"]:
            told = outcomes[f"{name}.{method['name']}({param['name']})0"]
            names_it = told.startswith(f"bad_argument: `{param['name']}` must be ") and told.endswith(", not an object.")
            assert names_it or param["type"]["type"] == "json", f"{name}.{method['name']}: {told}"


def test_the_walk_is_of_all_operations() -> None:
    described = {f"{each['name']}.{method['name']}" for each in describe(undeclared=True)["classes"] for method in each["methods"]}
    left_out = {name for name in described if f'"{name}"' in WALKER.read_text("utf-8")} - {"Workspace.delete"}
    assert len(left_out) == 9 and all(name.split(".")[0] in ("Environment", "Environments", "Host", "Images") for name in left_out)
