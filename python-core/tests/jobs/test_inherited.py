"""What a user is told of variables that a job reads and does not have."""

from pathlib import Path

import pytest
from espalier.base.config import Session
from espalier.jobs.inherited import notes_on_missing

SESSION = Session(environment={"DB_HOST": "h", "API_KEY": "k", "OMP_NUM_THREADS": "2", "DB_URL": "pg://me:pw@h/d"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.R", 'host <- Sys.getenv("DB_HOST"); Sys.getenv("API_KEY", NA); Sys.getenv("OTHER")'),
        ("a.py", "import os\nos.environ['DB_HOST'], os.getenv('API_KEY'), os.environ.get('OMP_NUM_THREADS')"),
        ("a.sh", 'echo $DB_HOST "${API_KEY:-none}" $OMP_NUM_THREADS $1'),
    ],
)
def test_variables_that_a_script_reads(tmp_path: Path, name: str, text: str) -> None:
    script = tmp_path / name
    script.write_text(text)
    assert notes_on_missing(SESSION, {"OMP_NUM_THREADS": "2"}, str(script), None) == [
        "The job reads DB_HOST, which this session has and jobs do not inherit. "
        'To pass it on: environment_variables = list(DB_HOST = Sys.getenv("DB_HOST")).',
        "The job reads API_KEY, which may be a secret. Jobs don't inherit secrets. "
        "Keep it with set_secrets(), name it in `secrets` of the job, and read it with get_secrets_from_run().",
    ]
    assert notes_on_missing(SESSION, SESSION.environment or {}, str(script), None) == []


def test_variables_that_a_command_reads() -> None:
    notes = notes_on_missing(SESSION, {}, None, "psql $DB_URL")
    assert len(notes) == 1 and "DB_URL, which may be a secret" in notes[0]
    assert notes_on_missing(SESSION, {}, None, ["psql", "$DB_URL"]) == []
    assert notes_on_missing(SESSION, {}, None, "psql $DB_URL $API_KEY") == [
        "The job reads DB_URL, API_KEY, which may be secrets. Jobs don't inherit secrets. "
        "Keep them with set_secrets(), name them in `secrets` of the job, and read them with get_secrets_from_run()."
    ]
