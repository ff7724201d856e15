"""Definitions from the files of others: requirements, conda, Dockerfiles, renv.lock; hostile ones among them."""

import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier import Environment, EspalierError
from espalier.environment.conversion import MadeFrom
from espalier.environment.definition import CranPackage, GithubPackage, PythonSide, RSide

from .test_definition import FULL

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def refused(call: Any, *args: Any) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        call(*args)
    assert caught.value.code == "environment_invalid"
    assert caught.value.message.isprintable()
    return caught.value


def python(environment: Environment) -> PythonSide:
    assert environment.python is not None
    return environment.python


def r(environment: Environment) -> RSide:
    assert environment.r is not None
    return environment.r


# ---- pip


def test_requirements(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "requirements.txt").write_text(
        "# ours\n--index-url https://pypi.example.org/simple\n--extra-index-url=https://pypi.org/simple\n"
        f"numpy==1.26.4 \\\n    --hash={DIGEST} \\\n    --hash={OTHER}  # why\n\n"
        "-r sub/more.txt\n--find-links https://x.org/wheels\nq @ https://x.org/q.zip#egg=q\n"
    )
    (tmp_path / "sub" / "more.txt").write_text("\ufeffpandas\r\n-rdeep.txt\r\n")
    (tmp_path / "sub" / "deep.txt").write_text("scipy\n-r more.txt\n-r ../requirements.txt\n")
    side = python(Environment.from_pip_requirements("e", str(tmp_path / "requirements.txt")))
    assert side == PythonSide(
        pip=[
            f"numpy==1.26.4 --hash={DIGEST} --hash={OTHER}", "pandas", "scipy",
            "--find-links https://x.org/wheels", "q @ https://x.org/q.zip#egg=q",
        ],
        index_url="https://pypi.example.org/simple", extra_index_urls=["https://pypi.org/simple"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "line, says",
    [
        ("-r ../secret.txt", "outside"),
        ("-r /etc/passwd", "outside"),
        ("-r link.txt", "outside"),
        ("-r https://x.org/r.txt", "by a URL"),
        ("-r none.txt", "can't be read"),
        ("-r .", "outside"),
        ("-r sub", "can't be read"),
        ("-c ../secret.txt", "outside"),
        ("-c https://x.org/c.txt", "by a URL"),
        ("-e .", "an editable installation of '.'"),
        ("-e ./src[dev]", "an editable installation"),
        ("--editable=src", "an editable installation"),
        ("--trusted-host x.org;id", "'--trusted-host'"),
        ("--global-option=x", "'--global-option'"),
        ("numpy\n--require-hashes", "has no hash"),
        ("-f wheels", "a folder of this machine"),
        ("pkg @ file:///home/me/pkg", "files of this machine"),
        ("pkg @ ./pkg-1.0-py3-none-any.whl", "files of this machine"),
        (".", "files of this machine"),
        ("git+ssh://git@github.com/me/pkg.git@v1#egg=pkg", "by SSH"),
        ("pkg @ git+ssh://git@github.com/me/pkg.git", "by SSH"),
        ("-e git+ssh://git@github.com/me/pkg.git#egg=pkg", "an editable installation"),
        ("git@github.com:me/pkg.git", "by SSH"),
        ("--index-url https://${USER_NAME}:${PASS_WORD}@x.org/simple", "from the variable USER_NAME"),
        ("pkg @ https://x.org/${API_TOKEN}/pkg.whl", "from the variable API_TOKEN"),
        ("pkg==${NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE, which is not set"),
        ("--index-url https://me:hunter2@x.org/simple", "credentials"),
        ("--index-url https://a.org\n--index-url https://b.org", "another index"),
        ("numpy==$(id)", "is 'numpy==$(id)', which isn't a requirement"),
        ("six=1.16", "is 'six=1.16', which isn't a requirement"),
        ("./wheels/x.whl", "files of this machine"),
        ("numpy==1\nnumpy==2", "twice"),
    ],
)
def test_requirements_that_are_refused(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "secret.txt").write_text("CANARY==1\nCANARY\n")
    (tmp_path / "here" / "sub").mkdir(parents=True)
    (tmp_path / "here" / "link.txt").symlink_to("../secret.txt")
    file = tmp_path / "here" / "requirements.txt"
    file.write_text(line + "\n")
    error = refused(Environment.from_pip_requirements, "e", str(file))
    assert says in error.message
    if says not in ("twice", "outside", "by a URL", "can't be read", "has no hash"):
        assert error.message.startswith(f"{file}:{len(line.splitlines())} ") and error.hint
    assert "CANARY" not in str(error) and "hunter2" not in str(error)


def test_a_version_with_one_sign_is_explained(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("six = 1.16\n")
    assert refused(Environment.from_pip_requirements, "e", str(tmp_path / "r.txt")).hint == "Did you mean six==1.16?"


def test_requirements_as_people_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPANY_HOST", "pypi.example.org")
    (tmp_path / "deep").mkdir()
    (tmp_path / "requirements.txt").write_bytes(
        "--trusted-host ${COMPANY_HOST}\r\n--index-url https://${COMPANY_HOST}/simple\r\n--prefer-binary\r\n"
        "-c deep/constraints.txt\r\nnumpy>=1 \\\r\n  # why\r\npandas[excel]>=2 ; python_version >= '3.8'\r\n--pre\r\n"
        "--only-binary=:all:\r\n-e git+https://github.com/me/pkg.git@v1#egg=pkg\r\n".encode("utf-16")
    )
    (tmp_path / "deep" / "constraints.txt").write_text("numpy<2\n-r more.txt\n-c constraints.txt\n")
    (tmp_path / "deep" / "more.txt").write_text("pytz==2024.1")
    side = python(Environment.from_pip_requirements("e", str(tmp_path / "requirements.txt")))
    assert side.index_url == "https://pypi.example.org/simple"
    assert list(side.pip) == [
        "--trusted-host pypi.example.org", "--prefer-binary", "--constraint numpy<2", "--constraint pytz==2024.1",
        "numpy>=1", "pandas[excel]>=2 ; python_version >= '3.8'", "--pre", "--only-binary :all:",
        "pkg @ git+https://github.com/me/pkg.git@v1#egg=pkg",
    ]  # fmt: skip


def test_a_requirements_file_that_is_a_file_of_constraints_too(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==1.26\n-c requirements.txt\n")
    side = python(Environment.from_pip_requirements("e", str(tmp_path / "requirements.txt")))
    assert sorted(side.pip) == ["--constraint numpy==1.26", "numpy==1.26"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    (tmp_path / "large").write_bytes(b"a" * (5 << 20))
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "binary", "large", "", "a\0b", "new\nline"):
        refused(Environment.from_pip_requirements, "e", str(tmp_path / name))
    # (nobody writes to it, and nobody waits)
    assert python(Environment.from_pip_requirements("e", str(tmp_path / "pipe"))).pip == ()


# ---- conda


def test_conda_specification(tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_text(
        "name: theirs\nchannels: [conda-forge, nodefaults]\ndependencies:\n  - python=3.10\n  - numpy=1.26=py310h_0\n"
        "  - _libgcc_mutex\n  - conda-forge::xgboost>=1,<2\n  - pip\n  - pip:\n    - -r more.txt\n    - lightgbm==4.0\n"
        "variables:\n  A: 010\nprefix: /home/me/x\n"
    )
    (tmp_path / "more.txt").write_text("rich\n")
    environment = Environment.from_conda_specification("mine", str(file))
    side = python(environment)
    assert side.conda is not None and side.version is None
    assert side.conda.channels == ("conda-forge", "nodefaults")
    assert side.conda.dependencies == (
        "python=3.10", "numpy=1.26=py310h_0", "_libgcc_mutex", "conda-forge::xgboost>=1,<2", "pip",
    )  # fmt: skip
    assert (side.pip, environment.name, environment.variables) == (("rich", "lightgbm==4.0"), "mine", {"A": "010"})


@pytest.mark.parametrize(
    "text, says",
    [
        ("dependencies: [numpy, {conda: [x]}]", "neither"),
        ("dependencies: numpy", "list"),
        ("dependencies: ['numpy; rm -rf /']", "python.conda.dependencies"),
        ("dependencies: ['-v']", "python.conda.dependencies"),
        ("channels: ['https://me:hunter2@x.org/c']", "credentials"),
        ("dependencis: []", "dependencis"),
        ("- numpy", "isn't a conda specification"),
        ("dependencies: [!!python/name:os.system '']", "tag"),
        ("dependencies: &a [*a]", "anchor"),
        ("variables: {A: [b]}", "variables"),
    ],
)
def test_conda_specifications_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "environment.yml").write_text(text)
    error = refused(Environment.from_conda_specification, "e", str(tmp_path / "environment.yml"))
    assert says in error.message and "hunter2" not in str(error)


def test_an_installed_environment_of_conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = tmp_path / "envs" / "theirs"
    (prefix / "conda-meta").mkdir(parents=True)
    for name, channel in (("numpy", "https://conda.anaconda.org/conda-forge/linux-64"), ("python", "https://x.org/main/noarch")):
        record = {"name": name, "version": "1.2", "build": "h0_1", "channel": channel}
        (prefix / "conda-meta" / f"{name}-1.2-h0_1.json").write_text(json.dumps(record))
    (prefix / "conda-meta" / "history").write_text("not JSON")
    site = prefix / "lib" / "python3.11" / "site-packages"
    for package, installer in (("rich-13.0.dist-info", "pip\n"), ("numpy-1.2.dist-info", "conda\n")):
        (site / package).mkdir(parents=True)
        (site / package / "INSTALLER").write_text(installer)
    environment = Environment.from_existing_conda_environment("mine", str(prefix))
    side = python(environment)
    assert side.conda is not None
    assert side.conda.channels == ("conda-forge", "https://x.org/main")
    assert (side.conda.dependencies, side.pip) == (("numpy=1.2=h0_1", "python=1.2=h0_1"), ("rich==13.0",))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda" / "environments.txt").write_text(f"{prefix}\n")
    assert Environment.from_existing_conda_environment("mine", "theirs") == environment
    refused(Environment.from_existing_conda_environment, "mine", "other")
    refused(Environment.from_existing_conda_environment, "mine", str(tmp_path))


# ---- images


def test_images_and_dockerfiles(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")
    (tmp_path / "environment.yml").write_text("channels: [conda-forge]\ndependencies: [python=3.11]\n")
    pip, conda = str(tmp_path / "requirements.txt"), str(tmp_path / "environment.yml")
    registry = {"address": "r.org", "username": "me", "password": {"secret": "s"}}
    image = Environment.from_docker_image("e", "team/x:1", registry, pip_requirements=pip)
    assert image.docker is not None and image.docker.registry is not None
    assert (image.docker.base_image, image.docker.registry.address) == ("team/x:1", "r.org")
    assert python(image).pip == ("numpy",)
    both = python(Environment.from_docker_image("e", "x", None, conda, pip))
    assert both.conda is not None and both.pip == ("numpy",)
    assert Environment.from_docker_image("e", "x").python is None
    (tmp_path / "Dockerfile").write_text("FROM x\nRUN a\n")
    assert Environment.from_dockerfile("e", str(tmp_path / "Dockerfile")) == Environment.from_dockerfile("e", "FROM x\nRUN a\n")
    assert Environment.from_dockerfile("e", "from x").docker is not None
    refused(Environment.from_dockerfile, "e", str(tmp_path / "none"))
    assert "hunter2" not in str(refused(Environment.from_docker_image, "e", "x", {**registry, "password": "hunter2"}))
    assert "adress" in refused(Environment.from_docker_image, "e", "x", {"adress": "r.org"}).message


def test_build_contexts(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "file").write_text("FROM x\n")
    environment = Environment.from_docker_build_context("e", str(tmp_path), "docker/file")
    assert environment.docker is not None and environment.docker.build_context is not None
    assert environment.docker.build_context.path == str(tmp_path)
    refused(Environment.from_docker_build_context, "e", str(tmp_path))
    refused(Environment.from_docker_build_context, "e", str(tmp_path), "../x")


# ---- R

RENV: Dict[str, Any] = {
    "R": {
        "Version": "4.3.1",
        "Repositories": [
            {"Name": "CRAN", "URL": "https://cloud.r-project.org/"},
            {"Name": "internal", "URL": "https://cran.example.org"},
        ],
    },
    "Bioconductor": {"Version": "3.18"},
    "Packages": {
        "R6": {"Package": "R6", "Version": "2.5.1", "Source": "Repository", "Repository": "CRAN", "Hash": "470"},
        "mine": {"Package": "mine", "Version": "1.0", "Source": "Repository", "Repository": "internal"},
        "rspm": {"Package": "rspm", "Version": "1.0", "Source": "Repository", "Repository": "RSPM"},
        "limma": {"Package": "limma", "Version": "3.58.1", "Source": "Bioconductor"},
        "Biobase": {"Package": "Biobase", "Version": "2.62.0", "Source": "Repository", "Repository": "Bioconductor 3.18"},
        "dev": {
            "Package": "dev", "Version": "0.0.9", "Source": "GitHub", "RemoteType": "github", "RemoteHost": "api.github.com",
            "RemoteUsername": "user", "RemoteRepo": "repo", "RemoteSubdir": "pkg", "RemoteRef": "main", "RemoteSha": "0a1b",
        },
        "tar": {"Package": "tar", "Version": "1.0", "Source": "URL", "RemoteType": "url", "RemoteUrl": "https://x.org/t.tar.gz"},
    },
    "Python": {"Version": "3.10.12", "Type": "virtualenv", "Name": "./renv/python"},
}  # fmt: skip


def test_renv_lockfiles(tmp_path: Path) -> None:
    file = tmp_path / "renv.lock"
    file.write_text(json.dumps(RENV))
    environment = Environment.from_renv_lockfile("e", str(file))
    assert r(environment) == RSide(
        version="4.3.1",
        repositories={"CRAN": "https://cloud.r-project.org", "internal": "https://cran.example.org"},
        cran=[CranPackage("R6", "2.5.1"), CranPackage("mine", "1.0", "internal"), CranPackage("rspm", "1.0")],
        github=[GithubPackage("user/repo", "pkg", "0a1b")],
        urls=["https://x.org/t.tar.gz"],
        bioconductor=["Biobase", "limma"],
    )
    assert python(environment).version == "3.10.12"
    del RENV["Python"]
    file.write_text(json.dumps(RENV))
    assert Environment.from_renv_lockfile("e", str(file)).python is None


@pytest.mark.parametrize(
    "change, says",
    [
        ({"Version": 3}, "format that is not known, version '3'"),
        ({"LockfileVersion": 9}, "'LockfileVersion'"),
        ({"Packages": None}, "no Packages"),
        ({"Packages": {"x": "1.0"}}, "no Version"),
        ({"Packages": {"x": {"Package": "x", "Version": "1.0", "Source": "GitLab", "RemoteType": "gitlab"}}}, "'GitLab'"),
        ({"Packages": {"x": {"Package": "x", "Version": "1.0", "Source": "Local"}}}, "'Local'"),
        ({"Packages": {"x": {"Package": "x", "Version": "1.0", "Source": "URL"}}}, "'URL'"),
        ({"Packages": {"x\ny": {"Version": "1.0", "Source": "Repository"}}}, "r.cran.name"),
        ({"Packages": {"xy": {"Version": "1.0; rm -rf /", "Source": "Repository"}}}, "r.cran.version"),
        ({"R": {"Version": "4.3.1", "Repositories": [{"Name": "CRAN", "URL": "https://me:hunter2@x.org"}]}}, "credentials"),
        ({"R": {"Repositories": ["x"]}}, "Name and URL"),
        ({"Packages": {"x": {"Version": "1", "Source": "GitHub", "RemoteHost": "git.x.org"}}}, "not GitHub"),
        ({"Packages": {"x": {"Version": "1.0", "Source": "GitHub"}}}, "r.github.repository"),
    ],
)
def test_renv_lockfiles_that_are_refused(tmp_path: Path, change: Dict[str, Any], says: str) -> None:
    file = tmp_path / "renv.lock"
    file.write_text(json.dumps({**RENV, **change}))
    error = refused(Environment.from_renv_lockfile, "e", str(file))
    assert says in error.message and "hunter2" not in str(error)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '"x"', "renv: 1"])
def test_what_is_no_renv_lockfile(tmp_path: Path, text: str) -> None:
    (tmp_path / "renv.lock").write_text(text)
    assert "renv.lock" in refused(Environment.from_renv_lockfile, "e", str(tmp_path / "renv.lock")).message


def test_the_packages_of_a_session() -> None:
    packages = [
        {"Package": "R6", "Version": "2.5.1", "Repository": "CRAN"},
        {"Package": "dev", "Version": "0.1", "RemoteType": "github", "RemoteUsername": "u", "RemoteRepo": "r", "RemoteSha": "0a"},
        {"Package": "limma", "Version": "3.58.1", "biocViews": "Software"},
        {"Package": "made", "Version": "1.0"},
    ]
    with pytest.warns(UserWarning, match="made"):
        environment = Environment.from_session("e", packages, "4.2.2", {"CRAN": "https://x.org"})
    side = r(environment)
    assert side.cran == (CranPackage("R6", "2.5.1"), CranPackage("made", "1.0"))
    assert (side.github, side.bioconductor, side.version) == ((GithubPackage("u/r", None, "0a"),), ("limma",), "4.2.2")


# ---- our own


def test_folders_and_files(tmp_path: Path) -> None:
    environment = Environment.from_mapping(FULL)
    files = environment.save_to_directory(str(tmp_path / "a" / "b"))
    assert [os.path.basename(file) for file in files] == ["espalier-environment.yml", "Dockerfile"]
    assert Environment.load_from_directory(str(tmp_path / "a" / "b")) == environment
    with pytest.raises(EspalierError) as caught:
        environment.save_to_directory(str(tmp_path / "a" / "b"))
    assert caught.value.code == "file_exists"
    environment.save_to_directory(str(tmp_path / "a" / "b"), overwrite=True)
    environment.write(str(tmp_path / "e.yml"))
    assert Environment.from_file(str(tmp_path / "e.yml")) == environment == Environment.from_text(environment.as_text())
    with pytest.raises(EspalierError) as caught:
        environment.write(str(tmp_path / "none" / "e.yml"))
    assert caught.value.code == "bad_argument"
    assert issubclass(Environment, MadeFrom)
