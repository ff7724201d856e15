"""Write the JSON Schema of `spec.json` to docs/spec.schema.json (`make generate`)."""

import json
from pathlib import Path

from espalier.base.model.job import JobSpec
from espalier.base.model.schema import schema_of

HEAD = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "spec.json of espalier, format 1"}

if __name__ == "__main__":
    target = Path(__file__).parent.parent / "docs" / "spec.schema.json"
    target.write_text(json.dumps({**HEAD, **schema_of(JobSpec)}, indent=None, separators=(",", ": ")).replace(',"', ',\n"') + "\n", "utf-8")
