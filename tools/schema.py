"""Write the JSON Schemas of `spec.json` and of job files to docs/ (`make generate`)."""

import json
from pathlib import Path
from typing import Any, Dict

from espalier.base.model.job import JobSpec
from espalier.jobfile.fields import schema_of, schema_of_job_files

HEAD = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "spec.json of espalier, format 1"}

DOCS = Path(__file__).parent.parent / "docs"


def write(name: str, schema: Dict[str, Any]) -> None:
    """Write a schema, a line a key."""
    text = json.dumps(schema, indent=None, separators=(",", ": ")).replace(',"', ',\n"')
    (DOCS / name).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write("spec.schema.json", {**HEAD, **schema_of(JobSpec)})
    write("job.schema.json", schema_of_job_files())
