"""The texts of all errors of the core, collected from its sources.

An entry is a call of `EspalierError`, or of a function that makes one: its code, and its texts with the names of
what is filled in. A text in a local variable is shown in place of the variable.
"""

import ast
from pathlib import Path
from typing import Dict, Iterator, List, Set, Union

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


def error_texts(source: Path) -> str:
    """The catalogue, sorted by file, in the order of the lines.

    Args:
        source: The folder of the package `espalier`.
    """
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(source.rglob("*.py"))}
    makers = _makers(list(trees.values()))
    parts: List[str] = []
    for path, tree in trees.items():
        entries = [entry for node in _functions(tree) for entry in _entries(node, makers)]
        if entries:
            parts.append(f"## {path.relative_to(source).as_posix()}\n\n" + "\n".join(entries))
    return "\n".join(parts)


def _makers(trees: List[ast.Module]) -> Set[str]:
    """Names of functions that return or raise an `EspalierError`."""
    found = {"EspalierError"}
    for tree in trees:
        for node in _functions(tree):
            returned = ast.unparse(node.returns) if node.returns else ""
            if "EspalierError" in returned or (returned == "NoReturn" and "EspalierError" in ast.unparse(node)):
                found.add(node.name)
    return found - {"__init__"}


def _functions(tree: ast.Module) -> List[Function]:
    found = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return sorted(found, key=lambda node: node.lineno)


def _own(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions in it."""
    waiting: List[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            waiting = [*ast.iter_child_nodes(node), *waiting]


def _entries(function: Function, makers: Set[str]) -> Iterator[str]:
    texts: Dict[str, List[str]] = {}
    for node in _own(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            text = _text(node.value, {})
            if text is not None:
                texts.setdefault(node.targets[0].id, []).append(text)
    for node in _own(function):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in makers:
            continue
        lines = [text for value in node.args for text in [_text(value, texts)] if text is not None]
        lines += [text for word in node.keywords if word.arg in ("message", "hint")
                  for text in [_text(word.value, texts)] if text is not None]  # fmt: skip
        if lines:
            label = "" if name == "EspalierError" else f"{name}: "
            yield f"* {label}{lines[0]}" + "".join(f"\n    {line}" for line in lines[1:] if line) + "\n"


def _text(node: ast.expr, known: Dict[str, List[str]]) -> Union[str, None]:
    """A string as it is written, what is filled in by its expression; None if there is no text in it."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return " || ".join(known[node.id]) if node.id in known else None
    if isinstance(node, ast.JoinedStr):
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                inner = _text(part.value, known)
                parts.append("{" + (inner if inner is not None else ast.unparse(part.value)) + "}")
            else:
                parts.append(_text(part, known) or "")
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left, known), _text(node.right, known)
        return None if left is None and right is None else f"{left or '{…}'}{right or '{…}'}"
    if isinstance(node, ast.IfExp):
        left, right = _text(node.body, known), _text(node.orelse, known)
        return None if left is None and right is None else f"<{left or '…'} | {right or '…'}>"
    return None
