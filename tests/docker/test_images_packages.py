"""Packages in images: each change builds only what it must, what fails is named, and no password is left anywhere."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from espalier.adapters.docker_images import find_image
from espalier.api.workspace import Workspace
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.environment.definition import Conda, CranPackage, DockerSide, Environment, PythonSide, RSide, Secret
from espalier.environment.stored_locks import write_lock
from espalier.provision.docker.chain import Image, ensure
from espalier.provision.docker.record import read_image

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


def have(workspace: Workspace, wanted: Environment, **more: Any) -> Image:
    secrets = more.pop("secrets", lambda secret: pytest.fail(f"{secret} was asked for"))
    return ensure(workspace._paths, CachePaths(os.environ["ESPALIER_CACHE_DIR"]), wanted, secrets, **more)


def log_of(workspace: Workspace, image: Image) -> str:
    return Path(workspace._paths.build_log(hex_of(image.key))).read_text()


def in_r(base: str, cran: Any, *names: str, **more: Any) -> Environment:
    packages = [CranPackage(name) for name in names]
    side = RSide(repositories={"CRAN": cran.url}, cran=packages)
    return Environment("probe", r=side, docker=DockerSide(base_image=base, **more))


def in_python(base: str, index: Any, *lines: str, **more: Any) -> Environment:
    side = PythonSide(pip=lines, index_url=f"{index.url}/simple", **more)
    return Environment("probe", python=side, docker=DockerSide(base_image=base))


def run(engine: Any, image: Image, *command: str) -> str:
    # (not by containers.run(), which loses what a container says in its last moment)
    done = subprocess.run(["docker", "run", "--rm", "--network=none", image.id, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_more_r_package_installs_only_itself(workspace: Make, base_image: str, cran: Any, engine: Any) -> None:
    first = have(workspace(), in_r(base_image, cran, "chain.a", "compiled"))
    assert first.found == "built"
    said = run(engine, first, "Rscript", "-e", "cat(.libPaths()[1]); library(chain.a); library(compiled)")
    assert said.startswith("/opt/espalier/library")
    assert "installing" in log_of(workspace(), first)
    second = have(workspace(), in_r(base_image, cran, "chain.a", "compiled", "plain.two"))
    log = log_of(workspace(), second)
    assert "The system stage is there already" in log
    assert log.count(": installing") == 1
    assert log.count(": found in the cache") == 6
    run(engine, second, "Rscript", "-e", "library(plain.two); library(chain.a)")
    record = read_image(workspace()._paths, second.key)
    assert record is not None
    assert {one["name"] for one in record["lock"]["r"]} >= {"chain.a", "plain.two"}
    assert set(record["stages"]) == {"system", "r"}
    image = find_image(second.id)
    assert image is not None
    assert image["Config"]["Labels"]["espalier.key"] == second.key
    assert image["Config"]["Labels"]["espalier.build"] == ""


def test_the_cache_stays_its_owners(workspace: Make, base_image: str, cran: Any) -> None:
    folder = CachePaths(os.environ["ESPALIER_CACHE_DIR"]).r_packages
    os.makedirs(folder)
    os.chown(folder, 1234, 1234)
    have(workspace(), in_r(base_image, cran, "plain"))
    found = [os.lstat(os.path.join(at, name)) for at, names, files in os.walk(folder) for name in names + files]
    assert found
    assert {(one.st_uid, one.st_gid) for one in found} == {(1234, 1234)}


@pytest.mark.parametrize(
    ("package", "missing", "apt"),
    [("no.header", "foo.h", None), ("no.library", "foo", None), ("no.tool", "libxml", "libxml2-dev"), ("no.compile", None, None)],
)
def test_what_fails_is_named(
    workspace: Make, base_image: str, cran: Any, package: str, missing: str, apt: str
) -> None:
    with pytest.raises(EspalierError) as caught:
        have(workspace(), in_r(base_image, cran, "plain", package))
    error = caught.value
    assert (error.code, error.fields["package"]) == ("build_failed", package)
    assert package in error.message
    if missing:
        assert missing in (error.fields["missing"] or "")
        assert missing in error.message
    if apt:
        assert error.fields["apt"] == [apt]
        assert apt in error.hint
    assert f"could not install {package}" in Path(error.fields["log"]).read_text()


def test_an_image_without_r_is_refused(workspace: Make, small_image: str, cran: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        have(workspace(), in_r(small_image, cran, "plain"))
    assert caught.value.code == "build_failed"
    assert "has no Rscript" in caught.value.message


def test_python_packages(workspace: Make, base_image: str, index: Any, engine: Any) -> None:
    image = have(workspace(), in_python(base_image, index, "beta", "gamma==1.0"))
    code = "import alpha, beta, gamma, sys; print(alpha.__version__, sys.prefix)"
    assert run(engine, image, "python", "-c", code).split() == ["2.0", "/opt/espalier/python"]
    assert run(engine, image, "beta").strip() == "beta 1.0"
    record = read_image(workspace()._paths, image.key)
    assert record is not None
    assert any(line.startswith("alpha==2.0") for line in record["lock"]["python"])
    again = have(workspace("other"), in_python(base_image, index, "beta", "gamma==1.0"))
    assert (again.found, again.id) == ("local", image.id)


def test_both_and_a_change_of_r_keeps_python(workspace: Make, base_image: str, index: Any, cran: Any, engine: Any) -> None:
    both = replace(in_r(base_image, cran, "plain"), python=in_python(base_image, index, "alpha").python)
    first = have(workspace(), both)
    code = "library(plain); cat(Sys.getenv('RETICULATE_PYTHON'))"
    assert run(engine, first, "Rscript", "-e", code) == "/opt/espalier/python/bin/python"
    more = replace(both, r=in_r(base_image, cran, "plain", "plain.two").r)
    log = log_of(workspace(), have(workspace(), more))
    assert "The python stage is there already" in log
    assert "The system stage is there already" in log


def test_a_failing_wheel_is_named(workspace: Make, base_image: str, index: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        have(workspace(), in_python(base_image, index, "broken"))
    assert (caught.value.code, caught.value.fields["package"]) in (("build_failed", "broken"), ("lock_failed", "broken"))


def test_a_password_of_an_index_is_nowhere(
    workspace: Make, base_image: str, private_index: Any, engine: Any, home: Path
) -> None:
    user, password = private_index.credentials
    url = private_index.url.replace("://", f"://{user}@")
    side = PythonSide(pip=["beta"], index_url=f"{url}/simple", index_password=Secret("index"))
    wanted = Environment("probe", python=side, docker=DockerSide(base_image=base_image))
    image = have(workspace(), wanted, secrets=lambda secret: password)
    inspected = json.dumps([find_image(image.id), engine.api.history(image.id)])
    assert password not in inspected
    for folder, _, names in os.walk(home):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                assert password.encode() not in path.read_bytes(), path
    assert run(engine, image, "/bin/sh", "-c", f"grep -rIl {password} /opt /root /tmp /etc || echo nowhere").strip() == "nowhere"


def test_a_lock_is_what_is_installed(workspace: Make, base_image: str, cran: Any, own_cran: Any, engine: Any) -> None:
    wanted = in_r(base_image, cran, "versions")
    unlocked = have(workspace(), wanted)
    record = read_image(workspace()._paths, unlocked.key)
    assert record is not None
    from espalier.environment.stored_locks import lock_of

    older = lock_of(record["lock"])
    write_lock(workspace()._paths, wanted, older)
    locked = have(workspace(), wanted)
    assert locked.key != unlocked.key
    assert ": found in the cache" in log_of(workspace(), locked)


def test_conda_packages(workspace: Make, base_image: str, channel: Any, engine: Any) -> None:
    pytest.importorskip("rattler")
    side = PythonSide(conda=Conda(channels=[channel.url], dependencies=["hello", "nice"]))
    image = have(workspace(), Environment("probe", python=side, docker=DockerSide(base_image=base_image)))
    assert "hello" in run(engine, image, "hello")
    assert run(engine, image, "python", "-c", "import nice, sys; print(sys.prefix)").strip() == "/opt/espalier/python"


def test_a_debian_package_that_is_none_is_named(workspace: Make, base_image: str) -> None:
    wanted = Environment("probe", docker=DockerSide(base_image=base_image, apt=["no-such-package-of-debian"]))
    with pytest.raises(EspalierError) as caught:
        have(workspace(), wanted)
    assert caught.value.code == "build_failed"
    # (without a network apt's own words are others)
    assert caught.value.fields["package"] == "no-such-package-of-debian" or "can't reach" in caught.value.message
