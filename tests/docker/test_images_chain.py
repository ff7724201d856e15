"""The look-up chain with an engine and registries: found, fetched, built, pushed; and what may go wrong on the way."""

import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import pytest
from espalier.adapters.docker_images import find_image, remove_image, tag_image
from espalier.api.workspace import Workspace
from espalier.base.cache_paths import CachePaths
from espalier.base.canonical import hex_of
from espalier.base.errors import EspalierError
from espalier.base.progress import Cancelled, Listener, listening
from espalier.environment.definition import BuildContext, DockerSide, Environment, Secret
from espalier.provision.docker.chain import Image, ensure, find_local, tag_of
from espalier.provision.docker.record import read_image, write_image
from espalier.provision.docker.registries import Remote, set_remote

Make = Callable[..., Workspace]


def nothing_secret(secret: Secret) -> str:
    raise AssertionError(f"the secret {secret.secret} was asked for")


def environment(base: Optional[str], *steps: str, **more: Any) -> Environment:
    return Environment("probe", docker=DockerSide(base_image=base, steps=steps, **more))


def have(workspace: Workspace, wanted: Environment, **more: Any) -> Image:
    cache = CachePaths(os.environ["ESPALIER_CACHE_DIR"])
    return ensure(workspace._paths, cache, wanted, more.pop("secrets", nothing_secret), **more)


@pytest.fixture(autouse=True)
def own_images(engine: Any, base_image: str, small_image: str) -> Iterator[None]:
    """Images that a test makes are gone after it, but those that all begin with."""
    before = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    yield
    after = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    for tag in after - before:
        engine.api.remove_image(tag, force=True)


def unique() -> str:
    return f"RUN echo {os.urandom(6).hex()} > /probe"


def test_built_once_then_found(workspace: Make, base_image: str, tmp_path: Path) -> None:
    said: List[str] = []
    wanted = environment(base_image, unique(), "RUN echo said-by-the-step")
    first = have(workspace(), wanted, log=str(tmp_path / "log"), say=said.append)
    assert first.found == "built"
    assert any("echo said-by-the-step" in line for line in said)
    assert "\nsaid-by-the-step\n" in (tmp_path / "log").read_text()
    again = have(workspace(), wanted)
    assert (again.found, again.id, again.key) == ("local", first.id, first.key)
    record = read_image(workspace()._paths, first.key)
    assert record is not None
    assert (record["image"], record["found"], record["names"]) == (first.id, "built", ["probe"])
    assert "said-by-the-step" in Path(workspace()._paths.build_log(hex_of(first.key))).read_text()
    other = have(workspace("other"), wanted)
    assert (other.found, other.id) == ("local", first.id)


def test_foreign_content_under_the_tag_is_not_used(workspace: Make, base_image: str) -> None:
    wanted = environment(base_image, unique())
    first = have(workspace(), wanted)
    tag_image(base_image, *tag_of(first.key).split(":"))
    other = workspace("other")
    assert find_local(other._paths, first.key) is None
    again = have(other, wanted)
    assert again.found == "built"
    assert "isn't an image that espalier built" in "".join(again.notes)
    assert find_local(other._paths, first.key) == again.id
    image = find_image(again.id)
    assert image is not None
    assert image["Config"]["Labels"]["espalier.key"] == first.key
    assert image["Config"]["Labels"]["espalier.build"] == ""


def test_an_image_that_was_deleted_comes_back(workspace: Make, base_image: str, engine: Any) -> None:
    wanted = environment(base_image, unique())
    first = have(workspace(), wanted)
    for tag in engine.api.inspect_image(first.id)["RepoTags"]:
        remove_image(tag)
    again = have(workspace(), wanted)
    assert again.found == "built"
    assert again.notes == ("The image is gone from the engine, and no registry has it. It is built again.",)


def test_a_registry_of_the_workspace(workspace: Make, small_image: str, registry: Any, engine: Any) -> None:
    wanted = environment(small_image, "ENV PROBE=" + os.urandom(4).hex())
    set_remote(workspace()._paths, Remote("workspace", registry.address))
    first = have(workspace(), wanted)
    record = read_image(workspace()._paths, first.key)
    assert record is not None
    assert record["registries"] == {registry.address: registry.digest("espalier/env", hex_of(first.key))}
    _forget(engine, first.id)
    assert find_image(first.id) is None
    again = have(workspace(), wanted)
    assert (again.found, again.id) == ("workspace registry", first.id)


