"""What a job in a container may give a child, without an engine. With one: tests/docker/test_confined.py."""

import os
from pathlib import Path
from typing import Any, Dict

import pytest
from defined import defined
from espalier import Experiment
from espalier.base.errors import EspalierError
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.base.records import replace_record
from espalier.base.scratch_paths import ScratchPaths
from espalier.jobs.confined import copied_source, handed_on, in_parents_container
from espalier.lifecycle.scratch import make_scratch, record_of
from espalier.lifecycle.status import read_status

FIELDS: Dict[str, Any] = {"target": "docker", "docker": {"network": "none"}, "environment": {"name": "base", "version": "1"}}
SPEC = defined(**FIELDS)


def with_mount(folder: Path, **fields: Any) -> JobSpec:
    return defined(**{**FIELDS, "docker": {"network": "none", "mounts": {str(folder): "/data"}}, **fields})


@pytest.fixture
def run(experiment: Experiment) -> RunPaths:
    return experiment.start_logging()._paths


@pytest.fixture
def scratch(run: RunPaths) -> ScratchPaths:
    made = make_scratch(run, None, "")
    os.makedirs(made.work)
    replace_record(run.status, read_status(run)._replace(scratch=record_of(made)).record(), run.shard)
    return made


def code_of(error: Any) -> str:
    return str(error.value.code)


@pytest.mark.parametrize("docker", [None, False, True, "absent", {"network": "none"}, {"init": False, "network": "none"}])
def test_a_child_is_always_in_a_container(docker: Any) -> None:
    asked = {"command": "true"} if docker == "absent" else {"command": "true", "docker": docker}
    values = in_parents_container(asked, SPEC)
    assert (values["docker"].network, values["docker"].places, values["compute_target"]) == ("none", {}, "docker")
    assert values["environment"] == {"name": "base", "version": "1"}
    assert (values["outside_links"], values["record_diff"]) == ("refuse", False)


@pytest.mark.parametrize(
    "docker",
    [{"network": "bridge"}, {}, {"network": "host"}, {"network": "none", "user": "7"}, {"network": "none", "mounts": ["/srv"]}],
)
def test_wider_options_are_refused(docker: Dict[str, Any]) -> None:
    with pytest.raises(EspalierError) as error:
        in_parents_container({"docker": docker}, SPEC)
    assert code_of(error) == "bad_argument"


@pytest.mark.parametrize("asked", ["here", "there"])
def test_a_mount_of_the_parents_may_be_handed_on(tmp_path: Path, asked: str) -> None:
    path = str(tmp_path) if asked == "here" else "/data"
    values = in_parents_container({"docker": {"network": "none", "mounts": [path]}}, with_mount(tmp_path))
    assert values["docker"].places == {str(tmp_path): path}


def test_a_part_of_a_mount_is_none(tmp_path: Path) -> None:
    with pytest.raises(EspalierError):
        in_parents_container({"docker": {"network": "none", "mounts": [str(tmp_path / "sub")]}}, with_mount(tmp_path))


def test_a_source_is_copied_without_what_a_job_may_not_hand_on(run: RunPaths, scratch: ScratchPaths, tmp_path: Path) -> None:
    source = Path(scratch.work, "sub")
    (source / "deep" / ".git").mkdir(parents=True)
    (source / "deep" / ".git" / "config").write_text("[core]\nfsmonitor = evil\n")
    (source / "deep" / "file").write_text("f")
    os.symlink(tmp_path, source / "link")
    os.mkfifo(source / "pipe")
    with copied_source(run, str(source)) as copy:
        assert copy is not None and not copy.is_whole and not copy.copy.startswith(scratch.work)
        assert sorted(os.listdir(copy.copy)) == ["deep", "link"]
        assert os.listdir(os.path.join(copy.copy, "deep")) == ["file"]
        assert os.readlink(os.path.join(copy.copy, "link")) == f"/dev/null/{tmp_path}"
    assert not os.path.exists(copy.copy)
    with copied_source(run, scratch.job) as whole:
        assert whole is not None and whole.is_whole


