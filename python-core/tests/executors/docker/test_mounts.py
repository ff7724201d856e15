"""What a container may not be given: a way to its engine, wherever that lies and whatever it is called."""

import json
import os
import socket
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List

import pytest
from defined import defined
from espalier import Experiment, ScriptRunConfig
from espalier.adapters.engine_sockets import SYSTEM_FOLDERS
from espalier.base.config import Session
from espalier.base.errors import EspalierError
from espalier.base.model.job import JobEnv
from espalier.executors.docker.launch import look_at_mounts_again
from espalier.executors.docker.mounts import refuse_dangerous
from espalier.jobs.plan import Plan, plan

IMAGE = {"name": "e", "docker": {"base_image": "debian"}}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short folder, as the names of sockets have to be, which holds the user's home."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        home = Path(os.path.realpath(folder), "home")
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        yield home.parent


@pytest.fixture
def listen(place: Path) -> Iterator[Callable[[str], str]]:
    """Has something listen at a path below the place; it makes the folders."""
    opened: List[socket.socket] = []

    def at(name: str) -> str:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        opened.append(socket.socket(socket.AF_UNIX))
        opened[-1].bind(str(path))
        opened[-1].listen()
        return str(path)

    yield at
    for one in opened:
        one.close()


@pytest.fixture
def submit(experiment: Experiment) -> Callable[..., Plan]:
    """Prepares a job in a container, in a session with some variables."""

    def prepared(variables: Dict[str, str], inputs: Any = None, **options: Any) -> Plan:
        session = Session(environment={"PATH": os.defpath, **variables})
        config = ScriptRunConfig(
            command="true", environment=IMAGE, docker=options or True, inputs=inputs or {}, session=session
        )
        return plan(experiment.workspace._paths, "id", experiment.name, config, lambda: None)

    return prepared


def refusal(submit: Callable[..., Plan], *arguments: Any, **options: Any) -> EspalierError:
    with pytest.raises(EspalierError) as caught:
        submit(*arguments, **options)
    assert caught.value.code == "bad_argument" and caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "name,mounted",
    [
        ("home/.docker/run/docker.sock", "home"),
        ("home/.docker/run/docker.sock", "home/.docker"),
        ("home/.docker/run/docker.sock", "home/.docker/run"),
        ("home/.docker/desktop/backend.sock", "home"),
        ("home/.colima/default/docker.sock", "home/.colima"),
        ("home/.rd/docker.sock", "home"),
        ("home/.local/share/containers/podman/machine/podman.sock", "home/.local"),
        ("other/.docker/run/backend.sock", "other"),
        ("data/sub/podman.sock", "data"),
        ("data/sub/containerd.sock.ttrpc.sock", "data/sub"),
        ("run/docker.sock", ""),
        ("run/podman/podman.sock", ""),
    ],
)
def test_an_engines_usual_place_or_name(
    place: Path, listen: Callable[[str], str], submit: Callable[..., Plan], name: str, mounted: str
) -> None:
    path = listen(name)
    error = refusal(submit, {"XDG_RUNTIME_DIR": str(place / "run")}, mounts=[str(place / mounted).rstrip("/")])
    assert path in error.message or str(place / "run") in error.message
    assert not submit({"XDG_RUNTIME_DIR": str(place / "run")}, mounts=["/usr"]).warnings


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "CONTAINER_HOST", "CONTAINERD_ADDRESS", "BUILDKIT_HOST"])
@pytest.mark.parametrize("mounted", ["home/a/engine.api", "home/a", "home", "link", "linked"])
def test_an_engine_of_another_name_that_a_variable_names(
    place: Path, listen: Callable[[str], str], submit: Callable[..., Plan], variable: str, mounted: str
) -> None:
    path = listen("home/a/engine.api")
    (place / "link").symlink_to(path)
    (place / "linked").symlink_to(place / "home", target_is_directory=True)
    error = refusal(submit, {variable: "unix://" + str(place / "link")}, mounts={str(place / mounted): "/data"})
    assert "engine" in error.message
    refusal(submit, {variable: "unix://" + path}, {"x": str(place / mounted)})


def test_an_engine_that_a_docker_context_names(
    place: Path, listen: Callable[[str], str], submit: Callable[..., Plan]
) -> None:
    path = listen("home/sub/engine.api")
    for folder, variables in ((place / "home/.docker", {}), (place / "c", {"DOCKER_CONFIG": str(place / "c")})):
        assert submit(variables, mounts=[str(place / "home/sub")]).warnings, "it listens"
        meta = folder / "contexts/meta/0f" / "meta.json"
        meta.parent.mkdir(parents=True)
        meta.write_text(json.dumps({"Name": "mine", "Endpoints": {"docker": {"Host": "unix://" + path}}}))
        (meta.parent.parent / "broken").mkdir()
        (meta.parent.parent / "broken" / "meta.json").write_text("{")
        assert path in refusal(submit, variables, mounts=[str(place / "home/sub")]).message
        meta.unlink()


def test_hard_links(place: Path, listen: Callable[[str], str], submit: Callable[..., Plan]) -> None:
    variables = {"DOCKER_HOST": "unix://" + listen("a/engine.api")}
    (place / "data/sub").mkdir(parents=True)
    os.link(place / "a/engine.api", place / "data/sub/harmless")
    assert "container engine" in refusal(submit, variables, mounts=[str(place / "data/sub/harmless")]).message
    assert "data/sub/harmless" in refusal(submit, variables, mounts=[str(place / "data")]).message
    assert submit(variables, mounts=[str(place / "home")])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
