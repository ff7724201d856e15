import base64
import os

import pytest
from espalier import EspalierError
from espalier.vault.sealed import Sealer
from hypothesis import given
from hypothesis import strategies as st

KEY = os.urandom(32)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_back_again(value: str) -> None:
    sealed = Sealer(KEY, "w").seal("n", value)
    assert Sealer(KEY, "w").open("n", sealed) == value
    assert len(value) < 4 or value not in sealed


def test_never_twice_the_same() -> None:
    assert Sealer(KEY, "w").seal("n", "value") != Sealer(KEY, "w").seal("n", "value")


@pytest.mark.parametrize("key, workspace, name", [(os.urandom(32), "w", "n"), (KEY, "v", "n"), (KEY, "w", "m")], ids=("key", "workspace", "name"))
def test_bound_to_key_workspace_and_name(key: bytes, workspace: str, name: str) -> None:
    sealed = Sealer(KEY, "w").seal("n", "value")
    with pytest.raises(EspalierError) as caught:
        Sealer(key, workspace).open(name, sealed)
    assert caught.value.code == "damaged"


def test_any_changed_bit_is_noticed() -> None:
    data = base64.b64decode(Sealer(KEY, "w").seal("n", "value"))
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(EspalierError, match="set_secrets"):
            Sealer(KEY, "w").open("n", base64.b64encode(changed).decode())


@pytest.mark.parametrize("sealed", [None, "", "AAAA", "no base64!", 3, "é"])
def test_what_was_never_sealed(sealed: object) -> None:
    with pytest.raises(EspalierError, match="damaged"):
        Sealer(KEY, "w").open("n", sealed)