def test_a_link_out_of_a_source_leads_nowhere(run: RunPaths, scratch: ScratchPaths, tmp_path: Path) -> None:
    """Ignore files, scripts and what they name are looked into by their paths. Links to what is in the copy stay."""
    (tmp_path / "secret").write_text("canary")
    deep = Path(scratch.work, "a", "b", "c")
    deep.mkdir(parents=True)
    up = "../" * (len(Path(scratch.root).parts) + 5)
    os.symlink("../../..", deep / "top")  # (its text is within, and so is that of what goes on from there)
    for name, target in (("abs", str(tmp_path / "secret")), ("up", f"{up}{tmp_path}/secret"), ("by", f"top/{up}{tmp_path}/secret")):
        os.symlink(target, deep / name)
    os.symlink("a/b/c/by", os.path.join(scratch.work, ".gitignore"))
    os.symlink("a/b", os.path.join(scratch.work, "inside"))
    os.symlink("missing", os.path.join(scratch.work, "dangling"))
    with copied_source(run, scratch.work) as copy:
        assert copy is not None
        for name in (".gitignore", "a/b/c/abs", "a/b/c/up", "a/b/c/by"):
            assert not os.path.exists(os.path.join(copy.copy, name)), name
        kept = [os.readlink(os.path.join(copy.copy, name)) for name in ("inside", "dangling", "a/b/c/top")]
        assert kept == ["a/b", "missing", "../../.."]


@pytest.mark.parametrize("path", ["/etc", "{work}/../..", "{work}/link", "{work}/link/sub", "{work}x", "{work}/missing"])
def test_other_sources_are_refused(run: RunPaths, scratch: ScratchPaths, tmp_path: Path, path: str) -> None:
    (tmp_path / "target" / "sub").mkdir(parents=True)
    os.symlink(tmp_path / "target", os.path.join(scratch.work, "link"))
    with pytest.raises(EspalierError) as error, copied_source(run, path.format(work=scratch.work)):
        raise AssertionError("it was copied")
    assert code_of(error) in ("bad_argument", "source_missing")


def test_inputs_that_are_handed_on(run: RunPaths, scratch: ScratchPaths, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_text("d")
    spec = with_mount(data, inputs=[{"name": "own", "path": "/somewhere/own.csv", "digest": "sha256:0"}])
    Path(scratch.work, "made").write_text("m")
    given = handed_on(
        run, spec, {"a": "/somewhere/own.csv", "b": run.input_copy("own", "/somewhere/own.csv"), "c": "/data/file", "d": f"{scratch.work}/made"}
    )
    assert given["a"] == given["b"] == "/somewhere/own.csv"
    assert (Path(given["c"]).read_text(), Path(given["d"]).read_text()) == ("d", "m")
    assert given["c"].startswith(run.handed_on) and given["d"].startswith(run.handed_on)


@pytest.mark.parametrize("network", ["none", "bridge", "host"])
def test_an_address_is_fetched_for_a_child_only_where_its_parent_reaches_as_much(run: RunPaths, network: str) -> None:
    spec, given = defined(docker={"network": network}), {"d": {"url": "http://127.0.0.1:2375/x", "sha256": "0" * 64}}
    if network == "host":
        assert handed_on(run, spec, given) == given
        return
    with pytest.raises(EspalierError, match=f"a URL as input: .* the network {network}") as error:
        handed_on(run, spec, given)
    assert code_of(error) == "bad_argument"


def test_an_input_that_was_fetched_is_handed_on_as_a_copy(run: RunPaths, scratch: ScratchPaths) -> None:
    item = {"name": "d", "path": "https://x/d.csv", "digest": "sha256:0", "url": "https://x/d.csv", "sha256": "0" * 64}
    copy = Path(run.input_copy("d", "https://x/d.csv"))
    copy.parent.mkdir(parents=True)
    copy.write_text("d")
    given = handed_on(run, with_mount(Path("/nowhere"), inputs=[item]), {"a": str(copy)})["a"]
    assert isinstance(given, str) and given.startswith(run.handed_on) and Path(given).read_text() == "d"


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "{work}/link", "{work}/folder", "{work}/folder/link", "/data/link", "/data/../etc/shadow", "{run}/env.json", "{other}/outputs/x"]
)
def test_other_inputs_are_refused(run: RunPaths, scratch: ScratchPaths, experiment: Experiment, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("s")
    data, other = tmp_path / "data", experiment.start_logging()
    data.mkdir()
    Path(other.run_dir, "outputs", "x").write_text("x")
    Path(run.env).write_text("{}")
    os.mkdir(os.path.join(scratch.work, "folder"))
    for link in (data / "link", Path(scratch.work, "link"), Path(scratch.work, "folder", "link")):
        os.symlink(tmp_path / "secret", link)
    with pytest.raises(EspalierError) as error:
        handed_on(run, with_mount(data), {"i": path.format(work=scratch.work, run=run.root, other=other.run_dir)})
    assert code_of(error) in ("bad_argument", "input_missing")
