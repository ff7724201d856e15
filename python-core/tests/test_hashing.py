"""SHA-256 by the interpreter's own code, or by OpenSSL where that is worth its loading."""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from espalier.base import hashing

SOURCE = str(Path(hashing.__file__ or "").parents[2])


@pytest.mark.parametrize("size,is_loaded", [(0, False), (1 << 18, False), (1 + (1 << 18), True)])
@pytest.mark.parametrize("call", ["sha256(bytes({}))", "load_for({})"])
def test_only_much_loads_openssl(call: str, size: int, is_loaded: bool) -> None:
    code = f"import sys; sys.path.append({SOURCE!r}); from espalier.base.hashing import load_for, sha256\n"
    code += f"{call.format(size)}; print('hashlib' in sys.modules, sha256(b'abc').hexdigest())"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(is_loaded), hashlib.sha256(b"abc").hexdigest()]


def test_an_interpreter_was_built_without_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_sha2", "_sha256"):
        monkeypatch.setitem(sys.modules, name, None)
    found = importlib.util.spec_from_file_location("hashing_again", hashing.__file__)
    assert found is not None and found.loader is not None
    again = importlib.util.module_from_spec(found)
    found.loader.exec_module(again)
    assert again._own is hashlib.sha256
