"""Parameters that a script certainly doesn't know are warned of; where that isn't certain, nothing is."""

from pathlib import Path
from typing import Any, List

import pytest
from espalier import Experiment
from espalier.jobs.known_params import unknown_params

JOB_PARAMS = "library(espalier)\np <- job_params(trees = 500L, `learn rate` = c(0.1, 0.2), 'x' = \"a,b)\") # job_params(old = 1)\n"
OPTPARSE = """
library(optparse)
options <- list(make_option(c("-t", "--trees"), type = "integer"), make_option("--rate", default = 0.1))
parser <- add_option(OptionParser(option_list = options), c("-v", "--verbose"), action = "store_true")
p <- parse_args(parser)
"""
R_ARGPARSE = """
parser <- argparse::ArgumentParser()
parser$add_argument("-t", "--trees", type = "integer")
parser$add_argument('--rate', help = "a, b")
p <- parser$parse_args()
"""
ARGPARSE = """
import argparse
def main():
    parser = argparse.ArgumentParser(description="x")
    parser.add_argument("data")
    group = parser.add_argument_group("more")
    group.add_argument("-t", "--trees", type=int)
    parser.add_argument("--rate", "--learning-rate", default=0.1)
    args = parser.parse_args()
main()
"""


def warned(folder: Path, name: str, text: str, *params: str) -> List[str]:
    (folder / name).write_text(text)
    return unknown_params(str(folder), name, dict.fromkeys(params, 1))


@pytest.mark.parametrize(
    "name,text", [("a.R", JOB_PARAMS), ("a.R", OPTPARSE), ("a.R", R_ARGPARSE), ("a.py", ARGPARSE)]
)
def test_a_misspelled_parameter_is_named_with_the_nearest(tmp_path: Path, name: str, text: str) -> None:
    assert warned(tmp_path, name, text, "trees") == []
    assert warned(tmp_path, name, text, "trees", "tress") == [
        f'{name} has no parameter "tress" of `script_params`. Did you mean "trees"?'
    ]
    assert len(warned(tmp_path, name, text, "treesx")) == 1
    assert len(warned(tmp_path, name, text, "tree")) == (text == JOB_PARAMS)
    (far,) = warned(tmp_path, name, text, "--depth")
    assert far.startswith(f'{name} has no parameter "depth" of `script_params`. It has "') and '"trees"' in far


@pytest.mark.parametrize(
    ("name", "text", "param", "read"),
    [
        ("a.R", "p <- job_params(n = 5L)", "-n", "n"), ("a.R", JOB_PARAMS, "-trees", "trees"), ("a.py", ARGPARSE, "-rate", "rate"),
        ("a.py", ARGPARSE.replace('"-t", "--trees"', '"-t"'), "t", "-t"),
    ],
)  # fmt: skip
def test_the_right_name_with_other_dashes(tmp_path: Path, name: str, text: str, param: str, read: str) -> None:
    assert warned(tmp_path, name, text, param) == [f'{name} doesn\'t read "{param}" of `script_params`. It reads "{read}".']


@pytest.mark.parametrize(
    "name,text,param",
    [
        ("a.R", JOB_PARAMS, "x"), ("a.R", "p <- job_params(a_b = 1)", "a-b"), ("a.R", "p <- job_params(a.b = 1)", "a_b"),
        ("a.R", OPTPARSE, "-t"), ("a.R", OPTPARSE, "verbose"), ("a.R", OPTPARSE, "rat"), ("a.R", OPTPARSE, "help"),
        ("a.py", ARGPARSE, "-t"), ("a.py", ARGPARSE, "learning-rate"), ("a.py", ARGPARSE, "learning"), ("a.py", ARGPARSE, "h"),
    ],
)  # fmt: skip
def test_other_spellings_of_a_known_parameter(tmp_path: Path, name: str, text: str, param: str) -> None:
    assert warned(tmp_path, name, text, param) == []


