"""An exception as a JSON record, for R to signal."""

import traceback
from typing import Any, Dict

from espalier_bridge import values


def record(error: BaseException) -> Dict[str, Any]:
    """`code`, `message`, `hint`, `fields`, `class`, `traceback`. What is no EspalierError has the code `internal`."""
    from espalier.base.errors import EspalierError
    from espalier.base.os_errors import os_error

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    known = {"class": type(error).__name__, "traceback": text}
    error = os_error(error) or error
    if isinstance(error, EspalierError):
        fields = {name: values.plain(value) for name, value in error.fields.items()}
        return {**known, "code": error.code, "message": error.message, "hint": error.hint, "fields": fields}
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = "This is a defect in espalier; please report it with its traceback."
    return {**known, "code": "internal", "message": message, "hint": hint, "fields": {}}
