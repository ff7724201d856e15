"""The services themselves: what the other tests stand on."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, List

import pytest
from cran import Package, add
from registry import Registry
from web import Site

SERVICES = Path(__file__).parents[1] / "services"


def test_the_base_image_has_r_python_and_a_compiler(engine: Any, base_image: str) -> None:
    code = "Rscript -e 'stopifnot(requireNamespace(\"R6\"), requireNamespace(\"jsonlite\"))' && python3 -m venv /tmp/v && gcc --version"
    said = engine.containers.run(base_image, ["sh", "-ec", code], remove=True, network_mode="none")
    assert b"gcc" in said


def test_an_image_goes_to_the_private_registry_only_with_the_password(engine: Any, small_image: str, private_registry: Registry) -> None:
    image = engine.images.build(fileobj=_dockerfile(f"FROM {small_image}\nLABEL a=b\n"), rm=True, forcerm=True)[0]
    target = f"{private_registry.address}/a"
    image.tag(target, "1")
    try:
        refused = engine.images.push(target, "1", auth_config={"username": "robot", "password": "wrong"})
        assert "unauthorized" in refused or "no basic auth" in refused
        username, password = private_registry.credentials or ("", "")
        assert private_registry.repositories() == []
        engine.images.push(target, "1", auth_config={"username": username, "password": password})
        assert private_registry.tags("a") == ["1"]
        assert private_registry.digest("a", "1").startswith("sha256:")
        private_registry.stop()
        with pytest.raises(OSError):
            private_registry.tags("a")
        private_registry.start()
        assert private_registry.tags("a") == ["1"]
    finally:
        engine.images.remove(f"{target}:1")


def _dockerfile(text: str) -> Any:
    import io

    return io.BytesIO(text.encode())


def test_r_installs_from_the_repository(cran: Site, tmp_path: Path) -> None:
    _r(tmp_path, f"install.packages('linking', repos = '{cran.url}'); stopifnot(linking::linking() == 'linking 1.0.0')")
    _r(tmp_path, f"install.packages('no.library', repos = '{cran.file_url}'); stopifnot(!requireNamespace('no.library'))")


def test_a_repository_grows(own_cran: Site, tmp_path: Path) -> None:
    add(own_cran.folder, Package("plain", "1.5.0"))
    _r(tmp_path, f"found <- available.packages(repos = '{own_cran.url}', type = 'source', filters = list());"
                 "stopifnot(found['plain', 'Version'] == '1.5.0', nrow(found) > 60)")


def _r(library: Path, code: str) -> None:
    settings = {**os.environ, "R_LIBS": str(library)}
    subprocess.run(["Rscript", "--vanilla", "-e", code], check=True, env=settings, timeout=120)


def test_a_private_site_wants_its_password(private_index: Site) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(private_index.url + "/simple/")
    assert private_index.asked[-1].authorization == ""


def test_what_is_up_ends_with_whoever_wanted_it() -> None:
    wanted = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    said = subprocess.run(["bash", str(SERVICES / "up.sh"), "--until", str(wanted.pid), "cran"], check=True,
                          capture_output=True, text=True, timeout=60).stdout
    url = _exported(said, "ESPALIER_TEST_CRAN") + "/src/contrib/PACKAGES"
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
    wanted.communicate()
    deadline = time.monotonic() + 20
    while _answers(url) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _answers(url)


def _exported(said: str, name: str) -> str:
    found: List[str] = [line for line in said.splitlines() if line.startswith(f"export {name}=")]
    return found[0].partition("=")[2]


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url).close()
    except OSError:
        return False
    return True
