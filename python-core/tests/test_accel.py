import sys
import types

import pytest
from espalier import accel


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
def test_none_where_it_is_not_built_or_is_of_another_version(monkeypatch, made):
    monkeypatch.setitem(sys.modules, "espalier_native", made)
    assert accel.native() is None
