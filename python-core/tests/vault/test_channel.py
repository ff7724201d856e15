from pathlib import Path
from typing import Dict

import pytest
from espalier import EspalierError
from espalier.vault.channel import VARIABLE, dump_secrets, given_secrets, load_secrets
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True), TEXT))
def test_back_again(values: Dict[str, str]) -> None:
    assert load_secrets(dump_secrets(values)) == values


@pytest.mark.parametrize("data", [b"", b"x", b"espalier secrets 1\na", b"espalier secrets 1\na 5\nabc\n", b"espalier secrets 1\na x\n\n",
                                  b"espalier secrets 1\na 1\nabc\n", b"espalier secrets 2\na 1\na\n", b"espalier secrets 1\na 1\n\xff\n"])
def test_damaged(data: bytes) -> None:
    with pytest.raises(EspalierError) as caught:
        load_secrets(data)
    assert caught.value.code == "damaged"


def test_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert given_secrets() is None
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    with pytest.raises(EspalierError, match="Its run has ended"):
        given_secrets()
    (tmp_path / "file").write_bytes(dump_secrets({"a": "line\nline\n"}))
    assert given_secrets() == {"a": "line\nline\n"}
