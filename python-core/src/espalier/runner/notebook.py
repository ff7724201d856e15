"""Executes a Jupyter notebook as a job: `python -m espalier.runner.notebook train.ipynb`.

Parameters follow the convention of papermill: a cell tagged `parameters` holds defaults, and a cell that sets those of
the run is put after it. The executed notebook goes to the run's outputs, also if a cell failed. What cells print goes
to the log as it comes.
"""

import json
import math
import os
import re
import sys
import warnings
from typing import Any, Dict, List

from espalier.adapters.inside import folder_inside
from espalier.adapters.posix import path_through
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import OUTPUTS, SPEC
from espalier.base.scripts import input_variable
from espalier.base.values import NA, from_json

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def main(notebook: str) -> None:
    """Execute a notebook of the working directory. Ends the process with status 1 if a cell failed."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, DeadKernelError
    except ImportError as error:
        raise SystemExit(f"{notebook} needs the packages nbclient and ipykernel in {sys.executable}: {error}") from None

    class Client(NotebookClient):  # type: ignore[misc]
        def output(self, outs: List[Any], msg: Dict[str, Any], display_id: str, cell_index: int) -> Any:
            show(msg["content"])
            return super().output(outs, msg, display_id, cell_index)

    warnings.filterwarnings("ignore", module="nbformat")  # (about notebooks of older formats)
    run = os.environ["ESPALIER_RUN_DIR"]
    book = nbformat.read(notebook, as_version=4)
    parameters = given_parameters(read_as(JobSpec, os.path.join(run, SPEC)))
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    add_parameters(book.cells, parameters, language_of(book), nbformat.v4.new_code_cell)
    where = {"metadata": {"path": os.path.dirname(os.path.abspath(notebook))}}
    quiet = ["--log-level=ERROR"] if language_of(book) == "python" else []
    client = Client(book, timeout=None, kernel_name=kernel_of(book), resources=where, extra_arguments=quiet)
    try:
        client.execute()
    except (CellExecutionError, DeadKernelError) as error:
        cell = failed_cell(cells)
        # (as Python ends its own errors, without the frames of this program)
        head = f"Traceback (most recent call last):\n  {notebook}, {cell}\n"
        raise SystemExit(f"{head}CellError: {cell} of {notebook} failed: {reason(cells, error)}") from None
    finally:
        with folder_inside(run, (OUTPUTS,)) as outputs:
            nbformat.write(book, os.path.join(path_through(outputs), os.path.basename(notebook)))
    sys.stdout.write(f"Executed {os.path.join(OUTPUTS, os.path.basename(notebook))}\n")


def given_parameters(spec: JobSpec) -> Dict[str, Any]:
    """The run's parameters by name, and the paths of its inputs."""
    found: Dict[str, Any] = {}
    for item in spec.inputs:
        found[item.name] = os.environ.get(input_variable(item.name))
    for name, cell in spec.params.items():
        found[name] = [from_json(one["value"]) for one in cell] if isinstance(cell, list) else from_json(cell["value"])
    return {re.sub(r"\W", "_", name): value for name, value in found.items()}


def add_parameters(cells: List[Any], parameters: Dict[str, Any], language: str, new_cell: Any) -> None:
    """Put a cell that sets the parameters after the one tagged `parameters`; without that one, at the top.

    Args:
        new_cell: Makes a cell from its source.
    """
    if not parameters:
        return
    sign = "<-" if language == "r" else "="
    lines = [f"{name} {sign} {literal(value, language)}" for name, value in parameters.items()]
    cell = new_cell("# Parameters of this run\n" + "\n".join(lines), metadata={"tags": ["injected-parameters"]})
    tagged = (at for at, one in enumerate(cells) if "parameters" in one.metadata.get("tags", []))
    cells.insert(next(tagged, -1) + 1, cell)


def literal(value: Any, language: str) -> str:
    """A value as a notebook's language writes it: Python's way, or R's."""
    is_r = language == "r"
    if isinstance(value, list):
        parts = ", ".join(literal(one, language) for one in value)
        return f"c({parts})" if is_r else f"[{parts}]"
    if value is NA:
        return "NA" if is_r else "None"
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE") if is_r else repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        text = "NaN" if math.isnan(value) else "-Inf" if value < 0 else "Inf"
        return text if is_r else f'float("{text}")'
    if isinstance(value, int) and is_r:
        return f"{value}L" if abs(value) < 2**31 else str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def language_of(book: Any) -> str:
    """The language of a notebook, in small letters."""
    named = book.metadata.get("kernelspec", {}).get("language") or book.metadata.get("language_info", {}).get("name")
    return str(named or "python").lower()


def kernel_of(book: Any) -> str:
    """The notebook's kernel; that of this Python, if the notebook names one of Python that is not installed here."""
    from jupyter_client.kernelspec import NoSuchKernel, get_kernel_spec

    name = str(book.metadata.get("kernelspec", {}).get("name") or "python3")
    try:
        get_kernel_spec(name)
    except NoSuchKernel:
        return "python3" if language_of(book) in ("python", "python3") else name
    return name


def show(content: Dict[str, Any]) -> None:
    """What a cell prints, for the log."""
    text = content.get("text") or content.get("data", {}).get("text/plain")
    if content.get("traceback"):
        text = "\n".join(_ANSI.sub("", line) for line in content["traceback"])
    if text:
        stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
        stream.write(text if "text" in content else text + "\n")
        stream.flush()


def failed_cell(cells: List[Any]) -> str:
    """How the cell at which execution ended is called: by its number among the notebook's own code cells."""
    for number, cell in enumerate(cells, 1):
        if any(output.get("output_type") == "error" for output in cell.get("outputs", [])):
            return f"Cell {number}"
    done = sum(cell.get("execution_count") is not None for cell in cells)
    return f"Cell {min(done + 1, len(cells))}"


def reason(cells: List[Any], error: BaseException) -> str:
    """The last line of what went wrong."""
    for cell in cells:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                return f"{output.get('ename')}: {output.get('evalue')}"
    return str(error).strip() or type(error).__name__


if __name__ == "__main__":
    main(sys.argv[1])
