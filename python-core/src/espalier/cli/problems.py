"""Errors at the command line: their exit codes, and what they look like."""

import sys

import espalier
from espalier.base.errors import EspalierError
from espalier.base.os_errors import os_error
from espalier.cli.text import tell

DONE, RUN_FAILED, USAGE, NOT_FOUND, REFUSED, BUSY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
# Those whose code doesn't end in `_missing`; all others are refusals.
_CODES = {
    "run_failed": RUN_FAILED, "bad_argument": USAGE, "bad_filter": USAGE, "bad_name": USAGE, "bad_job_file": USAGE,
    "environment_invalid": USAGE, "wait_timed_out": BUSY, "request_unanswered": BUSY, "too_many_processes": BUSY,
    "too_many_files": BUSY, "out_of_memory": BUSY, "output_missing": REFUSED, "interpreter_missing": REFUSED,
}  # fmt: skip


def exit_code(error: EspalierError) -> int:
    """The exit code of an error, see docs/command-line.md."""
    return _CODES.get(error.code, NOT_FOUND if error.code.endswith("_missing") else REFUSED)


def show(error: EspalierError) -> int:
    """Write an error to stderr, and return its exit code."""
    from espalier.cli.words import in_commands

    tell(in_commands(error.message), "Error:")
    if error.hint and error.hint not in error.message:
        tell(in_commands(error.hint), "i")
    return exit_code(error)


def show_any(error: BaseException) -> int:
    """Write any exception to stderr. One that isn't the user's is a defect, and has its traceback."""
    found = error if isinstance(error, EspalierError) else os_error(error)
    if found is not None:
        return show(found)
    if sys.stderr is not None:
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__)
    hint = f"This is a defect in espalier {espalier.__version__}; please report it with the lines above."
    return show(EspalierError("internal", f"{type(error).__name__}: {error}", hint))
