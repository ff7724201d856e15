"""JSON Schema (draft 2020-12) of job files, from the fields that read them: editors complete and check by it."""

from typing import Any, Dict

from espalier.jobfile.kinds import or_null
from espalier.jobfile.model import FIELDS, SCHEMA_ID


def schema_of_job_files() -> Dict[str, Any]:
    """The schema, which docs/job.schema.json has."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "A job of espalier, format 1",
        "type": "object",
        "properties": {name: {"description": one.about, **or_null(one.kind.schema)} for name, one in FIELDS.items()},
        "additionalProperties": False,
        "oneOf": [{"required": ["script"]}, {"required": ["command"]}],
    }
