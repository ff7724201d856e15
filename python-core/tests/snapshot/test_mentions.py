import re

import pytest
from espalier.snapshot.mentions import mentioned, mentioned_but_excluded
from espalier.snapshot.take import scan_source

RULES = "data/\n*.csv\nparts/*\n"


@pytest.fixture
def source(tmp_path):
    for path in ("data/raw/pima.txt", "big set.csv", "parts/one", "kept/a.R", "kept/b.csv", "outputs/old.rds"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tmp_path / ".gitignore").write_text(RULES)
    return tmp_path


def mentions(source, text):
    (source / "train.R").write_text(text)
    return mentioned_but_excluded(str(source), mentioned(str(source), ["train.R"]), scan_source(str(source)))


@pytest.mark.parametrize(
    ("text", "path", "rule", "origin"),
    [
        ('read.csv("big set.csv")', "big set.csv", "*.csv", ".gitignore:2"),
        ("open('./data/raw/pima.txt')", "data/raw/pima.txt", "data/", ".gitignore:1"),
        ('file.path("data", "x")', "data", "data/", ".gitignore:1"),
        ('list.files("data/")', "data", "data/", ".gitignore:1"),
        ('"""data/raw"""', "data/raw", "data/", ".gitignore:1"),
        ('r"(data/raw)"', "data/raw", "data/", ".gitignore:1"),
        ("f('it\\'s', 'parts')", "parts", "parts/*", ".gitignore:3"),
        ("# don't\nx <- 'parts/one'", "parts/one", "parts/*", ".gitignore:3"),
    ],
)
def test_a_mention_is_found(source, text, path, rule, origin):
    (found,) = mentions(source, text)
    assert (found.path, found.rule, found.origin) == (path, rule, origin)
    assert path in found.message and rule in found.message and origin in found.message and "train.R" in found.message
    assert "inputs = list(" in found.message and "read its path in the script with job_params()" in found.message and "\n" not in found.message


@pytest.mark.parametrize(
    "text",
    [
        '# read.csv("data")',
        'x <- 1 # "big set.csv"',
        '"data/none.txt"',
        '"nothing.csv"',
        '"kept"',
        '"kept/a.R"',
        'saveRDS(m, "outputs/old.rds")',
        '"https://example.org/data"',
        '"../data"',
        '"/data"',
        "data",
        '"data',
        '""',
    ],
)
def test_no_mention(source, text):
    assert mentions(source, text) == []


def test_renvs_own_library_is_no_mention(source):
    (source / "renv/library/R-4.3").mkdir(parents=True)
    (source / "renv/library/R-4.3/x.rds").write_text("")
    (source / "renv/activate.R").write_text('file.path("renv", "library")')
    assert mentions(source, "source('renv/activate.R')") == []


def test_each_path_is_named_once_in_the_scripts_order(source):
    found = mentions(source, "'parts'; 'data'; 'data/'; \"parts\"")
    assert [mention.path for mention in found] == ["parts", "data"]


@pytest.mark.parametrize(
    ("rules", "text", "needed"),
    [
        ("data/\n", "'data/raw'", "data/raw/pima.txt"),
        ("/data/\n*.txt\nsecret.csv\n", "'data/raw/pima.txt'", "data/raw/pima.txt"),
        ("data/\n*.txt\n", "list.files('data/raw')", "data/raw/pima.txt"),
        ("data/*\n", "'data'", "data/raw/pima.txt"),
        ("data/**\n", "'data/raw'", "data/raw/pima.txt"),
        ("*.txt\n", "file.path('data', 'raw')", "data/raw/pima.txt"),
        ("*.csv\n", "'big set.csv'", "big set.csv"),
        ("parts/*\n", "'parts'", "parts/one"),
        ("parts/o*\ndata\n", "'parts/one'", "parts/one"),
    ],
)
def test_the_advice_works_as_it_is_written(source, rules, text, needed):
    (source / "secret.csv").write_text("")
    (source / ".gitignore").write_text(rules + "secret.csv\n")
    (found,) = mentions(source, text)
    assert ".gitignore." not in found.message and "to .gitignore" not in found.message
    lines = re.search(r"add the lines? (.*) to \.espalierignore\.", found.message).group(1).split(" and ")
    (source / ".espalierignore").write_text("".join(line + "\n" for line in lines))
    assert mentions(source, text) == []
    kept = [entry.path for entry in scan_source(str(source)).files]
    assert needed in kept and "secret.csv" not in kept


