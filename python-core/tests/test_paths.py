"""paths.py knows every on-disk name, and no other module does."""

import ast
import os
from pathlib import Path
from typing import Iterator, Set

import espalier
import pytest
from espalier.base import paths, queue_paths
from espalier.base.paths import RunPaths, WorkspacePaths
from espalier.base.queue_paths import QueuePaths

SOURCE = Path(espalier.__file__).parent
ROOT = "/r"
ENDINGS = (".json", ".jsonl", ".sqlite", ".part")
# Calls whose text argument is a field of a record, not a file.
FIELD_CALLS = {"get", "pop", "setdefault"}


# Texts that are names of others: parts of the engine's addresses, of paths in containers, of conda's folders; a word.
OTHERS = {
    "adapters/engine.py": ["/images/"],
    "adapters/engine_sockets.py": ["meta.json"],  # (of Docker's contexts)
    "base/extras.py": ["extras.json"],  # (in the package)
    "adapters/homes.py": ["cache", "AppData/Local/R/cache"],
    "environment/definition_files.py": [".json"],
    "provision/docker/package_stages.py": ["/cache"],
    "provision/docker/signature.py": ["images"],
    "jobs/known_params.py": ["inputs"],  # (the argument)
    **{f"jobfile/{name}.py": ["inputs", "outputs", "children", "attempts"] for name in ("azure", "model", "files")},  # (fields)
    "lifecycle/attempts.py": ["kept"],
    "provision/__main__.py": ["cache"],
    "api/run.py": ["user_logs/std_log.txt"],  # (shown in the help)
    "api/catalog.py": ["api.json"],  # (in the package)
    "cli/app.py": ["logs", "runs"],  # (the commands)
    "cli/logs.py": ["logs"],
    "cli/run.py": ["inputs", "runs"],  # (the argument; the command)
    "cli/views.py": ["provenance"],  # (a field)
    "rooms.py": ["queue"],
    **{f"store/index/{name}.py": ["children"] for name in ("columns", "fields", "rows", "sql")},
    "snapshot/literals.py": [".json"],
    "snapshot/defaults.py": [
        ".tmp-", ".tmp-*[0-9]-",
        "*service-account*.json", "*service_account*.json", "client_secret*.json", ".docker/config.json",
    ],
    "jobs/documents.py": [".job/python/espalier/runner"],
}  # fmt: skip
MAKERS = ("paths.py", "store_paths.py", "queue_paths.py", "request_paths.py", "archive_paths.py", "scratch_paths.py", "cache_paths.py")


def on_disk_names() -> Set[str]:
    """Every part of every path that paths.py makes below a root."""
    found = []
    for made in (WorkspacePaths(ROOT), RunPaths(ROOT), QueuePaths(ROOT, "host")):
        found += [os.path.relpath(value, ROOT) for value in vars(made).values()]
    found += [value for name, value in vars(paths).items() if name.isupper() and isinstance(value, str)]
    return {part for path in found for part in path.split("/")} - {".", "host", paths.JOB_R, paths.JOB_PYTHON}


def fields_of_records(tree: ast.AST) -> Set[int]:
    """The texts of a module that name a field or a noun: keys of mappings, what is looked up in one, the word of a façade
    or an operation."""
    fields = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and ast.unparse(node).startswith("NOUN"):
            fields.add(id(node.value))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "operation":
            fields |= {id(given.value) for given in node.keywords}
        if isinstance(node, ast.Dict):
            fields |= {id(key) for key in node.keys}
        elif isinstance(node, ast.Subscript):
            fields.add(id(node.slice))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FIELD_CALLS:
            fields |= {id(node.args[0])} if node.args else set()
    return fields


def file_names(code: str) -> Iterator[str]:
    """Texts in a module that are, or hold, the name of a file or folder of espalier's.

    Texts with blanks are prose: none of the names has one.
    """
    tree = ast.parse(code)
    names, fields = on_disk_names(), fields_of_records(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        text = node.value
        if id(node) in fields and "." not in text:
            continue
        parts = set(text.split("/"))
        if not any(c.isspace() for c in text) and (
            parts & names or any(part.endswith(ENDINGS) or part.startswith(".tmp") for part in parts)
        ):
            yield f"{node.lineno}: {text!r}"


def test_no_other_module_names_a_file() -> None:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name not in MAKERS:
            module = path.relative_to(SOURCE).as_posix()
            hits = [hit for hit in file_names(path.read_text("utf-8")) if hit.split(": ", 1)[1] not in map(repr, OTHERS.get(module, []))]
            found += [f"{module}:{hit}" for hit in hits]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "os.path.join(folder, 'status.json')",
        "os.path.join(run_dir, 'outputs', name)",
        "for name in ('events', 'payloads'): pass",
        "records = {'meta.json': 5}",
        "f'outputs/images/{name}'",
        "f'.tmp-{pid}'",
        "f'{key}.sqlite'",
        "name.endswith('.jsonl')",
        "open('requests/cancel.json')",
        "'user_logs/'",
    ],
)
def test_the_search_finds_file_names(code: str) -> None:
    assert list(file_names(code))


@pytest.mark.parametrize("code", ["spec['outputs']", "{'runs': 5}", "row.get('events')", "'Not all of ./outputs was kept.'"])
def test_fields_and_prose_are_no_file_names(code: str) -> None:
    assert not list(file_names(code))


def test_temporary_names_are_new_and_known() -> None:
    made = {paths.temporary("/folder") for _ in range(100)}
    assert len(made) == 100 and {os.path.dirname(path) for path in made} == {"/folder"}
    assert all(paths.is_temporary(os.path.basename(path)) for path in made) and not paths.is_temporary("status.json")


def test_a_run_on_its_way_is_no_run() -> None:
    workspace, run_id = WorkspacePaths("/w"), "e_1_abcdef01"
    new = os.path.basename(workspace.new_run(run_id).root)
    assert paths.is_run_id(run_id) and paths.is_temporary(new) and not paths.is_run_id(new)
    assert workspace.new_run(run_id).shard == workspace.run(run_id).shard == "/w/runs/ab"


def test_tickets_sort_by_priority_then_sequence_and_belong_to_one_run() -> None:
    queue = QueuePaths("/state", "host")
    places = [(9, 10), (5, 9), (5, 10), (5, 10**19), (1, 1)]
    names = [os.path.basename(queue.ticket(queue.tickets, *place, "e_1_abcdef01")) for place in places]
    assert names == sorted(names)
    assert queue_paths.is_ticket_of(names[0], "e_1_abcdef01") and not queue_paths.is_ticket_of(names[0], "e_1_abcdef02")


@pytest.mark.parametrize("text", ["", "..", "e_1_abcdef0", "e_1_ABCDEF01", "e/x_1_abcdef01", "e_1_abcdef01\n", ".tmp-e_1_abcdef01"])
def test_what_is_no_run_id(text: str) -> None:
    assert not paths.is_run_id(text)
