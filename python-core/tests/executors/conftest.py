"""Executors of other packages: a folder of packages that is on this Python's path, and a daemon that executes jobs."""

import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

FAR = Path(__file__).parent / "far"
# Registers an executor, as an installer does: name, module and class.
Register = Callable[[str, str], Path]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that nothing is installed in yet."""
    folder = tmp_path / "site"
    folder.mkdir(mode=0o755)
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def register(site: Path) -> Register:
    def registered(name: str, target: str) -> Path:
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[espalier.executors]\n{name} = {target}\n")
        return site

    return registered


@pytest.fixture
def far(register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The executor `far` is installed, and its daemon listens."""
    package = register("far", "far.executor:FarExecutor") / "far"
    package.mkdir()
    for name in ("__init__.py", "executor.py", "client.py"):
        (package / name).write_text((FAR / name).read_text())
    monkeypatch.setenv("HOME", str(tmp_path))
    daemon = subprocess.Popen([sys.executable, str(FAR / "host.py"), str(tmp_path / "far.socket")], stdout=subprocess.PIPE)
    assert daemon.stdout is not None and daemon.stdout.readline() == b"ready\n"
    yield
    daemon.kill()
    daemon.communicate()
