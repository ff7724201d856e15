from pathlib import Path
from typing import Any, List

import pytest
from espalier import Experiment
from espalier.snapshot.mentions import scripts_of
from espalier.snapshot.script_paths import mentions_above

SCANS = False


@pytest.fixture
def project(tmp_path: Path) -> Path:
    top = tmp_path / "project"
    for name in ("R/x.R", "data/a.csv", "sub/deep/b.R"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("")
    return top


def found(source: Path, text: str, script: str = "train.R", **more: Any) -> List[str]:
    (source / script).write_text(text)
    return mentions_above(str(source), scripts_of(str(source), script)[0], **more)


def test_what_to_submit_instead(project: Path) -> None:
    assert found(project / "sub", 'source("../R/x.R")') == [
        'train.R names "../R/x.R", which lies outside of the source folder. A job gets a copy of the source folder alone. '
        f'Submit {project} with entry_script = "sub/train.R", and name "R/x.R" in the script. '
        'Data can be given with inputs = list(name = "path").'
    ]


@pytest.mark.parametrize(
    "text",
    ['source(file.path("..", "R", "x.R"))', "read.csv('../data/a.csv')", 'x <- "./../R/x.R"', 'sprintf("../data/%s.csv", x)'],
)
def test_ways_to_write_it(project: Path, text: str) -> None:
    assert len(found(project / "sub", text)) == 1


def test_all_in_one_warning(project: Path) -> None:
    (warning,) = found(project / "sub", 'source("../R/x.R"); read.csv("../data/a.csv")')
    assert 'names "../R/x.R" and "../data/a.csv", which lie outside' in warning
    assert 'name "R/x.R" and "data/a.csv" in the script' in warning


def test_in_a_file_that_is_sourced(project: Path) -> None:
    (project / "sub" / "helper.R").write_text('readRDS("../data/a.csv")')
    (warning,) = found(project / "sub", 'source("helper.R")')
    assert warning.startswith("helper.R names ")


def test_the_marked_top_of_a_project_is_proposed_and_no_more_than_that(project: Path) -> None:
    (project / ".here").write_text("")
    (warning,) = found(project / "sub" / "deep", 'source("../b.R"); source("../../R/x.R")')
    assert f'Submit {project} with entry_script = "sub/deep/train.R", and name "R/x.R" in the script.' in warning
    (project.parent / "other.csv").write_text("")
    for source, path in ((project, "../other.csv"), (project / "sub", "../../other.csv")):
        (warning,) = found(source, f'read.csv("{path}")')
        assert "Submit" not in warning and "inputs = list(" in warning


def test_never_the_home_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project))
    (warning,) = found(project / "sub", 'source("../R/x.R")')
    assert "Submit" not in warning


def test_a_document_works_in_its_own_folder(project: Path) -> None:
    text = '```{r}\nsource("../R/x.R")\n```\n'
    (warning,) = found(project / "sub", text, "a.Rmd")
    assert 'with entry_script = "sub/a.Rmd". Data' in warning
    assert found(project, text, "sub/a.Rmd") == []
    (warning,) = found(project / "sub", text.replace("..", "../.."), "deep/a.Rmd")
    assert 'names "../R/x.R"' in warning


def test_words_of_the_job(project: Path) -> None:
    words = [("The command", "cat"), ("The command", "../data/a.csv")]
    (warning,) = mentions_above(str(project / "sub"), [], words=words)
    assert warning.startswith('The command names "../data/a.csv"') and "Submit" not in warning


def test_what_is_no_path_out_of_the_folder(project: Path) -> None:
    (project / "sub" / "here.csv").write_text("")
    for text in ('"../R/none.R"', '".."', '"../.."', '# "../R/x.R"', '"../sub/here.csv"', '"https://x/../R/x.R"', '"a/../here.csv"'):
        assert found(project / "sub", text) == []


def test_from_the_scripts_own_folder_it_may_lead_into_the_source_folder(project: Path) -> None:
    (project.parent / "R").mkdir()
    (project.parent / "R" / "x.R").write_text("")
    assert found(project, 'source("../R/x.R")', "sub/train.R") == []


def test_paths_that_the_job_may_use(project: Path) -> None:
    assert found(project / "sub", 'read.csv("../data/a.csv")', given=[str(project / "data")]) == []


@pytest.mark.parametrize("scanner", ["native", "twin"], indirect=True)
def test_a_submit_warns(experiment: Experiment, project: Path, scanner: str) -> None:
    (project / "sub" / "train.py").write_text('open("../data/a.csv")')
    config = {"source_directory": str(project / "sub"), "entry_script": "train.py"}
    (warning,) = experiment.submit_values(config)["warnings"]
    assert warning.startswith('train.py names "../data/a.csv"')


def test_what_a_root_finder_finds_in_the_project_and_the_job_does_not(project: Path) -> None:
    (project / ".here").write_text("")
    for text in ('source(here::here("R", "x.R"))', 'readRDS(find_root_file("R/x.R", criterion = x))'):
        (warning,) = found(project / "sub", text)
        assert 'names "R/x.R", which lies outside' in warning
        assert f'Submit {project} with entry_script = "sub/train.R". Data' in warning
    for text in ('source("R/x.R")', 'here("sub", "train.R")', 'here("R")', 'here("R", "none.R")', 'here("../R/none.R")'):
        assert found(project / "sub", text) == []
    assert found(project, 'source(here("R", "x.R"))') == []
