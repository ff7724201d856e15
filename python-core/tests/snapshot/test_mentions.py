import pytest
from espalier.snapshot.mentions import mentioned_but_excluded
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
    return mentioned_but_excluded(str(source), "train.R", scan_source(str(source)))


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
    assert "inputs = list(" in found.message and "\n" not in found.message


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


def test_each_path_is_named_once_in_the_scripts_order(source):
    found = mentions(source, "'parts'; 'data'; 'data/'; \"parts\"")
    assert [mention.path for mention in found] == ["parts", "data"]


def test_the_remedy_works(source):
    (found,) = mentions(source, "'data/raw'")
    line = found.message.split("add the line ")[1].split(" to .gitignore")[0]
    (source / ".gitignore").write_text(RULES + line + "\n")
    assert mentions(source, "'data/raw'") == []


def test_a_built_in_rule_is_called_so(source):
    (source / ".env").write_text("")
    (found,) = mentions(source, "'.env'")
    assert "(a built-in rule)" in found.message and found.origin == "default"
