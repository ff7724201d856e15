"""What a workspace does with definitions of environments."""

from dataclasses import replace
from pathlib import Path

import pytest
from espalier import Environment, EspalierError, Workspace
from espalier.environment.definition import BuildContext, CranPackage, DockerSide, PythonSide, RSide
from espalier.environment.lock import Lock, RSource, lock_record
from espalier.environment.stored_locks import write_lock
from espalier.provision.docker import bases
from espalier.provision.docker.bases import Base, resolve_base
from espalier.provision.docker.record import write_image
from espalier.provision.docker.wanted import known_wanted

TIDY = Environment("tidy", r=RSide(version="4.3", cran=[CranPackage("glmnet")]), python=PythonSide(pip=["numpy"]))


def test_registered_found_and_listed(workspace: Workspace) -> None:
    first = workspace.environments.register(TIDY)
    assert first == replace(TIDY, version="1")
    workspace.environments.register(replace(TIDY, python=None))
    assert workspace.environments.get("tidy").version == "2"
    assert workspace.environments.get("tidy", "1") == first
    assert workspace.environments.versions("tidy").columns["kind"] == ["R", "R and Python"]
    assert [row["name"] for row in workspace.environments.list().rows() if not row["curated"]] == ["tidy"]
    # another workspace, and a later session, knows the same by its folder alone
    assert Workspace(workspace.path).environments.get("tidy", "1") == first


def test_a_variable_that_looks_secret_is_warned_of(workspace: Workspace, recwarn: pytest.WarningsRecorder) -> None:
    workspace.environments.register(replace(TIDY, variables={"API_KEY": "hunter2-x", "LEVEL": "1"}))
    said = [str(one.message) for one in recwarn]
    assert len(said) == 1 and "API_KEY looks like a secret" in said[0] and "hunter2-x" not in said[0]


def test_a_workspace_that_is_not_there(home: "object") -> None:
    for call in (
        lambda ws: ws.environments.register(TIDY), lambda ws: ws.environments.get("tidy"),
        lambda ws: ws.environments.list(), lambda ws: ws.environments.versions("tidy"),
        lambda ws: ws.images.dockerfile(TIDY),
    ):  # fmt: skip
        with pytest.raises(EspalierError) as caught:
            call(Workspace(f"{home}/none"))
        assert caught.value.code == "workspace_missing"


def test_a_dockerfile_has_the_locked_versions(workspace: Workspace) -> None:
    assert "#     cran:\n#       - name: glmnet\n" in workspace.images.dockerfile(TIDY)
    lock = Lock((RSource("glmnet", "4.1-8", "cran", "https://x.org/glmnet_4.1-8.tar.gz"),), ("numpy==1.26.4 --hash=sha256:" + "0" * 64,))
    write_lock(workspace._paths, TIDY, lock)
    text = workspace.images.dockerfile(TIDY)
    assert "#   glmnet 4.1-8 https://x.org/glmnet_4.1-8.tar.gz\n" in text and "#   numpy==1.26.4\n" in text
    # a lock is of what is asked for, whatever the name
    assert workspace.images.dockerfile(replace(TIDY, name="other")).count("glmnet_4.1-8.tar.gz") == 1


def test_a_dockerfile_has_the_digests_that_are_known(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "sha256:" + "1" * 64
    wanted = Environment("e", docker=DockerSide(base_image="team/base:1.0"))
    context = Environment("e", docker=DockerSide(build_context=BuildContext(str(tmp_path / "context"))))
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM team/base:1.0\nRUN true\n")
    assert "FROM team/base:1.0\n" in workspace.images.dockerfile(wanted)
    assert workspace.images.dockerfile(context).startswith("# Dockerfile\nFROM team/base:1.0\nRUN true\n")
    monkeypatch.setattr(bases, "_from_engine", lambda name: Base(name, digest))
    resolve_base(workspace._paths, "team/base:1.0")
    monkeypatch.undo()
    assert f"FROM team/base@{digest}\n" in workspace.images.dockerfile(wanted)
    text = workspace.images.dockerfile(context)
    assert text.startswith(f"# Dockerfile\nFROM team/base@{digest}\nRUN true\n") and "FROM espalier-context\n" in text


def test_a_dockerfile_has_what_the_image_was_built_with(workspace: Workspace) -> None:
    wanted = replace(TIDY, docker=DockerSide(base_image="team/base@sha256:" + "1" * 64))
    key = known_wanted(workspace._paths, wanted).key
    lock = Lock((RSource("glmnet", "4.1-8", "cran", "https://x.org/glmnet_4.1-8.tar.gz"),))
    write_image(workspace._paths, key, {"lock": lock_record(lock)})
    assert "#   glmnet 4.1-8 https://" in workspace.images.dockerfile(wanted)
