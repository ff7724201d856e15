"""The layers of the design, read from the imports: a module imports only downwards."""

import ast
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Set, Tuple

import espalier
import pytest
from espalier.rooms import ROOMS

SOURCE = Path(espalier.__file__).parent
# What is imported inside functions, and why: it takes time to load, and not everybody who loads the file has to wait for
# it. Others are cycles in disguise: lift what both need into a file of its own.
LATE = {
    "a session, or a job that logs, loads next to nothing": (
        "", "api.interactive", "api.run", "base.config", "base.python_words", "executors.registry", "jobs.children",
        "vault.store", "workspace.handle",
    ),
    "environments: the parser of YAML, and Docker's part": (
        "environment.context", "environment.definition", "environment.definition_files",
        "environment.key", "environment.registered", "environment.text",
        "provision.docker.chain", "provision.docker.prune",
        "provision.docker.registries", "provision.docker.wanted",
        "provision.local.ensure", "provision.packages.lock", "provision.packages.pyenv",
        "provision.packages.resolve", "snapshot.compare",
    ),
    "an executor loads the part of it that is needed": (
        "executors.code", "executors.docker.check", "executors.docker.container", "executors.docker.launch",
        "executors.docker.look", "executors.docker.meter", "executors.docker.mounts",
        "executors.foreign", "executors.local.private",
    ),
    "secrets, inputs, outputs and snapshots: of jobs that have them": (
        "adapters.docker_errors", "base.accel", "lifecycle.inputs", "lifecycle.set_ids", "lifecycle.view",
        "runner.fetch", "runner.inputs", "runner.project", "runner.secrets", "runner.workdir", "snapshot.hold",
        "tracking.run_outputs", "vault.channel",
    ),
    "a runner starts its job first": (
        "adapters.oom", "adapters.private", "lifecycle.ask", "lifecycle.collect", "queue.step", "runner.after",
    ),
    "most steps of the queue end no run, and most hosts have one run that waits for others": (
        "lifecycle.waiting", "queue.ends",
    ),
    "most jobs end well and soon, change nothing beside their outputs, ask for nothing, and have no children": (
        "adapters.copying", "lifecycle.brought", "lifecycle.comparison", "lifecycle.recorded", "lifecycle.strays", "lifecycle.verdict",
        "runner.asked", "runner.children", "snapshot.mentions", "store.packs", "store.trees",
    ),
    "a command line starts in milliseconds": (
        "api.environments", "api.wait_many", "cli.app", "cli.carry_out", "cli.downloads", "cli.table",
        "cli.views", "cli.words", "queue.control", "store.index.grammar", "tracking.artifacts", "tracking.run_rows",
    ),
}
JOB_SIDE = "from espalier import Run; run = Run.get_context(); run.log('a', 1.5); run.log_list('b', [1, 2])"


@functools.lru_cache(maxsize=None)
def modules() -> Dict[str, Path]:
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(p for p in parts if p != "__init__")] = path
    return found


@functools.lru_cache(maxsize=None)
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path, everywhere: bool = True) -> Iterator[str]:
    """Names of the core's modules that a file imports, also inside functions."""
    tree = parsed(path)
    yield from imported(ast.walk(tree) if everywhere else tree.body, path)


