"""Inputs that have an address: fetched once, verified, never trusted without their digest."""

import hashlib
import json
import os
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from espalier import EspalierError, Experiment, Run, ScriptRunConfig, input_url
from espalier.adapters.homes import cache_folder
from espalier.base.cache_paths import fetched_inputs
from espalier.base.model.codec import read_as
from espalier.base.model.job import Fetch, JobSpec
from espalier.queue.control import cancel
from espalier.runner import fetch as module

Submit = Callable[..., Run]
DATA = b"a,b\n1,2\n"
SHA256 = hashlib.sha256(DATA).hexdigest()
READ = 'cat "$ESPALIER_INPUT_DATA"; echo "$ESPALIER_INPUT_DATA $ESPALIER_ORIGIN_DATA"'


class Site:
    """A server of files; `asked` has the path of each request."""

    def __init__(self) -> None:
        self.asked: List[str] = []
        self.hangs = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        name = request.path.rpartition("/")[2].partition("?")[0]
        if name in ("gone.csv", "data.csv/"):
            return request.send_error(404)
        request.send_response(302 if name.startswith("moved") else 200)
        if name.startswith("moved"):
            targets = {"moved-file.csv": f"file://{os.devnull}", "moved-ftp.csv": "ftp://127.0.0.1:1/data.csv"}
            request.send_header("Location", targets.get(name, f"{self.address}/data.csv"))
            return request.end_headers()
        request.send_header("Content-Length", str(len(DATA) + (5 if name == "half.csv" else 0)))
        request.end_headers()
        if name == "hangs.csv":
            self.hangs.wait(30)
        request.wfile.write(b"x" * len(DATA) if name == "other.csv" else DATA)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.hangs.set()
    site.server.shutdown()
    site.server.server_close()


def said(run: Run) -> str:
    return Path(run.run_dir, "user_logs", "std_log.txt").read_text()


def kept() -> List[str]:
    folder = fetched_inputs(cache_folder())
    return os.listdir(folder) if os.path.isdir(folder) else []


def test_it_is_fetched_once_and_the_job_has_a_copy(submit: Submit, ended: Any, site: Site) -> None:
    given = {"data": input_url(f"{site.address}/data.csv?version=1", sha256=SHA256.upper())}
    for _ in range(2):
        run = submit(READ, inputs=given)
        details = ended(run)
        assert details["status"] == "Completed" and details["warnings"] == []
        copy = f"{run.run_dir}/.job/inputs/data/data.csv"
        assert said(run) == f"{DATA.decode()}{copy} {site.address}/data.csv\n"
    assert site.asked == ["/data.csv?version=1"] and kept() == [SHA256]
    (item,) = details["inputDatasets"]
    assert (item["url"], item["sha256"]) == (f"{site.address}/data.csv?version=1", SHA256)


def test_equal_content_is_the_same_input_wherever_it_comes_from(
    experiment: Experiment, ended: Any, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_bytes(DATA)
    places = [str(tmp_path / "data.csv"), input_url(f"{site.address}/data.csv", SHA256), input_url("http://x/y", SHA256)]
    runs = [experiment.submit(ScriptRunConfig(command="true", inputs={"data": place}), reuse=True) for place in places[:1]]
    ended(runs[0])
    runs += [experiment.submit(ScriptRunConfig(command="true", inputs={"data": place}), reuse=True) for place in places[1:]]
    assert runs == [runs[0]] * 3 and site.asked == []


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("other.csv", "input_changed", [SHA256, hashlib.sha256(b"x" * len(DATA)).hexdigest()]),
        ("gone.csv", "input_missing", ["gone.csv doesn't exist"]),
        ("half.csv", "input_missing", ["Can't fetch the input", "half.csv"]),
        ("moved-file.csv", "input_missing", ["not allowed"]),
        ("moved-ftp.csv", "input_missing", ["redirected to ftp:"]),
    ],
)
def test_what_is_not_what_was_asked_for_is_not_used(
    submit: Submit, ended: Any, site: Site, name: str, code: str, words: List[str]
) -> None:
    details = ended(submit(READ, inputs={"data": input_url(f"{site.address}/{name}", SHA256)}))
    assert details["status"] == "Failed" and details["error"]["class"] == [f"espalier_error_{code}"]
    assert all(word in details["error"]["message"] for word in words) and kept() == []


def test_redirects_are_followed(submit: Submit, ended: Any, site: Site) -> None:
    assert ended(submit(READ, inputs={"data": input_url(f"{site.address}/moved.csv", SHA256)}))["status"] == "Completed"


def test_what_became_of_the_cache_is_not_trusted(submit: Submit, ended: Any, site: Site) -> None:
    given = {"data": input_url(f"{site.address}/data.csv", SHA256)}
    ended(submit(READ, inputs=given))
    place = os.path.join(fetched_inputs(cache_folder()), SHA256)
    Path(place).write_bytes(b"z" * len(DATA))
    run = submit(READ, inputs=given)
    assert ended(run)["status"] == "Completed" and said(run).startswith(DATA.decode()) and len(site.asked) == 2
    assert Path(place).read_bytes() == DATA


def test_what_a_killed_process_left_is_not_used_and_goes(submit: Submit, ended: Any, site: Site) -> None:
    folder = Path(fetched_inputs(cache_folder()))
    folder.mkdir(parents=True, exist_ok=True)
    for name, age in ((".tmp-1-half", 2 * 86_400), (".tmp-2-half", 0), ("0" * 64, 40 * 86_400), ("1" * 64, 86_400)):
        (folder / name).write_bytes(DATA[:3])
        before = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (before, before))
    assert ended(submit(READ, inputs={"data": input_url(f"{site.address}/data.csv", SHA256)}))["status"] == "Completed"
    assert sorted(kept()) == sorted([".tmp-2-half", "1" * 64, SHA256])


