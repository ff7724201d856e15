"""Build contexts: the same files give the same bytes, and what is ignored stays out."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from espalier.base.errors import EspalierError
from espalier.provision.docker.context import read_dockerfile, recipe_context, write_context

pytest.importorskip("docker")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "sub").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM a\n")
    (root / "sub" / "x.sh").write_text("echo\n")
    (root / "sub" / "secret.env").write_text("TOKEN=1\n")
    (root / ".dockerignore").write_text("**/*.env\n# a comment\n")
    os.symlink("sub/x.sh", root / "link")
    return root


def members(root: Path, **changed: str) -> "dict[str, tarfile.TarInfo]":
    out = io.BytesIO()
    write_context(str(root), "Dockerfile", changed, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        found = tar.getmembers()
        assert [one.name for one in found] == sorted(one.name for one in found)
        return {one.name: one for one in found}


def written(root: Path) -> bytes:
    out = io.BytesIO()
    write_context(str(root), "Dockerfile", {}, out)
    return out.getvalue()


def test_what_is_ignored_stays_out(folder: Path) -> None:
    found = members(folder)
    assert set(found) == {".dockerignore", "Dockerfile", "link", "sub", "sub/x.sh"}
    assert found["link"].linkname == "sub/x.sh"
    assert {(one.mtime, one.uid, one.uname) for one in found.values()} == {(0, 0, "")}


def test_times_and_owners_do_not_count_but_content_and_mode_do(folder: Path) -> None:
    before = written(folder)
    os.utime(folder / "sub" / "x.sh", (1, 1))
    (folder / "sub" / "secret.env").write_text("TOKEN=2\n")
    assert written(folder) == before
    (folder / "sub" / "x.sh").chmod(0o755)
    executable = written(folder)
    assert executable != before
    (folder / "sub" / "x.sh").write_text("echo 2\n")
    assert written(folder) not in (before, executable)


def test_a_file_may_be_given_another_text(folder: Path) -> None:
    assert members(folder, Dockerfile="FROM other@sha256:1\n")["Dockerfile"].size == len("FROM other@sha256:1\n")


def test_a_recipe_is_the_same_in_any_order() -> None:
    one = recipe_context("FROM a\n", {"b": b"1", "c": b"2"}).read()
    assert one == recipe_context("FROM a\n", {"c": b"2", "b": b"1"}).read()


def test_no_folder_and_no_dockerfile(tmp_path: Path) -> None:
    for root, code in ((tmp_path / "none", "source_missing"), (tmp_path, "script_missing")):
        with pytest.raises(EspalierError) as caught:
            read_dockerfile(str(root), "Dockerfile")
        assert caught.value.code == code
