import os
import subprocess
import sys
import types
from importlib.machinery import EXTENSION_SUFFIXES

import pytest
from espalier.base import accel


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.delenv("ESPALIER_NATIVE", raising=False)
    accel._load.cache_clear()
    yield
    accel._load.cache_clear()


def module(**attributes):
    made = types.ModuleType("espalier_native")
    made.__dict__.update(attributes)
    return made


def test_it_is_used_where_it_is_built_unless_switched_off(monkeypatch):
    built = module(INTERFACE=accel._INTERFACE)
    monkeypatch.setitem(sys.modules, "espalier_native", built)
    assert accel.native() is built
    monkeypatch.setenv("ESPALIER_NATIVE", "no")
    assert accel.native() is None


@pytest.mark.parametrize("made", [None, module(), module(INTERFACE=0)])
def test_none_where_it_is_not_built_or_is_of_another_version(monkeypatch, tmp_path, made):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setitem(sys.modules, "espalier_native", made)
    assert accel.native() is None


def test_one_that_cannot_be_loaded_is_as_good_as_none(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setitem(sys.modules, "espalier_native", None)
    folder = tmp_path / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    folder.mkdir(parents=True)
    (folder / ("espalier_native" + EXTENSION_SUFFIXES[0])).write_bytes(b"no library")
    assert accel.native() is None


def test_the_runner_finds_it_without_looking_for_packages():
    if accel.native() is None:
        pytest.skip("the native scanner is not built")
    root = os.path.dirname(os.path.dirname(os.path.dirname(accel.__file__)))
    code = f"import sys; sys.path.insert(0, {root!r}); from espalier.base.accel import native; print(native().INTERFACE)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (str(accel._INTERFACE), "")