def test_a_shared_registry_from_a_second_workspace(
    workspace: Make, small_image: str, registry: Any, engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = environment(small_image, "ENV PROBE=" + os.urandom(4).hex())
    set_remote(workspace()._paths, Remote("workspace", registry.address + "/one"))
    first = have(workspace(), wanted)
    _forget(engine, first.id)
    monkeypatch.setenv("ESPALIER_SHARED_REGISTRY", registry.address + "/one")
    set_remote(workspace("second")._paths, Remote("workspace", registry.address + "/two"))
    log = tmp_path / "log"
    second = have(workspace("second"), wanted, log=str(log))
    assert (second.found, second.id) == ("shared registry", first.id)
    assert "Found in the shared registry" in log.read_text()
    assert registry.tags("two/espalier/env") == [hex_of(first.key)]


def test_a_registry_that_is_down_is_skipped_and_never_loses_the_image(
    workspace: Make, small_image: str, registry: Any, tmp_path: Path
) -> None:
    set_remote(workspace()._paths, Remote("workspace", registry.address))
    registry.stop()
    wanted = environment(small_image, "ENV PROBE=" + os.urandom(4).hex())
    log = tmp_path / "log"
    first = have(workspace(), wanted, log=str(log))
    assert first.found == "built"
    assert "Not asked any further" in log.read_text()
    assert "Not pushed" in log.read_text()
    with pytest.raises(EspalierError) as caught:
        have(workspace(), wanted, push=True)
    assert (caught.value.code, caught.value.fields["cause"]) == ("registry_failed", "unreachable")
    assert find_local(workspace()._paths, first.key) == first.id
    registry.start()
    assert have(workspace(), wanted, push=True).found == "local"
    assert registry.tags("espalier/env") == [hex_of(first.key)]


def test_credentials(workspace: Make, small_image: str, private_registry: Any, engine: Any) -> None:
    user, password = private_registry.credentials
    wanted = environment(small_image, "ENV PROBE=" + os.urandom(4).hex())
    set_remote(workspace()._paths, Remote("workspace", private_registry.address, user, Secret("registry")))
    with pytest.raises(EspalierError) as caught:
        have(workspace(), wanted, secrets=lambda secret: "wrong", push=True)
    assert (caught.value.code, caught.value.fields["cause"]) == ("registry_failed", "credentials")
    first = have(workspace(), wanted, secrets=lambda secret: password, push=True)
    assert private_registry.tags("espalier/env") == [hex_of(first.key)]
    _forget(engine, first.id)
    assert have(workspace(), wanted, secrets=lambda secret: password).found == "workspace registry"
    for folder, _, names in os.walk(workspace().path):
        for name in names:
            assert password.encode() not in Path(folder, name).read_bytes()


class _Liar(http.server.BaseHTTPRequestHandler):
    """A registry that gives another manifest than it was asked for."""

    manifest = b'{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}'

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
        self.send_header("Content-Length", str(len(self.manifest)))
        if "/manifests/" in self.path:
            self.send_header("Docker-Content-Digest", self.path.rpartition("/")[2])
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.manifest)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


def test_what_does_not_match_its_digest_is_not_used(workspace: Make, small_image: str, engine: Any) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wanted = environment(small_image, "ENV PROBE=" + os.urandom(4).hex())
    paths = workspace()._paths
    try:
        address = f"127.0.0.1:{server.server_port}"
        first = have(workspace(), wanted)
        record = read_image(paths, first.key)
        write_image(paths, first.key, {**(record or {}), "registries": {address: "sha256:" + os.urandom(32).hex()}})
        set_remote(paths, Remote("workspace", address))
        _forget(engine, first.id)
        with pytest.raises(EspalierError) as caught:
            have(workspace(), wanted)
    finally:
        server.shutdown()
    assert (caught.value.code, caught.value.fields.get("cause")) == ("registry_failed", "digest_mismatch"), caught.value
    assert find_local(workspace()._paths, first.key) is None


def test_foreign_content_in_the_registry_is_not_used(
    workspace: Make, small_image: str, registry: Any, engine: Any, tmp_path: Path
) -> None:
    wanted = environment(small_image, "ENV PROBE=" + os.urandom(4).hex())
    first = have(workspace(), wanted)
    set_remote(workspace("b")._paths, Remote("workspace", registry.address))
    name, tag = f"{registry.address}/espalier/env", hex_of(first.key)
    _forget(engine, first.id)
    tag_image(small_image, name, tag)
    engine.api.push(name, tag=tag)
    engine.api.remove_image(f"{name}:{tag}")
    log = tmp_path / "log"
    again = have(workspace("b"), wanted, log=str(log))
    assert again.found == "built"
    assert "isn't an image that espalier built" in log.read_text()
    record = read_image(workspace("b")._paths, again.key)
    assert record is not None
    assert record["registries"] == {registry.address: registry.digest("espalier/env", tag)}


