"""What a package's scripts can reach while an image is built."""

import os
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from archives import tar_gz
from espalier.api.workspace import Workspace
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.environment.definition import CranPackage, DockerSide, Environment, PythonSide, RSide, Secret
from espalier.provision.docker.chain import Image, ensure

Make = Callable[..., Workspace]


@pytest.fixture(autouse=True)
def own_images(engine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Images that a test makes are gone after it; builds reach what listens on this machine."""
    monkeypatch.setenv("ESPALIER_BUILD_NETWORK", "host")
    before = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    yield
    after = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    for tag in after - before:
        engine.api.remove_image(tag, force=True)


def have(workspace: Workspace, wanted: Environment, secret: str = "") -> Image:
    return ensure(workspace._paths, CachePaths(os.environ["ESPALIER_CACHE_DIR"]), wanted, lambda _: secret)


ATTACK = """#!/bin/sh
id -u
for at in /espalier/cache /espalier/made /opt/espalier/library /espalier/sources; do
  for file in $(find $at -name DESCRIPTION 2> /dev/null); do chmod 666 $file; echo 'Poison: yes' >> $file; done
  mkdir $at/poison && echo "wrote into $at"
done
(sleep 2; for file in $(find /espalier/made /opt/espalier/library -name DESCRIPTION); do echo 'Poison: yes' >> $file; done) &
exit 0
"""


def test_configure_cannot_change_another_package(workspace: Make, base_image: str, own_cran: Any, engine: Any) -> None:
    contrib = Path(own_cran.folder, "src", "contrib")
    text = "Package: attacker\nVersion: 1.0\nTitle: T\nDescription: D.\nLicense: GPL-3\nAuthor: A\nMaintainer: A <a@b.c>\nDepends: plain\n"
    files = {"attacker/DESCRIPTION": text, "attacker/NAMESPACE": "", "attacker/configure": ATTACK, "attacker/R/a.R": "a <- 1\n"}
    data = tar_gz({name: content.encode() for name, content in files.items()})
    (contrib / "attacker_1.0.tar.gz").write_bytes(data)
    with open(contrib / "PACKAGES", "a", encoding="utf-8") as index:
        index.write("\nPackage: attacker\nVersion: 1.0\nDepends: plain\nNeedsCompilation: no\n")
    for old in contrib.glob("PACKAGES.*"):
        old.unlink()
    side = RSide(repositories={"CRAN": own_cran.url}, cran=[CranPackage("plain"), CranPackage("attacker"), CranPackage("plain.two")])
    made = have(workspace(), Environment("probe", r=side, docker=DockerSide(base_image=base_image)))
    log = Path(workspace()._paths.build_log(hex_of(made.key))).read_text()
    assert "\n200" in log and "wrote into" not in log, log
    cache = CachePaths(os.environ["ESPALIER_CACHE_DIR"])
    kept = list(Path(cache.r_packages).glob("*/*"))
    assert {folder.name for folder in kept} == {"plain", "attacker", "plain.two"}
    for folder in kept:
        if folder.name == "attacker":  # (what it does to itself is its own affair)
            continue
        assert "Poison" not in (folder / "DESCRIPTION").read_text(), folder
    poisoned = engine.containers.run(made.id, ["grep", "-rl", "Poison: yes", "/opt/espalier/library/plain", "/opt/espalier/library/plain.two"], remove=False, detach=True)
    assert poisoned.wait()["StatusCode"] == 1
    poisoned.remove()
    # (what was changed in the cache behind its back is not taken either)
    (plain,) = (folder for folder in kept if folder.name == "plain")
    os.chmod(plain / "DESCRIPTION", 0o644)
    (plain / "DESCRIPTION").write_text("poison")
    only = RSide(repositories={"CRAN": own_cran.url}, cran=[CranPackage("plain")])
    again = have(workspace(), Environment("probe", r=only, docker=DockerSide(base_image=base_image)))
    assert "plain in the cache isn't what was installed there" in Path(workspace()._paths.build_log(hex_of(again.key))).read_text()
    assert (plain / "DESCRIPTION").read_text().startswith("Package: plain\n")


LEAK = """import os, sys
from pathlib import Path
for pair in os.environ.items(): print("%s=%s" % pair, file=sys.stderr)
for folder in ("/espalier", "/proc/1"):
    for name in ("variables", "script", "environ"):
        try: print(Path(folder, name).read_text(errors="replace"), file=sys.stderr)
        except OSError as error: print(error, file=sys.stderr)
try:
    os.mkdir("/espalier/cache/poison")
    print("cache holds", os.listdir("/espalier/cache"), file=sys.stderr)
except OSError as error: print(error, file=sys.stderr)
raise SystemExit("refused by the build")
"""


def test_a_source_distribution_sees_no_password_and_no_shared_cache(
    workspace: Make, base_image: str, private_index: Any, home: Path
) -> None:
    user, password = private_index.credentials
    folder = Path(private_index.folder, "simple", "leak")
    folder.mkdir(exist_ok=True)
    info = "Metadata-Version: 2.2\nName: leak\nVersion: 1.0\n"
    files = {"PKG-INFO": info, "backend.py": LEAK, "pyproject.toml": '[project]\nname = "leak"\nversion = "1.0"\n\n'
             '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'}  # fmt: skip
    (folder / "leak-1.0.tar.gz").write_bytes(tar_gz({f"leak-1.0/{name}": text.encode() for name, text in files.items()}))
    (folder / "index.html").write_text('<a href="leak-1.0.tar.gz">leak-1.0.tar.gz</a>')
    url = private_index.url.replace("://", f"://{user}@") + "/simple"
    side = PythonSide(pip=["leak", "beta"], index_url=url, index_password=Secret("index"))
    with pytest.raises(EspalierError) as caught:
        have(workspace(), Environment("probe", python=side, docker=DockerSide(base_image=base_image)), password)
    assert caught.value.code == "build_failed"
    told = f"{caught.value.message}{caught.value.hint}{caught.value.fields}" + Path(caught.value.fields["log"]).read_text()
    assert "refused by the build" in told and "UV_CACHE_DIR" in told
    assert password not in told
    for folder_, _, names in os.walk(home):
        for name in names:
            path = Path(folder_, name)
            if path.is_file():
                assert password.encode() not in path.read_bytes(), path
    cache = CachePaths(os.environ["ESPALIER_CACHE_DIR"])
    assert not list(Path(cache.python).rglob("poison"))
