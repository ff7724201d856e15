"""Several at once, killed, called off, no room: one build, and nothing half is ever used."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, List

import espalier
import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import CachePaths, PrivatePaths
from espalier.base.progress import Cancelled, Listener, listening
from espalier.environment.definition import CranPackage, Environment, RSide
from espalier.provision.local.ensure import ensure, is_whole, key_of
from espalier.provision.local.found import PrivateEnvironment, Session
from made_cran import Cran

SOURCE = str(Path(espalier.__file__).parent.parent)
# A package whose installation lasts until a file is there, and leaves a mark that it has begun.
SLOW = "cat('begun', file = '{0}/begun')\nwhile (!file.exists('{0}/go')) Sys.sleep(0.05)\n"
CODE = """
import sys
from espalier.environment.definition import CranPackage, Environment, RSide
from espalier.base.paths import CachePaths
from espalier.provision.local.ensure import ensure
from espalier.provision.local.found import Session
root, url, rscript, version = sys.argv[1:]
environment = Environment("env", r=RSide(repositories={"CRAN": url}, cran=[CranPackage("slow")]))
ensure(CachePaths(root + "/cache"), environment, None, Session(rscript, version), root + "/log")
"""


@pytest.fixture
def environment(cran: Cran, tmp_path: Path) -> Environment:
    cran.add("slow", files={"R/b.R": SLOW.format(tmp_path)})
    return Environment("env", r=RSide(repositories={"CRAN": cran.url}, cran=[CranPackage("slow")]))


def begin(tmp_path: Path, cran: Cran, session: Session) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-c", CODE, str(tmp_path), cran.url, str(session.rscript), str(session.r_version)]
    return subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": SOURCE})


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.02)


def paths_of(cache: CachePaths, environment: Environment, session: Session) -> PrivatePaths:
    return PrivatePaths(cache.private_environment(key_of(environment, None, session).partition(":")[2]))


def test_two_at_once_make_one_build_and_see_one_log(cache: CachePaths, cran: Cran, session: Session, environment: Environment, tmp_path: Path) -> None:
    first = begin(tmp_path, cran, session)
    wait_for(tmp_path / "begun")
    found: List[Any] = []
    thread = threading.Thread(target=lambda: found.append(ensure(cache, environment, None, session, str(tmp_path / "second"))))
    thread.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "second").exists() or "slow 1.0: installing" not in (tmp_path / "second").read_text():
        assert time.monotonic() < deadline  # what the other build says, while it goes on
        time.sleep(0.02)
    assert not is_whole(paths_of(cache, environment, session))
    (tmp_path / "go").touch()
    thread.join(60)
    assert first.wait(60) == 0
    assert isinstance(found[0], PrivateEnvironment)
    assert found[0].found
    assert (tmp_path / "second").read_text() == (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().count("installing *source*") == 1


def test_a_killed_build_is_begun_anew(cache: CachePaths, cran: Cran, session: Session, environment: Environment, tmp_path: Path) -> None:
    builder = begin(tmp_path, cran, session)
    wait_for(tmp_path / "begun")
    paths = paths_of(cache, environment, session)
    assert os.path.isdir(paths.root)
    Path(paths.library, "rubbish").touch()
    os.kill(builder.pid, signal.SIGKILL)
    builder.wait()
    assert not is_whole(paths)
    # what it had started goes on for a while, and holds the lock: nobody builds into the same folder meanwhile
    (tmp_path / "go").touch()
    found = ensure(cache, environment, None, session)
    assert not found.found
    assert os.listdir(paths.library) == ["slow"]


def test_a_build_that_is_called_off_leaves_nothing(cache: CachePaths, session: Session, environment: Environment, tmp_path: Path) -> None:
    listener = Listener()
    raised: List[BaseException] = []

    def build() -> None:
        with listening(listener):
            try:
                ensure(cache, environment, None, session)
            except BaseException as error:
                raised.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    wait_for(tmp_path / "begun")
    listener.cancelled = True
    thread.join(30)
    assert isinstance(raised[0], Cancelled)
    assert os.listdir(cache.private) == []
    (tmp_path / "go").touch()
    assert not ensure(cache, environment, None, session).found


def test_those_who_waited_are_told_the_same_failure(cache: CachePaths, cran: Cran, session: Session, tmp_path: Path) -> None:
    cran.add("slow", files={"R/b.R": SLOW.format(tmp_path) + "stop('no good')\n"})
    environment = Environment("env", r=RSide(repositories={"CRAN": cran.url}, cran=[CranPackage("slow")]))
    first = begin(tmp_path, cran, session)
    wait_for(tmp_path / "begun")
    raised: List[EspalierError] = []

    def build() -> None:
        try:
            ensure(cache, environment, None, session, str(tmp_path / "second"))
        except EspalierError as error:
            raised.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    wait_for(tmp_path / "second")
    (tmp_path / "begun").unlink()
    (tmp_path / "go").touch()
    thread.join(60)
    assert first.wait(60) != 0
    assert (raised[0].code, raised[0].fields["package"]) == ("build_failed", "slow")
    assert "no good" in str(raised[0])
    assert not (tmp_path / "begun").exists()  # it was not tried a second time


def test_a_damaged_record_is_no_environment(cache: CachePaths, cran: Cran, session: Session, environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    first = ensure(cache, environment, None, session)
    paths = PrivatePaths(str(first.folder))
    Path(paths.record).write_text("{")
    again = ensure(cache, environment, None, session)
    assert (again.found, again.folder) == (False, first.folder)


def test_no_room(cran: Cran, session: Session, tmp_path: Path, environment: Environment) -> None:
    (tmp_path / "go").touch()
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a small disk")
    try:
        cache = CachePaths(str(small / "cache"))
        with pytest.raises(EspalierError) as caught:
            ensure(cache, environment, None, session)
        assert caught.value.code == "build_failed"
        assert os.listdir(cache.private) == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