def test_a_base_image_that_is_nowhere(workspace: Make, registry: Any) -> None:
    with pytest.raises(EspalierError) as caught:
        have(workspace(), environment(f"{registry.address}/none:1"))
    assert caught.value.code == "image_missing"
    assert f"{registry.address}/none:1" in caught.value.message


def test_a_base_is_resolved_once_until_asked_again(
    workspace: Make, small_image: str, registry: Any, engine: Any
) -> None:
    name = f"{registry.address}/base"
    tag_image(small_image, name, "1")
    engine.api.push(name, tag="1")
    wanted = environment(f"{name}:1", "ENV A=b")
    first = have(workspace(), wanted)
    newer = _changed(engine, small_image, name)
    engine.api.push(name, tag="1")
    assert find_image(f"{name}:1")["Id"] == newer  # type: ignore[index]
    assert have(workspace(), wanted).key == first.key
    refreshed = have(workspace(), wanted, refresh=True)
    assert refreshed.key != first.key
    assert have(workspace(), wanted).key == refreshed.key


@pytest.mark.parametrize("where", ["dockerfile", "steps", "context"])
def test_what_is_copied_from_another_image_is_pinned(
    workspace: Make, small_image: str, engine: Any, tmp_path: Path, where: str
) -> None:
    first, second = (_with_probe(engine, small_image, data) for data in (b"first", b"second"))
    tag_image(first, "probe-from", "1")
    copy = "COPY --from=probe-from:1 /probe /got"
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {small_image}\n{copy}\n")
    wanted = {
        "steps": environment(small_image, copy),
        "dockerfile": environment(None, base_dockerfile=f"ARG BASE={small_image}\nFROM $BASE AS probe\n{copy}\n"),
        "context": environment(None, build_context=BuildContext(path=str(context))),
    }[where]
    made = have(workspace(), wanted)
    assert _got(engine, made.id) == b"first"
    tag_image(second, "probe-from", "1")
    assert have(workspace(), wanted).key == made.key
    for tag in engine.api.inspect_image(made.id)["RepoTags"]:
        engine.api.remove_image(tag)
    assert _got(engine, have(workspace(), wanted).id) == b"first"
    refreshed = have(workspace(), wanted, refresh=True)
    assert refreshed.key != made.key
    assert _got(engine, refreshed.id) == b"second"
    engine.api.remove_image(first)


