"""Call every operation of the described API, with arguments made from its signature, on a disk in some condition.

`python walk_operations.py CONDITION DISK ELSEWHERE`, where DISK is a folder that may be filled, remounted or closed.
In the condition `types` nothing is done to the disk: each argument in turn is of each wrong type.
Prints a JSON object: operation -> what it raised (`ok` for nothing, `internal: ...` for what is no EspalierError).
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from typing import Any, Callable, Dict, Iterator

CONDITION, DISK, ELSEWHERE = sys.argv[1:4]
HOME = os.path.join(DISK, "home")
os.makedirs(HOME)
os.environ.update(ESPALIER_STATE_DIR=os.path.join(HOME, "state"), ESPALIER_CACHE_DIR=os.path.join(HOME, "cache"))
os.environ["HOME"] = ELSEWHERE
os.environ["PATH"] += ":/sbin:/usr/sbin"

from espalier import Environment, EspalierError, Experiment, Keyvault, Run, ScriptRunConfig, Workspace, wait_for  # noqa: E402
from espalier.api.catalog import facade  # noqa: E402
from espalier.api.describe import describe  # noqa: E402
from espalier.base.config import Session  # noqa: E402
from espalier.base.docker_options import DockerOptions  # noqa: E402

# They speak to engines, registries and timers of the machine, which a test leaves alone.
LEFT_OUT = {
    "Host.keeper_install", "Host.keeper_uninstall", "Images.build", "Environments.lock", "Images.list", "Images.prune",
    "Images.get", "Images.build_log",
    "Environment.from_existing_conda_environment",
}  # fmt: skip
# What no argument is for. The first fits nothing but what takes anything.
WRONG = [object(), 3, 2.5, True, None, "x", b"x", [], [5], [object()], {}, {"a": object()}, {5: "a"}, {"x"}, len]
# At the end, for nothing works after it.
LAST = ("Workspace.delete",)


class Prepared:
    """A workspace with a bit of everything, made while the disk is well."""

    def __init__(self) -> None:
        self.workspace = Workspace.create("ws", HOME)
        self.experiment = Experiment(self.workspace, "exp")
        self.folder = os.path.join(HOME, "project")
        os.mkdir(self.folder)
        for name, text in {"train.py": "print(1)\n", "big.txt": "x" * 300_000, "e.yml": "name: e\n"}.items():
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.file = os.path.join(self.folder, "train.py")
        self.environment = Environment.from_mapping({"name": "env", "variables": {"A": "b"}})
        self.workspace.environments.register(self.environment)
        self.vault = Keyvault(self.workspace.path)
        with contextlib.suppress(EspalierError):  # (where the package for ciphers is not installed)
            self.vault.set_secret("token", "abcdef")
        self.snapshot = self.workspace.snapshots.take(self.folder)
        self.run = self.experiment.submit(ScriptRunConfig(command="echo hello; echo x > outputs/x"))
        self.run.wait_for_completion()
        self.open = self.experiment.start_logging()
        if CONDITION == "readonly":  # (what is open for writing keeps a disk from that)
            self.open.complete()
        else:
            self.open.log("loss", 1.0)
        # something new, so that the store has to be written
        with open(os.path.join(self.folder, "new.bin"), "wb") as data:
            data.write(os.urandom(200_000))

    def owner(self, name: str, member: str) -> Any:
        if name == "Run":
            changing = member in ("complete", "fail") or member.startswith("log")
            return self.open if changing else self.run
        known = {"Workspace": self.workspace, "Experiment": self.experiment, "Environment": self.environment}
        return known.get(name) or facade(name)._from_identity(self.workspace._identity())

    def argument(self, param: Dict[str, Any], member: str, of: str = "") -> Any:
        """A value that fits a parameter, by its name where that says what it is, else by its type."""
        name = param["name"]
        target = os.path.join(HOME, "target-" + os.urandom(4).hex())
        writes = member.split("_")[0] in ("download", "save", "write", "create", "open")
        known: Dict[str, Any] = {
            "run_id": self.run.id, "run_ids": [self.run.id], "environment": self.environment, "other": self.environment,
            "snapshot_id": self.snapshot.id if hasattr(self.snapshot, "id") else str(self.snapshot),
            "snapshot": self.run.id, "directory": self.folder, "folder": self.folder, "a": self.folder, "b": self.folder,
            "outside_links": "refuse", "target": target, "config": {"source_directory": self.folder, "entry_script": "train.py"},
            "path": target if writes else self.file, "path_or_stream": self.file, "paths": [self.file],
            "names": ["outputs/" + os.urandom(3).hex()] if member == "upload_files" else ["token"],
            "output_directory": target, "output_file_path": target, "snapshot_directory": self.folder,
            "outputs": self.folder, "dockerfile": "FROM scratch\n", "text": "name: e\n", "values": {"name": "e2"},
            "tags": {"a": "b"}, "secrets": {"token": "ghijkl"}, "value": [1.0, 2.0] if member == "log_list" else 1.0,
            "r_version": "4.2.2", "packages": [], "image": "debian:12", "address": "registry.invalid:5000",
            "kwargs": {}, "count": 1, "prefix": "outputs/", "wait_seconds": 0.0, "delete": True,
        }  # fmt: skip
        if member == "download_file" and name == "name":
            return "outputs/x"
        if (of, name) == ("Environments", "name"):
            return "env"
        if name == "name" and member in ("open", "create", "get"):
            return "ws" if member == "get" else "other"
        if name == "path" and member in ("open", "create", "get", "list"):
            return HOME
        if name == "path" and member == "upload_folder":
            return self.folder
        if member == "set_secret":
            return "ghijkl"
        if member == "log_table" and name == "value":
            return {"a": [1, 2]}
        if name in known:
            return known[name]
        return by_type(param["type"], target)


def by_type(of: Dict[str, Any], target: str) -> Any:
    """A value of a type: what a new operation gets."""
    kind = of["type"]
    simple = {"str": "name", "int": 1, "index": 1, "float": 1.0, "bool": False, "none": None, "optional": None, "json": None}
    if kind in simple:
        return simple[kind]
    return {"list": [], "mapping": {}, "literal": (of.get("choices") or [None])[0]}.get(kind)


def operations(prepared: Prepared) -> Iterator["tuple[str, Callable[[], Any]]"]:
    """All properties and methods of the façades."""
    for described in describe(undeclared=True)["classes"]:
        cls = facade(described["name"])
        for prop in described["properties"]:
            owner = prepared.owner(cls.__name__, prop["name"])
            yield f"{cls.__name__}.{prop['name']}", lambda owner=owner, name=prop["name"]: getattr(owner, name)
        for method in described["methods"]:
            name = method["name"]
            # (what is optional is given too where it says where to read or write)
            given = {
                param["name"]: prepared.argument(param, name, described["name"])
                for param in method["params"]
                if param["required"] or "path" in param["name"] or "director" in param["name"] or param["name"] in ("count", "outputs", "delete")
            }
            given.pop("output_paths", None)
            owner = cls if method["kind"] == "classmethod" else prepared.owner(cls.__name__, name)
            if name.startswith("log_row"):
                given.pop("kwargs", None)
                given["a"] = 1
            yield f"{cls.__name__}.{name}", lambda owner=owner, name=name, given=given: getattr(owner, name)(**given)


def wrong_calls(prepared: Prepared) -> Iterator["tuple[str, Callable[[], Any]]"]:
    """All operations and constructors, with each argument in turn of each wrong type; the key ends with its number."""
    for described in describe(undeclared=True)["classes"]:
        cls = facade(described["name"])
        for method in described["methods"]:
            symbol = f"{cls.__name__}.{method['name']}"
            owner = cls if method["kind"] == "classmethod" else prepared.owner(cls.__name__, method["name"])
            params = [param for param in method["params"] if param["kind"] != "var_keyword"]
            right = {param["name"]: prepared.argument(param, method["name"], described["name"]) for param in params if param["required"]}
            for param in params:
                anything = symbol in LEFT_OUT and param["type"]["type"] != "json"  # (what is of its type would be done)
                for number, value in enumerate(WRONG[:1] if anything else WRONG):
                    given = {**right, param["name"]: value}
                    call = lambda owner=owner, name=method["name"], given=given: getattr(owner, name)(**given)  # noqa: E731
                    yield f"{symbol}({param['name']}){number}", call
    for made, right in CONSTRUCTORS.items():
        for name in made.__init__.__annotations__:
            for number, value in enumerate(WRONG if name != "return" else []):
                given = {**{key: getattr(prepared, key, text) for key, text in right.items()}, name: value}
                yield f"{made.__name__}({name}){number}", lambda made=made, given=given: made(**given)
    for name in ("runs", "any", "timeout"):
        for number, value in enumerate(WRONG):
            given = {"runs": [prepared.run], name: value}
            yield f"wait_for({name}){number}", lambda given=given: wait_for(**given)


# Class -> what its constructor needs, beside the argument that is wrong.
CONSTRUCTORS: Dict[Any, Dict[str, Any]] = {
    Workspace: {}, Experiment: {"workspace": None, "name": "exp"}, Run: {"workspace_path": HOME, "run_id": "e_1_00000000"},
    Environment: {"name": "env"}, Keyvault: {}, ScriptRunConfig: {"command": "true"}, DockerOptions: {}, Session: {},
}  # fmt: skip


def spoil() -> None:
    """Bring the disk into its condition."""
    if CONDITION == "full":
        with contextlib.suppress(OSError), open(os.path.join(DISK, "ballast"), "ab", buffering=0) as file:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)
    elif CONDITION == "inodes":
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                open(os.path.join(DISK, "f" + os.urandom(8).hex()), "wb").close()
    elif CONDITION == "readonly" and os.access(HOME, os.W_OK):
        while subprocess.run(["mount", "-o", "remount,ro", DISK], stderr=subprocess.DEVNULL).returncode:
            time.sleep(0.02)  # (the runner that has just ended has files open)
    elif CONDITION == "closed":
        os.chmod(HOME, 0)
    elif CONDITION == "unwritable" and os.access(HOME, os.W_OK):
        for folder, _, _ in os.walk(HOME, topdown=False):
            os.chmod(folder, 0o555)
    elif CONDITION == "absent" and os.path.exists(os.path.join(HOME, "ws")):
        os.rename(HOME, HOME + "-gone")
    elif CONDITION == "processes":
        import resource

        resource.setrlimit(resource.RLIMIT_NPROC, (0, resource.getrlimit(resource.RLIMIT_NPROC)[1]))


def outcome(call: Callable[[], Any]) -> str:
    spoil()  # (again: what an operation frees is filled)
    try:
        call()
        return "ok"
    except EspalierError as error:
        return f"{error.code}: {error}"
    except Exception:
        return "internal: " + traceback.format_exc()


def main() -> None:
    os.chdir(tempfile.mkdtemp(dir=ELSEWHERE))
    warnings.simplefilter("ignore")
    prepared = Prepared()
    if CONDITION == "types":
        with contextlib.redirect_stdout(sys.stderr):
            told = {name: outcome(call) for name, call in wrong_calls(prepared)}
        print(json.dumps(told))
        return
    calls = [(name, call) for name, call in operations(prepared) if name not in LEFT_OUT]
    calls.sort(key=lambda pair: pair[0] in LAST)
    results: Dict[str, str] = {name: outcome(call) for name, call in calls}
    if CONDITION == "closed":
        os.chmod(HOME, 0o700)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
