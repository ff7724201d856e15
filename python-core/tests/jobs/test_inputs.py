import os
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.jobs.inputs import identity_of, resolve_inputs
from espalier.store import input_digests


def test_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n")
    (record,) = resolve_inputs(WorkspacePaths("/ws"), {"data": str(tmp_path / "a.csv")})
    assert record.modified_at.endswith("Z") and record.digest.startswith("sha256:") and len(record.digest) == 71
    assert (record.name, record.path, record.kind, record.size) == ("data", str(tmp_path / "a.csv"), "file", 2) and record.files == 1


def test_relative_and_home_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    one, other = resolve_inputs(WorkspacePaths("/ws"), {"here": "a", "home": "~/a"})
    assert one.path == other.path == str(tmp_path / "a")


def test_folder_digest_changes_with_names_and_contents(tmp_path: Path) -> None:
    def digest() -> str:
        (record,) = resolve_inputs(WorkspacePaths("/ws"), {"d": str(tmp_path)})
        assert record.kind == "directory"
        return str(record.digest)

    seen = [digest()]
    for change in (
        lambda: (tmp_path / "a").write_text("1"),
        lambda: (tmp_path / "a").write_text("2"),
        lambda: (tmp_path / "a").rename(tmp_path / "b"),
        lambda: (tmp_path / "sub").mkdir() or (tmp_path / "b").rename(tmp_path / "sub" / "b"),  # type: ignore[func-returns-value]
    ):
        change()
        seen.append(digest())
    assert len(set(seen)) == 5


def test_large_inputs_go_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_digests, "INPUT_COPY_LIMIT_BYTES", 10)
    (tmp_path / "a").write_text("x" * 11)
    os.utime(tmp_path / "a", (1, 1))
    (record,) = resolve_inputs(WorkspacePaths("/ws"), {"a": str(tmp_path / "a")})
    assert record.digest is None
    assert (record.size, record.modified_at, record.files) == (11, "1970-01-01T00:00:01.000000Z", 1)


def test_many_files_go_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_digests, "INPUT_COPY_LIMIT_FILES", 2)
    for name in "abc":
        (tmp_path / name).write_text(name)
    (record,) = resolve_inputs(WorkspacePaths("/ws"), {"d": str(tmp_path)})
    assert record.digest is None and record.files == 3


def test_a_fifo_or_a_dangling_link_in_a_folder_stops_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.symlink("nowhere", tmp_path / "link")
    (tmp_path / "a").write_text("x")
    (record,) = resolve_inputs(WorkspacePaths("/ws"), {"d": str(tmp_path)})
    assert record.size == 1 and record.is_copied


def test_a_link_out_of_the_folder_leaves_it_without_digest(tmp_path: Path) -> None:
    for name in ("d", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("x")
    os.symlink("../outside", tmp_path / "d" / "link")
    (record,) = resolve_inputs(WorkspacePaths("/ws"), {"d": str(tmp_path / "d")})
    assert record.digest is None and record.files == 1


def test_a_fifo_as_input_stops_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (record,) = resolve_inputs(WorkspacePaths("/ws"), {"d": str(tmp_path / "fifo")})
    assert record.path == str(tmp_path / "fifo") and record.digest is None


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(EspalierError, match="Can't find gone[.]csv, the input data") as caught:
        resolve_inputs(WorkspacePaths("/ws"), {"data": "gone.csv"})
    assert caught.value.code == "input_missing"
    with pytest.raises(EspalierError) as caught:
        resolve_inputs(WorkspacePaths("/ws"), {"a/b": str(tmp_path)})
    assert caught.value.code == "bad_name"


def test_identity_is_content_not_place(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("same")
    a, b = (resolve_inputs(WorkspacePaths("/ws"), {"d": str(tmp_path / name)}) for name in ("one", "other"))
    assert identity_of(a) == identity_of(b)
    (tmp_path / "other" / "f").write_text("differs")
    assert identity_of(a) != identity_of(resolve_inputs(WorkspacePaths("/ws"), {"d": str(tmp_path / "other")}))


def test_the_job_gets_argument_and_variable(submit: Callable[..., Any], ended: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "my data").write_text("42\n")
    run = submit(
        'cat "$ESPALIER_INPUT_TRAIN_SET"; printf "%s\\n" "$@"', inputs={"train-set": str(tmp_path / "my data")}
    )
    assert ended(run)["inputDatasets"][0]["name"] == "train-set"
    log = Path(run.run_dir, "user_logs", "std_log.txt").read_text()
    assert log == f"42\n--train-set\n{run.run_dir}/.job/inputs/train-set/my data\n"