PYTHON = {
    "lib/__init__.py": "from . import load\nfrom .deep.more import f",
    "lib/load.py": "open('data/raw/pima.txt')",
    "lib/deep/more.py": "Path('parts') / 'one'",
    "settings.toml": "[paths]\nbig = 'big set.csv'\n",
}
SOURCED = {
    "R/helpers.R": "source('R/more.R')",
    "R/more.R": "read_yaml('conf/prod.yml')",
    "conf/prod.yml": "# data: data/x\npaths:\n  input: data/raw/pima.txt # here\n  parts: [\"parts/one\"]\n  - big set.csv\n",
    "config.yml": "default:\n  file: 'parts/one'\n",
    "conf/run.json": '{"in": {"path": "big set.csv"}}',
    "conf/run.ini": "[a]\npath = data/raw/pima.txt\n",
    "report.Rmd": "---\nparams:\n  data: parts/one\n---\nIt's text, `'data'`.\n\n```{r load}\nread.csv('big set.csv')\n```\n",
    "nb.ipynb": '{"cells": [{"cell_type": "code", "source": ["import lib.load"]}, {"cell_type": "markdown", "source": ["\'parts\'"]}]}',
    "plain.qmd": "No header.\n\n```{python}\nopen('parts/one')\n```\n",
    "cycle.R": "source('cycle.R'); source('train.R')",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source('R/helpers.R')", {("conf/prod.yml", "data/raw/pima.txt"), ("conf/prod.yml", "parts/one"), ("conf/prod.yml", "big set.csv")}),
        ("source(file.path('R', 'helpers.R'))", {("conf/prod.yml", "data/raw/pima.txt"), ("conf/prod.yml", "parts/one"), ("conf/prod.yml", "big set.csv")}),
        ("for (f in list.files('R')) source(f)", {("conf/prod.yml", "data/raw/pima.txt"), ("conf/prod.yml", "parts/one"), ("conf/prod.yml", "big set.csv")}),
        ("config::get('file')", {("config.yml", "parts/one")}),
        ("fromJSON('conf/run.json')", {("conf/run.json", "big set.csv")}),
        ("ini('conf/run.ini')", {("conf/run.ini", "data/raw/pima.txt")}),
        ("render('report.Rmd')", {("report.Rmd", "parts/one"), ("report.Rmd", "big set.csv")}),
        ("'plain.qmd'", {("plain.qmd", "parts/one")}),
        ("'nb.ipynb'", {("lib/load.py", "data/raw/pima.txt"), ("lib/deep/more.py", "parts/one")}),
        ("source('cycle.R'); 'parts'", {("train.R", "parts")}),
        ("sprintf('data/raw/%s.txt', x)", {("train.R", "data/raw")}),
        ("here('data', 'raw', 'pima.txt')", {("train.R", "data/raw/pima.txt")}),
        ("c('parts', 'data')", {("train.R", "parts"), ("train.R", "data")}),
    ],
)
def test_what_is_sourced_is_read_too(source, text, expected):
    for path, content in {**PYTHON, **SOURCED}.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(content)
    assert {(found.message.split(" mentions ")[0], found.path) for found in mentions(source, text)} == expected


@pytest.mark.parametrize("text", ["import lib", "from lib import load", "import os, lib.load as l", "from lib.load import (a, b)", "  from lib import *"])
def test_imports_are_read(source, text):
    for path, content in PYTHON.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(content)
    (source / "train.py").write_text(text)
    found = mentioned_but_excluded(str(source), mentioned(str(source), ["train.py"]), scan_source(str(source)))
    assert {mention.path for mention in found} == {"data/raw/pima.txt", "parts/one"}


def test_a_module_that_is_left_out_is_a_mention(source):
    (source / ".gitignore").write_text("helpers.py\n")
    (source / "helpers.py").write_text("")
    (source / "train.py").write_text("import helpers")
    (found,) = mentioned_but_excluded(str(source), mentioned(str(source), ["train.py"]), scan_source(str(source)))
    assert found.path == "helpers.py"


def test_a_built_in_rule_is_called_so(source):
    (source / ".env").write_text("")
    (found,) = mentions(source, "'.env'")
    assert "(a built-in rule)" in found.message and found.origin == "default"
    assert "set_secrets()" in found.message and "!/.env" not in found.message  # (never advised into a snapshot)
