import base64
import json
import os
import signal
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from espalier import EspalierError, Keyvault, Run, Workspace
from espalier.adapters.private import private_file
from espalier.base.config import Session

Submit = Callable[..., Run]
Ended = Callable[..., Dict[str, Any]]
TOKEN = "canary-token/5f1e+é"
LINES = "-----BEGIN canary-----\nMIIEcanary1\n  canary2\n-----END canary-----\n"
# What Python sees inside of the job.
READ = "from espalier import Run; run = Run.get_context(); "


@pytest.fixture
def keyvault(workspace: Workspace) -> Keyvault:
    found = Keyvault(workspace.path)
    found.set_secrets({"token": TOKEN, "lines": LINES, "other": "other-canary"})
    return found


@pytest.fixture
def python(submit: Submit, keyvault: Keyvault) -> Submit:
    """Submit lines of Python with secrets attached."""

    def submit_lines(code: str, *secrets: str, **fields: Any) -> Run:
        return submit([sys.executable, "-c", code], secrets=list(secrets), **fields)

    return submit_lines


def log_of(run: Run) -> str:
    return Path(run.run_dir, "user_logs", "std_log.txt").read_text("utf-8", "replace")


def files_with(folder: Path, text: str) -> List[str]:
    """Files below a folder in which a text is, plain or as base64."""
    shown = [base64.b64encode(b"-" * n + text.encode())[(0, 2, 3)[n] : (n + len(text)) * 8 // 6] for n in range(3)]
    forms = [text.encode(), *shown]
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            found += [str(path)] * any(form in data for form in forms)
    return found


def test_a_job_reads_its_secrets(python: Submit, ended: Ended, home: Path) -> None:
    code = READ + """
import hashlib
print(sorted((n, hashlib.sha256(run.get_secret(n).encode()).hexdigest()) for n in ('token', 'lines')))
print(run.get_secrets(['token']))
"""
    run = python(code, "token", "lines", "token")
    details = ended(run)
    assert details["status"] == "Completed", log_of(run)
    first, second = log_of(run).splitlines()
    assert first == str(sorted((n, sha256(v.encode()).hexdigest()) for n, v in (("token", TOKEN), ("lines", LINES))))
    assert second == "{'token': '***'}"
    assert details["runDefinition"]["secrets"] == ["token", "lines"]
    assert files_with(home, "canary") == []


def test_children_that_inherit_nothing_read_them_too(python: Submit, ended: Ended) -> None:
    code = f"""
import subprocess, sys
line = {READ!r} + "print(len(run.get_secret('token')))"
subprocess.run([sys.executable, '-c', line], close_fds=True, check=True)
subprocess.run([sys.executable, '-c', line], close_fds=True, check=True, start_new_session=True)
"""
    run = python(code, "token")
    assert ended(run)["status"] == "Completed", log_of(run)
    assert log_of(run) == f"{len(TOKEN)}\n" * 2


def test_what_is_not_attached(python: Submit, ended: Ended) -> None:
    code = READ + """
from espalier import EspalierError
for name in ('other', 'none'):
    try:
        run.get_secret(name)
    except EspalierError as error:
        print(error.code, error.hint)
"""
    for secrets in (["token"], []):
        run = python(code, *secrets)
        ended(run)
        assert log_of(run).count("secret_missing Attach secrets at submit") == 2, log_of(run)


@pytest.mark.parametrize("secrets, code", [(["token", "none"], "secret_missing"), (["a/b"], "bad_name"), ("token", "bad_argument")])
def test_refused_at_submit(submit: Submit, keyvault: Keyvault, workspace: Workspace, secrets: Any, code: str) -> None:
    with pytest.raises(EspalierError) as caught:
        submit("true", secrets=secrets)
    assert caught.value.code == code
    assert list(Path(workspace.path, "runs").glob("*/*")) == []


def test_gone_when_it_starts(python: Submit, ended: Ended, keyvault: Keyvault, submit: Submit) -> None:
    first = submit("sleep 1", cpus=1)
    run = python("pass", "token", depends_on=[first.id])
    keyvault.delete_secrets(["token"])
    error = ended(run)["error"]
    assert (error["code"], error["class"]) == ("prepare_failed", ["espalier_error_secret_missing"])
    assert "set_secrets()" in error["message"]


def test_a_key_that_is_gone(python: Submit, ended: Ended, keyvault: Keyvault) -> None:
    os.unlink(keyvault.get_details()["key"])
    error = ended(python("pass", "token"))["error"]
    assert (error["code"], error["class"]) == ("prepare_failed", ["espalier_error_keyvault_locked"])


def test_nowhere_but_where_the_job_puts_it(python: Submit, ended: Ended, home: Path, reach: Any) -> None:
    """Not in the command line or environment of any process of the run, nor in any file, while it runs and after."""
    run = python(READ + "import time, sys; run.get_secret('token'); print('ready', flush=True); time.sleep(60)", "token")
    log = Path(run.run_dir, "user_logs", "std_log.txt")
    reach(lambda: log.exists() and "ready" in log.read_text())
    seen = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if run.id.encode() in told:
            seen += 1
            assert b"canary" not in told and b"Y2FuYXJ5" not in told
    assert seen >= 1
    assert files_with(home, "canary") == []
    run.cancel()
    assert ended(run)["status"] == "Canceled"
    assert files_with(home, "canary") == []


def test_it_cannot_be_changed(python: Submit, ended: Ended) -> None:
    code = """
import os
path = os.environ['ESPALIER_SECRETS']
for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
    try:
        os.write(os.open(path, flags), b'x')
        print('changed')
    except OSError as error:
        print(error.strerror)
"""
    run = python(code, "token")
    ended(run)
    assert log_of(run) == "Operation not permitted\n" * 2


def test_hidden_in_what_it_prints(python: Submit, ended: Ended) -> None:
    code = READ + r"""
import base64, json, os, sys, time, urllib.parse
token, lines = run.get_secret('token'), run.get_secret('lines')
print('plain', token, file=sys.stderr)
print('\x1b[31m' + token + '\x1b[0m')
print(lines)
print(base64.b64encode(b'user:' + token.encode()).decode())
print(urllib.parse.quote(token, safe=''), json.dumps({'t': token}))
for part in (token[:3].encode(), token[3:9].encode(), token[9:].encode()):
    os.write(1, part)
    time.sleep(0.05)
os.write(2, b' end\n')
raise SystemExit('not for everybody: ' + token)
"""
    run = python(code, "token", "lines")
    details = ended(run)
    log = log_of(run)
    assert "canary" not in log and "5f1e" not in log
    shown = log.splitlines()
    assert shown[:2] == ["plain ***", "\x1b[31m***\x1b[0m"] and shown[-2:] == ["*** end", "not for everybody: ***"], log
    assert '{"t": "***"}' in log
    assert "canary" not in json.dumps(details)


def test_an_uncaught_error_of_python(python: Submit, ended: Ended) -> None:
    run = python(READ + "raise ValueError('bad token ' + run.get_secret('token'))", "token")
    error = ended(run)["error"]
    assert "bad token ***" in error["message"] and "canary" not in json.dumps(error)


def test_a_line_is_seen_at_once(python: Submit, reach: Any, ended: Ended) -> None:
    run = python("import time; print('first'); print('canary-tok', end='', flush=True); time.sleep(60)", "token")
    log = Path(run.run_dir, "user_logs", "std_log.txt")
    reach(lambda: log.exists() and log.read_text() == "first\n")
    run.cancel()
    ended(run)
    assert log_of(run) == "first\ncanary-tok"


def test_much_output_to_the_very_end(python: Submit, ended: Ended) -> None:
    code = READ + """
import sys
token = run.get_secret('token')
for number in range(200_000):
    print(number, 'filler filler filler filler', token if number % 1000 == 0 else '')
"""
    run = python(code, "token")
    assert ended(run, 60)["status"] == "Completed"
    lines = log_of(run).splitlines()
    assert len(lines) == 200_000 and lines[-1].startswith("199999 ")
    assert sum("***" in line for line in lines) == 200


def test_what_goes_on_in_the_background(submit: Submit, keyvault: Keyvault, ended: Ended) -> None:
    """Its output is open after the job's own end; it is ended with the run, which does not wait for it."""
    run = submit("(sleep 300; echo late) & echo early", secrets=["token"])
    assert ended(run)["status"] == "Completed"
    assert log_of(run) == "early\n"


def test_runner_killed(python: Submit, ended: Ended, reach: Any, home: Path) -> None:
    run = python("import time; print('on', flush=True); time.sleep(300)", "token")
    log = Path(run.run_dir, "user_logs", "std_log.txt")
    reach(lambda: log.exists() and log.read_text() == "on\n")
    status = json.loads(Path(run.run_dir, "status.json").read_text())
    private_file(run.id, b"as for a container")
    os.kill(status["pid"], signal.SIGKILL)
    assert ended(run)["error"]["code"] == "runner_lost"
    assert not [path for path in Path("/dev/shm").glob(f"espalier-*/{run.id}")]


def test_canceled_while_the_keyvault_is_opened(python: Submit, ended: Ended, reach: Any, home: Path) -> None:
    slow = home / "slow" / "cryptography"
    slow.mkdir(parents=True)
    (slow / "__init__.py").write_text(f"import time; open({str(home / 'on')!r}, 'w'); time.sleep(300)")
    run = python("pass", "token", session=Session(modules=[str(slow.parent)]))
    reach((home / "on").exists)
    run.cancel()
    assert ended(run)["status"] == "Canceled"
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if "vault/agent" in command_of(pid) and run.id in command_of(pid)]


def command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_text("utf-8", "replace")
    except OSError:
        return ""


@pytest.mark.parametrize("session, said", [(Session(modules=[]), "cryptography"), (Session(core_python="/none"), "/none"), (Session(core_python="/bin/false"), "died")])
def test_a_core_that_cannot_open_it(python: Submit, ended: Ended, session: Session, said: str) -> None:
    error = ended(python("pass", "token", session=session))["error"]
    assert error["code"] == "prepare_failed" and said in error["message"], error


def test_what_opens_the_keyvault_inherits_nothing(python: Submit, ended: Ended, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_AUDIT", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV", "R_PROFILE_USER", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    spy = home / "spy" / "cryptography"
    spy.mkdir(parents=True)
    seen = home / "seen"
    (spy / "__init__.py").write_text(f"import os, sys; open({str(seen)!r}, 'w').write(repr((dict(os.environ), sys.argv)))")
    ended(python("pass", "token", session=Session(modules=[str(spy.parent)])))
    assert "canary" not in seen.read_text() and "HOME" in seen.read_text()


def test_passwords_in_proxies_are_not_recorded(python: Submit, ended: Ended, workspace: Workspace) -> None:
    proxies = {"PATH": os.environ["PATH"], "https_proxy": "http://me:canary-password@proxy:3128"}
    run = python("import os; print('canary' in os.environ['https_proxy'])", "token", session=Session(environment=proxies))
    assert ended(run)["status"] == "Completed" and log_of(run) == "True\n"
    assert run.get_details()["runDefinition"]["inherited"] == ["PATH", "https_proxy"]
    assert files_with(Path(workspace.path), "canary-password") == []


def test_of_each_attempt(python: Submit, ended: Ended) -> None:
    run = python(READ + "print(run.get_secret('token')); raise SystemExit(3)", "token", retry=2)
    assert ended(run)["attempt"] == 2
    assert [line for line in log_of(run).splitlines() if not line.startswith("---")] == ["***", "***"]


def test_children_get_no_more_than_their_parent(python: Submit, ended: Ended) -> None:
    code = READ + """
from espalier import EspalierError
code = "from espalier import Run; print(len(Run.get_context().get_secret('token')))"
import sys
child = run.submit_child({'command': [sys.executable, '-c', code], 'secrets': ['token']})
child.wait_for_completion()
try:
    run.submit_child({'command': ['true'], 'secrets': ['token', 'other']})
except EspalierError as error:
    print(error.code, error.message)
"""
    run = python(code, "token")
    assert ended(run, 60)["status"] == "Completed", log_of(run)
    assert "secret_missing Can't pass on the secret other:" in log_of(run)
    (child,) = run.get_children()
    assert log_of(child) == f"{len(TOKEN)}\n"


def test_from_a_session(python: Submit, ended: Ended, keyvault: Keyvault) -> None:
    run = python("pass", "token")
    ended(run)
    assert run.get_secret("token") == TOKEN
    with pytest.raises(EspalierError, match="Can't read the secret other: it isn't attached to the run"):
        run.get_secrets(["token", "other"])
    keyvault.delete_secrets(["token"])
    with pytest.raises(EspalierError, match="Can't find the secret token"):
        run.get_secret("token")
    with pytest.raises(EspalierError) as caught:
        Run.get_context().get_secret("token")
    assert caught.value.code == "run_not_active"


def test_memory_of_the_runner(python: Submit, ended: Ended, reach: Any) -> None:
    code = "import sys, time\nfor _ in range(300): sys.stdout.write('x' * 99_999 + '\\n')\nprint('done', flush=True); time.sleep(60)"
    run = python(code, "token", "lines")
    log = Path(run.run_dir, "user_logs", "std_log.txt")
    reach(lambda: log.exists() and log.read_bytes()[-5:] == b"done\n")
    pid = json.loads(Path(run.run_dir, "status.json").read_text())["pid"]
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) <= 25 * 1024, peak
    run.cancel()
    ended(run)
