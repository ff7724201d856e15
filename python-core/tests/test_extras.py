"""Optional packages: what is known of them, and how one that isn't there is reported."""

import json
import re
from pathlib import Path

import pytest
from espalier.base import extras
from espalier.base.errors import EspalierError

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
KNOWN = json.loads(Path(extras.__file__).with_name("extras.json").read_text("utf-8"))


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "base"])
def test_each_is_an_extra_of_the_project_with_these_packages(name: str) -> None:
    found = re.search(rf"^{name} = \[(.*)\]$", PROJECT.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    packages = re.findall(r'"([A-Za-z-]+)', found[1])
    assert KNOWN[name]["packages"] == " and ".join(packages)
    assert len(KNOWN[name]["modules"]) == len(packages)


def test_those_of_the_base_are_the_dependencies() -> None:
    assert f'dependencies = ["{KNOWN["base"]["packages"]}>=' in PROJECT.read_text("utf-8")


def test_one_that_is_there_is_found_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "cryptography").mkdir()
    (tmp_path / "cryptography" / "__init__.py").touch()
    (tmp_path / "single.py").touch()
    extras.require("secrets", [str(tmp_path)])
    assert extras.folder_of("cryptography", [str(tmp_path)]) == str(tmp_path)
    assert extras.folder_of("single", [str(tmp_path)]) == str(tmp_path)
    assert extras.folder_of("nowhere") is None
    assert extras.folders_of(["json", "csv", "nowhere"]) == [str(Path(json.__file__).parents[1])]


def test_one_that_is_not_there_is_named_with_what_installs_it(tmp_path: Path) -> None:
    with pytest.raises(EspalierError) as caught:
        extras.require("cli", [str(tmp_path)])
    error = caught.value
    assert (error.code, error.fields) == ("extra_missing", {"extra": "cli"})
    assert error.message == "Can't find the Python packages click and jmespath: the command line is made with them."
    assert error.hint == "In R: install_espalier(\"cli\"). Elsewhere: python -m pip install click jmespath."