UNCERTAIN = {
    "a.R": [
        "", "x <- 1", "args <- commandArgs(TRUE)", JOB_PARAMS + "commandArgs()", "do.call(job_params, defaults)",
        "job_params(a = 1); job_params(b = 2)", "job_params(...)", "job_params(a = 1, !!!rest)", "job_params(a = 1",
        JOB_PARAMS + OPTPARSE, OPTPARSE.replace('"--rate"', "name"), OPTPARSE.replace("parse_args", "parse_some"),
        R_ARGPARSE.replace("parse_args", "parse_known_args"), "f <- job_params", "library(getopt)", "job_params()",
        "lapply(names, function(n) make_option(n))\nparse_args(x)",
    ],
    "a.py": [
        "", "import click", "x = (", ARGPARSE.replace("parse_args", "parse_known_args"), ARGPARSE + "import sys\nsys.argv\n",
        ARGPARSE.replace('"--rate"', "name"), ARGPARSE.replace("args = ", "more(parser)\n    args = "),
        ARGPARSE.replace("parse_args()", "parse_args(given)"), ARGPARSE.replace('description="x"', "parents=[base]"),
        ARGPARSE.replace("args = ", "return parser\n    args = "), ARGPARSE + ARGPARSE,
        ARGPARSE.replace("args = ", "parser.add_subparsers()\n    args = "), ARGPARSE.replace('"data"', "*names"),
        "from transformers import HfArgumentParser\np = HfArgumentParser(A).parse_args_into_dataclasses()",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name,text", [(name, text) for name, texts in UNCERTAIN.items() for text in texts])
def test_where_the_list_may_be_longer_nothing_is_warned_of(tmp_path: Path, name: str, text: str) -> None:
    assert warned(tmp_path, name, text, "tress") == []


@pytest.mark.parametrize("helper", ["p <- commandArgs(TRUE)", "more <- function() job_params(tress = 1)", "library(optparse)"])
@pytest.mark.parametrize(
    "load",
    [
        "source('R/helper.R')", "source(here::here('R', \"helper.R\"))", "lapply(list.files('R'), source)", "source(path)",
        "sys.source('R/all.R', e)", "source(paste0('R/', name, '.R'))", "source(sprintf('R/%s.R', name))", "pkgload::load_all()",
    ],
)  # fmt: skip
def test_a_helper_may_read_arguments_too(tmp_path: Path, helper: str, load: str) -> None:
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "all.R").write_text("source('R/helper.R')\n")
    (tmp_path / "R" / "helper.R").write_text("f <- function(x) x # commandArgs\n")
    code = f"{load}\n{JOB_PARAMS}"
    assert len(warned(tmp_path, "a.R", code, "tress")) == 1
    (tmp_path / "R" / "helper.R").write_text(helper)
    assert warned(tmp_path, "a.R", code, "tress") == []


def test_scripts_that_are_not_loaded_have_parameters_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "helper.R").write_text("f <- function(x) x\n")
    (tmp_path / "score.R").write_text("p <- job_params(tress = 1)\n")
    assert len(warned(tmp_path, "a.R", JOB_PARAMS, "tress")) == 1
    assert len(warned(tmp_path, "a.R", "source('helper.R')\n" + JOB_PARAMS, "tress")) == 1
    (tmp_path / "score.py").write_text("import sys\nprint(sys.argv)\n")
    assert len(warned(tmp_path, "a.py", ARGPARSE, "tress")) == 1
    assert warned(tmp_path, "a.py", "import score\n" + ARGPARSE, "tress") == []


def test_other_scripts_and_no_parameters(tmp_path: Path) -> None:
    assert warned(tmp_path, "a.sh", "echo $1", "tress") == []
    assert warned(tmp_path, "a.R", JOB_PARAMS) == []
    assert unknown_params(str(tmp_path), "gone.R", {"a": 1}) == []


def test_inputs_are_looked_for_too(tmp_path: Path) -> None:
    def of_inputs(*names: str) -> List[str]:
        return unknown_params(str(tmp_path), "a.R", {"trees": 1}, names)

    (tmp_path / "a.R").write_text("p <- job_params(trees = 5L, clean = NULL)")
    assert of_inputs("clean") == []
    assert of_inputs("claen") == ['a.R has no parameter "claen" of `inputs`. Did you mean "clean"?']
    (tmp_path / "b.sh").write_text("cat $ESPALIER_INPUT_CLAEN")
    assert of_inputs("claen") == []


def test_submit_warns(experiment: Experiment, project: Path, ended: Any) -> None:
    (project / "a.py").write_text(ARGPARSE)
    with pytest.warns(UserWarning, match='Did you mean "trees"'):
        run = experiment.submit({"source_directory": str(project), "entry_script": "a.py", "script_params": {"tress": 1}})
    ended(run)
    inputs = {"treess": str(project / "a.py")}
    with pytest.warns(UserWarning, match='"treess" of `inputs`. Did you mean "trees"'):
        run = experiment.submit({"source_directory": str(project), "entry_script": "a.py", "inputs": inputs})
    ended(run)
