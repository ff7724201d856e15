"""uv: locked lines, indexes and their passwords; real uv against a small index."""

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.environment.definition import DockerSide, Environment, PythonSide, Secret
from espalier.provision.packages.pyenv import (
    PythonHost,
    find_uv,
    lock_python,
    requirement_lines,
    requirements_text,
    uv_variables,
)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Any]:
    import pypi
    from web import Site

    pypi.make(tmp_path / "pypi")
    with Site(tmp_path / "pypi") as site:
        yield site


def lock(cache: CachePaths, site: Any, *lines: str, **fields: Any) -> Any:
    return lock_python(Environment("e", python=PythonSide(pip=lines, index_url=site.url + "/simple")), cache, PythonHost(), **fields)


def test_locked_lines_have_hashes(cache: CachePaths, site: Any) -> None:
    lines = lock(cache, site, "beta", "alpha<2", "gamma")
    assert [line.partition(" ")[0] for line in lines] == ["alpha==1.0", "beta==1.0", "gamma==1.0"]
    assert all(" --hash=sha256:" in line for line in lines)


@pytest.mark.parametrize(
    ("lines", "code", "word"),
    [
        (["nobodyhasthis"], "package_missing", "nobodyhasthis"),
        (["delta"], "package_missing", "nobody-has-this"),
        (["beta", "alpha==0.1"], "lock_failed", "alpha"),
    ],
)
def test_what_cannot_be_resolved_is_said(cache: CachePaths, site: Any, lines: Any, code: str, word: str) -> None:
    with pytest.raises(EspalierError) as caught:
        lock(cache, site, *lines)
    assert caught.value.code == code
    assert word in str(caught.value)


def test_password_goes_by_a_variable_to_its_index_alone(cache: CachePaths) -> None:
    side = PythonSide(pip=["x"], index_url="https://me@one.org/simple", extra_index_urls=["https://two.org/simple"], index_password=Secret("pw"))
    found = uv_variables(Environment("e", python=side), cache, lambda secret: "canary")
    assert {name: value for name, value in found.items() if "INDEX" in name} == {
        "UV_DEFAULT_INDEX": "espalier=https://one.org/simple",
        "UV_INDEX": "espalier1=https://two.org/simple",
        "UV_INDEX_ESPALIER_USERNAME": "me",
        "UV_INDEX_ESPALIER_PASSWORD": "canary",
    }


