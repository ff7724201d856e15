from pathlib import Path
from typing import List

import pytest
from espalier import Experiment
from espalier.snapshot.mentions import scripts_of
from espalier.snapshot.script_paths import absolute_mentions

SCANS = False


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "model").mkdir(parents=True)
    (tmp_path / "project" / ".here").write_text("")
    return tmp_path / "project"


def found(source: Path, text: str, *given: str) -> List[str]:
    (source / "train.R").write_text(text)
    return absolute_mentions(str(source), scripts_of(str(source), "train.R")[0], given)


def test_the_project_itself(project: Path) -> None:
    assert found(project, f'setwd("{project}/")') == [
        f'train.R names "{project}", the project itself. A job works in a copy, and files that it '
        "writes there aren't kept with the run. Use relative paths."
    ]


@pytest.mark.parametrize(
    "text",
    ['x <- "{}/a.csv"', "file.path('{}', 'a.csv')", 'sprintf("{}/%s.csv", x)', "paste('no', '{}')", '"{}/../project/a"'],
)
def test_what_lies_in_it(project: Path, text: str) -> None:
    (warning,) = found(project, text.format(project))
    assert f'train.R names "{project}' in warning


def test_a_path_in_two_parts_and_one_from_home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(found(project, f'file.path("{project.parent}", "project")')) == 1
    monkeypatch.setenv("HOME", str(project.parent))
    assert len(found(project, 'read.csv("~/project/a.csv")')) == 1


def test_of_a_source_folder_below_the_projects_top(project: Path) -> None:
    (warning,) = found(project / "model", f'readRDS("{project}/data.rds")')
    assert "which lies in the project itself" in warning


def test_a_source_folder_behind_a_link(project: Path) -> None:
    (project.parent / "link").symlink_to(project)
    (warning,) = found(project.parent / "link", f'setwd("{project}")\nsetwd("{project.parent}/link")')
    assert f'paths of the project itself: "{project}", "{project.parent}/link". A job' in warning


def test_in_a_file_that_is_sourced(project: Path) -> None:
    (project / "helper.R").write_text(f'setwd("{project}")')
    (warning,) = found(project, 'source("helper.R")')
    assert warning.startswith("helper.R names ")


def test_what_is_no_path_of_the_project(project: Path) -> None:
    for text in ('"/data/x"', '"model"', f'"{project}-2/a"', f'# setwd("{project}")', f'"{project.parent}"', '"a/b"', '"/"'):
        assert found(project, text) == []


def test_paths_that_the_job_may_use(project: Path) -> None:
    text = f'x <- "{project}/data/a.csv"'
    assert found(project, text, f"{project}/data/a.csv") == found(project, text, f"{project}/data") == []
    assert len(found(project, text, f"{project}/dat")) == 1


def test_one_warning_a_script_and_three_at_most(project: Path) -> None:
    (warning,) = found(project, "\n".join(f'"{project}/{name}"' for name in "abcdea"))
    assert f'train.R names paths of the project itself: "{project}/a", "{project}/b", "{project}/c" and 2 more. A job' in warning
    for name in "abcde":
        (project / f"{name}.R").write_text(f'x <- "{project}/data"')
    warnings = found(project, "\n".join(f'source("{name}.R")' for name in "abcde"))
    assert len(warnings) == 3 and [" A job works" in text for text in warnings] == [True, False, False]


@pytest.mark.parametrize("scanner", ["native", "twin"], indirect=True)
def test_a_submit_warns(experiment: Experiment, project: Path, scanner: str) -> None:
    (project / "train.py").write_text(f'open("{project}/a.txt", "w")')
    config = {"source_directory": str(project), "entry_script": "train.py"}
    (warning,) = experiment.submit_values(config)["warnings"]
    assert warning.startswith(f'train.py names "{project}/a.txt"')
