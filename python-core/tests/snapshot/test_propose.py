import os

import pytest
from espalier.snapshot import propose as module
from espalier.snapshot.mentions import mentioned, mentioned_but_excluded
from espalier.snapshot.propose import propose
from espalier.snapshot.take import scan_source


@pytest.fixture
def project(tmp_path):
    def sized(path, size):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        with open(tmp_path / path, "wb") as file:
            file.truncate(size)

    sized("data/train.csv", 5000)
    sized("archive/old.bin", 12 << 20)
    sized("model.rds", 15 << 20)
    sized("used/big.bin", 11 << 20)
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "helpers.R").write_text("read.csv('data/train.csv')")
    (tmp_path / "fit.R").write_text("source('R/helpers.R'); readBin('used/big.bin')")
    return tmp_path


def active(lines):
    return [line for line in lines if not line.startswith("#")]


def test_what_is_large_and_unused_is_proposed_in_comments(project):
    lines, notes = propose(str(project))
    assert active(lines) == []
    assert lines[1:] == ["# model.rds: 15 MB", "#/model.rds", "# archive: 12 MB", "#/archive/"]
    assert notes == ["No script names model.rds (15 MB), archive (12 MB). To leave it out of snapshots, uncomment its line in .espalierignore."]


def test_what_scripts_use_is_taken_in_again(project):
    (project / ".gitignore").write_text("/data/\n*.csv\n.env\nsecret.txt\n")
    (project / "secret.txt").write_text("")
    (project / ".env").write_text("")
    (project / "R" / "env.R").write_text("readRenviron('.env')")
    lines, notes = propose(str(project))
    assert active(lines) == ["!/data/", "!/data/train.csv"]
    assert notes[0].startswith("R/helpers.R uses data/train.csv (5 kB), which .gitignore:1 leaves out.")
    (project / ".espalierignore").write_text("\n".join(lines))
    found = scan_source(str(project))
    assert mentioned_but_excluded(str(project), mentioned(str(project), ["fit.R"]), found) == []
    assert not {"secret.txt", ".env"} & {entry.path for entry in found.files}


def test_very_large_data_is_proposed_as_an_input(project, monkeypatch):
    monkeypatch.setattr(module, "_TOO_LARGE", 1000)
    (project / ".gitignore").write_text("/data/\n")
    lines, notes = propose(str(project))
    assert active(lines) == [] and "#!/data/" in lines and "inputs =" in notes[0]


def test_a_project_that_cannot_be_read_is_none_of_its_business(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert propose(str(tmp_path)) == ([], []) == propose(str(tmp_path / "none"))