@pytest.mark.parametrize("what,where", [("a", "data/sub"), ("a/engine.api", "data/file"), ("", "data/sub")])
def test_bind_mounts(
    place: Path, listen: Callable[[str], str], submit: Callable[..., Plan], what: str, where: str
) -> None:
    variables = {"DOCKER_HOST": "unix://" + listen("a/engine.api")}
    (place / "data/sub").mkdir(parents=True)
    (place / "data/file").touch()
    done = subprocess.run(["mount", "--bind", str(place / what), str(place / where)], capture_output=True)
    if done.returncode:
        pytest.skip("no bind mounts here")
    try:
        assert str(place / where) in refusal(submit, variables, mounts=[str(place / "data")]).message
        refusal(submit, variables, mounts=[str(place / where)])
    finally:
        subprocess.run(["umount", str(place / where)], check=True)


def test_any_other_socket_is_no_mount_and_one_in_a_folder_is_warned_about(
    place: Path, listen: Callable[[str], str], submit: Callable[..., Plan]
) -> None:
    path = listen("data/agent.1")
    assert "it is a socket" in refusal(submit, {}, mounts=[path]).message
    assert "it is a socket" in refusal(submit, {}, {"x": path}).message
    for number in range(2, 6):
        listen(f"data/agent.{number}")
    (warning,) = submit({}, mounts=[str(place / "data")]).warnings
    assert path in warning and "and 2 more" in warning
    os.unlink(path)
    (place / "data/left").touch()
    assert not submit({}, mounts=[str(place / "data/left")]).warnings


def test_a_whole_home_is_warned_about(place: Path, submit: Callable[..., Plan]) -> None:
    (place / "home/data").mkdir()
    assert "home folder" in submit({}, mounts=[str(place / "home")]).warnings[0]
    assert "settings" in submit({}, mounts=["/etc"]).warnings[0]
    assert not submit({}, mounts=[str(place / "home/data")]).warnings


@pytest.mark.parametrize("path", ["/", *SYSTEM_FOLDERS, "/var", "/dev/mem", "/sys/fs/cgroup", "/var/lib/docker/volumes", "/var/run/docker.sock"])  # fmt: skip
def test_places_of_the_system(place: Path, path: str) -> None:
    with pytest.raises(EspalierError, match="Can't mount"):
        refuse_dangerous([path], {})
    (place / "link").symlink_to(path)
    with pytest.raises(EspalierError, match="Can't mount"):
        refuse_dangerous([str(place / "link")], {})


def test_the_users_runtime_folder(place: Path, submit: Callable[..., Plan]) -> None:
    (place / "run/sub").mkdir(parents=True)
    for mounted in ("run", "run/sub", ""):
        refusal(submit, {"XDG_RUNTIME_DIR": str(place / "run")}, mounts=[str(place / mounted).rstrip("/")])
    assert submit({"XDG_RUNTIME_DIR": "relative"}, mounts=[str(place / "run")])


def test_dockers_way_to_write_a_mount(place: Path, submit: Callable[..., Plan]) -> None:
    for given in ("/:/host", "/:/host:ro"):
        assert 'mounts = c("/host" = "/")' in refusal(submit, {}, mounts=[given]).hint
    assert "it doesn't exist" in refusal(submit, {}, mounts=[str(place / "none")]).message
    (place / "a:").mkdir()
    assert submit({}, mounts=[str(place / "a:")])


def test_the_key_of_the_engine(place: Path, submit: Callable[..., Plan]) -> None:
    (place / "certs").mkdir()
    (place / "certs/key.pem").touch()
    host = {"DOCKER_HOST": "tcp://127.0.0.1:2376", "DOCKER_CERT_PATH": str(place / "certs")}
    assert submit(host, mounts=[str(place / "certs")])
    error = refusal(submit, {**host, "DOCKER_TLS_VERIFY": "1"}, mounts=[str(place / "certs")])
    assert "the key to the Docker engine" in error.message


def test_the_network_of_an_engine_that_asks_for_no_key(submit: Callable[..., Plan]) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("0.0.0.0", 0))
        host = {"DOCKER_HOST": "tcp://127.0.0.1:2375"}
        assert "command the Docker engine" in refusal(submit, host, network="host").message
        assert submit(host, network="bridge") and submit(host, network="none")
        assert submit({**host, "DOCKER_TLS_VERIFY": "1"}, network="host")
        everywhere = {"DOCKER_HOST": "tcp://0.0.0.0:2375"}
        refusal(submit, everywhere, network="bridge")
        assert submit(everywhere, network="none")


def test_looked_at_again_when_the_container_is_created(place: Path, listen: Callable[[str], str]) -> None:
    (place / "data").mkdir()
    (place / "link").symlink_to(place / "data", target_is_directory=True)
    spec = defined(docker={"mounts": {str(place / "link"): "/data"}})
    env = JobEnv(engine={"DOCKER_HOST": "unix://" + listen("a/engine.api")})
    ready: Any = SimpleNamespace(spec=spec, env=env)
    look_at_mounts_again(ready)
    (place / "link").unlink()
    (place / "link").symlink_to(place / "a", target_is_directory=True)
    with pytest.raises(EspalierError, match=r"engine\.api"):
        look_at_mounts_again(ready)
    ready.spec = defined(docker={}, inputs=[{"name": "a", "path": str(place / "a")}])
    with pytest.raises(EspalierError, match=r"engine\.api"):
        look_at_mounts_again(ready)