def test_an_index_with_a_password(cache: CachePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real uv logs in; the password is in none of its arguments and in no file."""
    import pypi
    from web import Site

    pypi.make(tmp_path / "pypi")
    with Site(tmp_path / "pypi", credentials=("me", "canary-7")) as site:
        arguments = tmp_path / "arguments"
        spy = tmp_path / "uv"
        spy.write_text(f'#!/bin/sh\necho "$@" >> {arguments}\nexec {find_uv()} "$@"\n')
        spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("ESPALIER_UV", str(spy))
        side = PythonSide(pip=["alpha"], index_url=site.url.replace("//", "//me@") + "/simple", index_password=Secret("pw"))
        lines = lock_python(Environment("e", python=side), cache, PythonHost(), lambda secret: "canary-7")
        assert lines[0].startswith("alpha==2.0")
        assert "canary" not in arguments.read_text() + "".join(lines)
        for parent, _, files in os.walk(cache.python):
            for name in files:
                assert b"canary" not in Path(parent, name).read_bytes()
        with pytest.raises(EspalierError):
            lock_python(Environment("e", python=side), CachePaths(str(tmp_path / "other")), PythonHost(), lambda secret: "wrong")


def test_pip_configuration_is_told_to_uv(cache: CachePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = DockerSide(pip_config="[global]\nindex-url = https://company.org/simple\nextra-index-url =\n  https://a.org/s\n  https://b.org/s\n")
    found = uv_variables(Environment("e", python=PythonSide(pip=["x"]), docker=docker), cache)
    assert found["UV_DEFAULT_INDEX"] == "https://company.org/simple"
    assert found["UV_INDEX"] == "https://a.org/s https://b.org/s"
    monkeypatch.setenv("PIP_INDEX_URL", "https://machine.org/simple")
    assert uv_variables(Environment("e", python=PythonSide(pip=["x"])), cache)["UV_DEFAULT_INDEX"] == "https://machine.org/simple"


def test_other_environments_do_not_shine_through(cache: CachePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX", "UV_PYTHON_PREFERENCE"):
        monkeypatch.setenv(name, "x")
    found = uv_variables(Environment("e", python=PythonSide()), cache)
    assert {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX"} & set(found) == set()
    assert "UV_PYTHON_PREFERENCE" in found


def test_hashes_of_the_definition_are_honoured(cache: CachePaths, site: Any) -> None:
    (line,) = lock(cache, site, "alpha==1.0")
    good, bad = line.partition("--hash=")[2], "sha256:" + "0" * 64
    assert lock(cache, site, f"alpha==1.0 --hash={good} --hash={bad}") == [line]
    with pytest.raises(EspalierError) as caught:
        lock(cache, site, f"alpha==1.0 --hash={bad}", "beta")
    assert (caught.value.code, caught.value.fields["package"]) == ("lock_failed", "alpha")


def test_lines_of_a_requirements_file() -> None:
    text = "# made\n--index-url x\na==1 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\nb @ https://x\n"
    assert requirement_lines(text) == ["a==1 --hash=sha256:1 --hash=sha256:2", "b @ https://x"]


def test_uv_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_UV", "/no/uv")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("espalier.provision.packages.pyenv.sys.executable", "/nowhere/python")
    monkeypatch.setattr("espalier.provision.packages.pyenv.folder_of", lambda name: None)
    with pytest.raises(EspalierError) as caught:
        find_uv()
    assert (caught.value.code, caught.value.fields) == ("extra_missing", {"extra": "packages"})


def test_constraints_bind_what_is_resolved_and_add_nothing(cache: CachePaths, site: Any) -> None:
    lines = lock(cache, site, "beta", "--constraint alpha<2", "--constraint gamma==0.1")
    assert [line.partition(" ")[0] for line in lines] == ["alpha==1.0", "beta==1.0"]


def test_binaries_are_preferred(cache: CachePaths, tmp_path: Path) -> None:
    """An older wheel before a newer source; a package that has sources alone is built."""
    import pypi
    from web import Site

    new = [pypi.source("alpha", "3.0")]
    root = pypi.make(tmp_path / "pypi")
    for project, file, content in new:
        (root / project / file).write_bytes(content)
        page = (root / project / "index.html").read_text()
        (root / project / "index.html").write_text(page.replace("</body>", f'<a href="{file}">{file}</a></body>'))
    with Site(tmp_path / "pypi") as site:
        assert [line.split(" ")[0] for line in lock(cache, site, "alpha")] == ["alpha==3.0"]
        assert [line.split(" ")[0] for line in lock(cache, site, "alpha", "--prefer-binary")] == ["alpha==2.0"]
        assert [line.split(" ")[0] for line in lock(cache, site, "gamma", "--prefer-binary")] == ["gamma==1.0"]


def test_a_host_that_is_trusted(cache: CachePaths, tmp_path: Path) -> None:
    """Real uv, an index whose certificate nobody vouches for: refused, and taken with --trusted-host."""
    import pypi
    from web import Site

    pypi.make(tmp_path / "pypi")
    with Site(tmp_path / "pypi", certificate=own_certificate(tmp_path)) as site:
        with pytest.raises(EspalierError) as caught:
            lock(cache, site, "alpha")
        assert caught.value.code in ("lock_failed", "package_missing")
        host = site.url.partition("://")[2]
        assert lock(cache, site, "alpha", f"--trusted-host {host}")[0].startswith("alpha==2.0 --hash=")


def own_certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    file = folder / "own.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", str(folder / "own.crt")]
    subprocess.run(make, check=True, stderr=subprocess.DEVNULL)
    file.write_bytes(file.read_bytes() + (folder / "own.crt").read_bytes())
    return file


def test_options_of_the_definition_reach_uv(cache: CachePaths) -> None:
    side = PythonSide(pip=["x", "--trusted-host a.org", "--trusted-host b.org:8", "--constraint x<2", "--prefer-binary", "--pre"])
    assert uv_variables(Environment("e", python=side), cache)["UV_INSECURE_HOST"] == "a.org b.org:8"
    assert requirements_text(side, ["x==1"]) == "--pre\nx==1\n"