def test_it_is_called_off(submit: Submit, ended: Any, site: Site, reach: Any) -> None:
    run = submit(READ, inputs={"data": input_url(f"{site.address}/hangs.csv", SHA256)})
    reach(lambda: site.asked)
    cancel(run._paths, "test")
    assert ended(run)["status"] == "Canceled" and kept() == []


def test_more_than_the_limit_is_not_read(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "LARGEST_BYTES", len(DATA) - 1)
    item = module.Input("data", "x", url=f"{site.address}/data.csv", sha256=SHA256)
    with pytest.raises(EspalierError, match=f"larger than {len(DATA) - 1} bytes") as caught:
        module.fetch_input(item, str(tmp_path / "copy"), Fetch(str(tmp_path)), partial(os.rename))
    assert caught.value.code == "input_missing" and os.listdir(tmp_path / "inputs") == []


def test_the_sessions_proxy_is_asked(submit: Submit, ended: Any, site: Site) -> None:
    given = {"data": input_url("http://data.invalid/data.csv", SHA256)}
    session = {"environment": {"PATH": os.defpath, "http_proxy": site.address, "SECRET_TOKEN": "x"}}
    config = {"command": READ, "inputs": given, "session": session}
    run = submit(**{**config, "session": ScriptRunConfig.from_mapping(config).session})
    env: Dict[str, Any] = json.loads(Path(run.run_dir, "env.json").read_text())
    assert env["fetch"] == {"cache": cache_folder(), "variables": {"http_proxy": site.address}}
    assert ended(run)["status"] == "Completed" and site.asked == ["http://data.invalid/data.csv"]


@pytest.mark.parametrize(
    ("url", "sha256", "said"),
    [
        ("https://user:pw@example.com/a.csv", SHA256, "with credentials in it"),
        ("https://example.com/a.csv?X-Amz-Signature=1", SHA256, "looks like a secret"),
        ("https://example.com/a.csv?token=1", SHA256, "looks like a secret"),
        ("file:///etc/passwd", SHA256, "an address is https"),
        ("ftp://example.com/a.csv", SHA256, "isn't a URL that can be used"),
        ("example.com/a.csv", SHA256, "isn't a URL that can be used"),
        ("https://example.com/", SHA256, "an address is"),
        ("https://example.com/..", SHA256, "an address is"),
        ("https://example.com/a b", SHA256, "isn't a URL that can be used"),
        ("https://example.com/a.csv", "", "64 hexadecimal digits"),
        ("https://example.com/a.csv", SHA256[:-1] + "g", "64 hexadecimal digits"),
    ],
)
def test_bad_addresses(submit: Submit, url: str, sha256: str, said: str) -> None:
    with pytest.raises(EspalierError, match=said) as caught:
        submit("true", inputs={"data": input_url(url, sha256)})
    assert caught.value.code == "bad_argument" and "pw" not in str(caught.value)
    is_secret = said in ("with credentials in it", "looks like a secret")
    assert is_secret == ("Take an address without" in caught.value.hint)
    assert (is_secret or sha256 != SHA256) == ("An address begins with https://" not in caught.value.hint)


def test_an_address_without_a_digest_is_no_input(submit: Submit) -> None:
    with pytest.raises(EspalierError, match="have the fields output and run; sha256 and url") as caught:
        submit("true", inputs={"data": {"url": "https://example.com/a.csv"}})
    assert caught.value.code == "bad_argument"


def test_it_is_recorded_without_being_fetched(submit: Submit, site: Site) -> None:
    submit("true", inputs={"data": input_url(f"{site.address}/data.csv", SHA256)}, depends_on=[submit("sleep 0.1; false").id])
    assert site.asked == []


def test_the_record_is_that_of_an_equal_file(submit: Submit, ended: Any, site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(DATA)
    run = submit("true", inputs={"a": str(tmp_path / "data.csv"), "b": input_url(f"{site.address}/data.csv", SHA256)})
    one, two = read_as(JobSpec, run._paths.spec).inputs
    assert one.digest == two.digest and two.is_copied and not two.is_to_come
    ended(run)


def test_what_lies_in_place_of_what_was_kept_is_replaced(submit: Submit, ended: Any, site: Site) -> None:
    given = {"data": input_url(f"{site.address}/data.csv", SHA256)}
    folder = Path(fetched_inputs(cache_folder()))
    for spoil in (
        lambda path: (path.mkdir(parents=True), (path / "x").write_text("x")),
        lambda path: path.write_text("damaged"),
        lambda path: path.symlink_to("/etc/passwd"),
    ):
        if (folder / SHA256).exists():
            (folder / SHA256).unlink()
        spoil(folder / SHA256)
        details = ended(submit(READ, inputs=given))
        assert details["status"] == "Completed" and kept() == [SHA256]
        assert (folder / SHA256).read_bytes() == DATA and not (folder / SHA256).is_symlink()


def test_only_its_own_files_are_forgotten(submit: Submit, ended: Any, site: Site) -> None:
    folder = Path(fetched_inputs(cache_folder()))
    folder.mkdir(parents=True)
    for name in ("thesis.txt", "0" * 64, "0" * 63 + "g"):
        (folder / name).write_text("x")
        os.utime(folder / name, (1.0, 1.0))
    ended(submit(READ, inputs={"data": input_url(f"{site.address}/data.csv", SHA256)}))
    assert sorted(kept()) == sorted([SHA256, "thesis.txt", "0" * 63 + "g"])