def test_a_build_context_is_the_same_before_and_after_it_is_registered(
    workspace: Make, small_image: str, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {small_image}\nCOPY . /got\n")
    (context / ".gitignore").write_text("*.log\n")
    (context / "noise.log").write_text("1")
    ws, wanted = workspace(), environment(None, build_context=BuildContext(path=str(context)))
    made = have(ws, wanted)
    (context / "noise.log").write_text("2")
    assert have(ws, wanted).found == "local"
    again = have(ws, ws.environments.register(wanted))
    assert (again.key, again.found) == (made.key, "local")
    (context / "more").write_text("x")
    assert have(ws, wanted).key != made.key


def test_a_local_base_that_has_gone(workspace: Make, small_image: str, engine: Any) -> None:
    made = _changed(engine, small_image, "probe-local")
    wanted = environment("probe-local:1", "ENV A=b")
    first = have(workspace(), wanted)
    for tag in engine.api.inspect_image(first.id)["RepoTags"]:
        engine.api.remove_image(tag)
    engine.api.remove_image("probe-local:1")
    assert find_image(made) is None
    with pytest.raises(EspalierError) as caught:
        have(workspace(), wanted)
    assert caught.value.code == "image_missing"
    assert "refresh" in caught.value.hint


def test_a_failing_step_leaves_nothing(workspace: Make, base_image: str) -> None:
    marker = os.urandom(4).hex()
    wanted = environment(base_image, f"RUN echo before-{marker}", "RUN echo no-such-library >&2; exit 7")
    with pytest.raises(EspalierError) as caught:
        have(workspace(), wanted)
    error = caught.value
    assert error.code == "build_failed"
    assert "exit 7" in error.message
    assert "no-such-library" in error.message
    log = Path(error.fields["log"]).read_text()
    assert f"before-{marker}" in log
    # what was done before is not done again
    fixed = environment(base_image, f"RUN echo before-{marker}", "RUN true")
    done = have(workspace(), fixed)
    assert "Using cache" in Path(workspace()._paths.build_log(hex_of(done.key))).read_text()


def test_calling_off_ends_the_build(workspace: Make, base_image: str, engine: Any) -> None:
    wanted = environment(base_image, f"RUN echo {os.urandom(4).hex()}; sleep 300")
    listener, caught = Listener(), []

    def work() -> None:
        with listening(listener):
            try:
                have(workspace(), wanted)
            except BaseException as error:
                caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    _until(lambda: any("sleep 300" in c["Command"] for c in engine.api.containers()))
    listener.cancelled = True
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(caught[0], Cancelled)
    _until(lambda: not any("sleep 300" in c["Command"] for c in engine.api.containers(all=True)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_builder_leaves_nothing_and_the_next_one_builds(
    workspace: Make, base_image: str, engine: Any, number: int, tmp_path: Path
) -> None:
    token = os.urandom(4).hex()
    wanted = environment(base_image, f"RUN echo {token}; if [ ! -e /no ]; then sleep 2; fi; sleep 1")
    process = _builder(workspace(), wanted)
    _until(lambda: any(token in c["Command"] for c in engine.api.containers()))
    process.send_signal(number)
    process.wait(20)
    _until(lambda: not any(token in c["Command"] for c in engine.api.containers(all=True)))
    assert have(workspace(), wanted).found == "built"


def test_two_who_need_one_image_make_one_build(workspace: Make, base_image: str, tmp_path: Path) -> None:
    wanted = environment(base_image, f"RUN echo {os.urandom(4).hex()}; echo started; sleep 2; echo slept")
    logs = [tmp_path / "a", tmp_path / "b"]
    builders = [_builder(workspace(), wanted, log) for log in logs]
    outcomes = sorted(json.loads(builder.communicate(timeout=60)[0])["found"] for builder in builders)
    assert outcomes == ["built", "local"]
    assert all("\nslept\n" in log.read_text() for log in logs)
    assert sum(log.read_text().count("Successfully built") for log in logs) == 2


def test_who_waited_for_a_build_that_failed_does_not_build_again(
    workspace: Make, base_image: str, tmp_path: Path
) -> None:
    wanted = environment(base_image, f"RUN echo {os.urandom(4).hex()}; sleep 2; exit 9")
    logs = [tmp_path / "a", tmp_path / "b"]
    builders = [_builder(workspace(), wanted, log) for log in logs]
    assert all(builder.wait(60) for builder in builders)
    assert all("exit 9" in log.read_text() for log in logs)
    assert sum(log.read_text().count("Step 1/") for log in logs) == 2
    with pytest.raises(EspalierError):  # (whoever comes later tries again)
        have(workspace(), wanted, log=str(tmp_path / "c"))
    assert "Step 1/" in (tmp_path / "c").read_text()


def _builder(workspace: Workspace, wanted: Environment, log: "Path | None" = None) -> "subprocess.Popen[str]":
    code = (
        "import json, os, signal, sys\n"
        # (what is started in the background by a shell ignores it)
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from espalier.environment.definition import Environment\n"
        "from espalier.provision.docker.chain import ensure\n"
        "from espalier.base.cache_paths import CachePaths\n"
        "from espalier.base.paths import WorkspacePaths\n"
        "path, definition, log = sys.argv[1:]\n"
        "image = ensure(WorkspacePaths(path), CachePaths(os.environ['ESPALIER_CACHE_DIR']),\n"
        "    Environment.from_mapping(json.loads(definition)), lambda secret: '', log or None)\n"
        "print(json.dumps({'found': image.found}))"
    )
    argv = [sys.executable, "-c", code, workspace.path, json.dumps(wanted.record()), str(log or "")]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def _until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _changed(engine: Any, image: str, name: str) -> str:
    """Another image under `name:1`."""
    container = engine.api.create_container(image, ["x"])["Id"]
    made = engine.api.commit(container, repository=name, tag="1", changes=[f"ENV NEW={os.urandom(4).hex()}"])
    engine.api.remove_container(container)
    return str(made["Id"])


def _with_probe(engine: Any, image: str, data: bytes) -> str:
    """Another image, with a file `/probe`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("probe")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    container = engine.api.create_container(image, ["x"])["Id"]
    engine.api.put_archive(container, "/", out.getvalue())
    made = engine.api.commit(container)
    engine.api.remove_container(container)
    return str(made["Id"])


def _got(engine: Any, image: str) -> bytes:
    """What an image has at `/got`."""
    container = engine.api.create_container(image, ["x"])["Id"]
    archive = b"".join(engine.api.get_archive(container, "/got")[0])
    engine.api.remove_container(container)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile("got")
        assert file is not None
        return file.read()


def _forget(engine: Any, image: str) -> None:
    """Remove an image with all its names."""
    for name in engine.api.inspect_image(image)["RepoTags"]:
        engine.api.remove_image(name)