def imported(nodes: Iterable[ast.AST], path: Path) -> Iterator[str]:
    """Names of the core's modules that some statements of a file import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (a.name.partition(".")[2] for a in node.names if a.name.split(".")[0] == "espalier")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module.split(".")[0] == "espalier":
                inner = module.partition(".")[2]
                for alias in node.names:
                    name = f"{inner}.{alias.name}".strip(".")
                    yield name if name in modules() else inner


def room(module: str) -> str:
    return module.split(".")[0]


@functools.lru_cache(maxsize=None)
def edges() -> List[Tuple[str, str]]:
    # __init__ resolves names lazily and belongs to no layer
    return [(name, used) for name, path in modules().items() if name for used in imports(path) if used]


def test_every_module_has_a_room() -> None:
    assert {room(name) for name in modules() if name} - {"rooms", "__main__"} == set(ROOMS)


def test_every_room_says_what_it_is() -> None:
    for name in ROOMS:
        page = (SOURCE / name / "README.md").read_text("utf-8").splitlines()
        assert page[0] == f"# {name}" and len(page) <= 15, name


def test_imports_go_downwards() -> None:
    height = {"rooms": 0, "__main__": len(ROOMS), **{name: at for at, name in enumerate(ROOMS)}}
    assert [f"{user} imports {used}" for user, used in edges() if height[room(used)] > height[room(user)]] == []


def test_runner_is_imported_by_nobody() -> None:
    """Except for the writing out of a snapshot, which people do too."""
    used = [edge for edge in edges() if room(edge[1]) == "runner" and room(edge[0]) != "runner"]
    assert used == [("api.stored_snapshots", "runner.workdir")]


def test_pytest_is_needed_by_the_shipped_tests_alone() -> None:
    for name, path in modules().items():
        assert room(name) == "testing" or "import pytest" not in path.read_text("utf-8"), name


def test_a_target_is_known_to_its_executor_the_registry_and_the_config_alone() -> None:
    """All others go by what executors can do."""
    users = {user for user, used in edges() if used.startswith(("executors.docker", "executors.local"))}
    assert {user for user in users if not user.startswith("executors.")} == set()
    found = set()
    for name, path in modules().items():
        texts = [node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)]
        fields = [node.attr for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)]
        if "docker" in texts and room(name) in ("lifecycle", "queue", "keeper", "runner", "executors", "jobs"):
            found.add(name)
        assert "docker" not in fields or room(name) not in ("queue", "keeper", "runner", "jobs"), name
    found.remove("jobs.environment")  # (a package that Python loads)
    assert found == {"executors.registry", "executors.docker", "executors.docker.check"}


def test_no_module_needs_itself() -> None:
    """Imports at module level form no circle."""
    graph = {name: set(imports(path, everywhere=False)) - {""} for name, path in modules().items() if name}
    done: Set[str] = set()
    while len(done) < len(graph):
        free = {name for name, used in graph.items() if name not in done and used & set(graph) <= done}
        assert free, f"a circle among {sorted(set(graph) - done)}"
        done |= free


def test_imports_inside_functions_are_on_the_list() -> None:
    """A new one has a reason, or goes to the top of its file."""
    used = set()
    for name, path in modules().items():
        for function in ast.walk(parsed(path)):
            if name and isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                used |= set(imported(ast.walk(function), path))
    assert sorted(used) == sorted(late for modules in LATE.values() for late in modules)


def python_3_8() -> str:
    found = sorted(Path.home().glob(".pyenv/versions/3.8*/bin/python"))
    return str(found[-1]) if found else ""


@pytest.mark.parametrize("python", [sys.executable, python_3_8()], ids=["this Python", "Python 3.8"])
@pytest.mark.parametrize("program", ["runner", "requests", "job"])
def test_job_side_needs_the_standard_library_alone(python: str, program: str, tmp_path: Path) -> None:
    if not python:
        pytest.skip("no Python 3.8 below ~/.pyenv")
    # (the images of children in containers are known already: their parents' are theirs)
    requests = ["api.requests", "jobs.confined", "jobs.environment", "provision.docker.wanted"]
    closure = requests if program == "requests" else ["runner.serve", "runner.workdir", "runner.watch", "runner.secrets", "runner.reconcile", "executors.docker.launch", "executors.docker.look", "executors.local.private", "executors.foreign", "runner.after", "queue.step", "queue.ends", "lifecycle.end", "lifecycle.verdict", "snapshot.mentions"]
    code = JOB_SIDE if program == "job" else "".join(f"import espalier.{name}\n" for name in closure)
    start = f"import sys; sys.path.append({str(SOURCE.parent)!r})\n"
    run_dir = tmp_path / "ws" / "runs" / "ab" / "e_1_abcdef01"
    run_dir.mkdir(parents=True)
    env = {"ESPALIER_WORKSPACE": str(tmp_path / "ws"), "ESPALIER_RUN_ID": run_dir.name, "HOME": str(tmp_path)}
    argv = [python, "-I", "-S", "-B", "-c", start + code]
    done = subprocess.run(argv, env={**env, "PATH": os.defpath}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    if program == "job":
        (log,) = (run_dir / "events").iterdir()
        assert len(log.read_text().splitlines()) == 3


def test_a_local_job_loads_nothing_of_containers() -> None:
    code = (
        f"import sys; sys.path.append({str(SOURCE.parent)!r}); import espalier.runner.serve, espalier.executors.local\n"
        "from espalier.runner.ahead import load_next; list(load_next()); import espalier.lifecycle.failure\n"
        "print(*(name for name in sys.modules if 'docker' in name or 'engine' in name or 'foreign' in name))"
    )
    argv = [sys.executable, "-I", "-S", "-c", code]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "\n"


def test_import_loads_next_to_nothing() -> None:
    code = "import sys, typing; before = set(sys.modules); import espalier; print(*sorted(set(sys.modules) - before))"
    env = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "espalier" in loaded
    assert len(loaded) <= 12, loaded
    assert not loaded & {"json", "sqlite3", "subprocess", "dataclasses", "inspect"}


def test_only_the_adapter_knows_the_system() -> None:
    """/proc, flock and the like lie in adapters/."""
    for name, path in modules().items():
        if room(name) != "adapters":
            text = path.read_text("utf-8")
            assert "fcntl" not in text, name
            assert '"/proc' not in text, name


def test_only_its_adapter_imports_docker() -> None:
    for name, path in modules().items():
        if name != "adapters.docker":
            for node in ast.walk(parsed(path)):
                used = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                used += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not [module for module in used if module.split(".")[0] == "docker"], name
