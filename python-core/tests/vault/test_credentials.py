"""Credentials are recognised by their form; ordinary text is not."""

import random
import re

import pytest
from espalier.vault.credentials import _FORMS, _NETRC, LogMasker, mask_credentials

SECRET = "S3cr3t-canary-77x"
LINES = [
    f"Downloading https://robot:{SECRET}@pypi.example.org/simple/a",
    f"https://:{SECRET}@host/x",
    f"postgres://u:{SECRET}@db:5432/x",
    f"machine host.example login robot password {SECRET}",
    f"default login robot password {SECRET}",
    f"MACHINE h LOGIN robot PASSWORD {SECRET}",
    f"login robot password {SECRET}",
    f"machine h\n  login robot\n  password {SECRET}",
    f"\tpassword {SECRET}\r",
    f'sh -c "curl -u \\"robot:{SECRET}\\" https://host"',
    f"+ curl -u robot:{SECRET} https://host/x",
    f"curl -su robot:{SECRET} https://host/x",
    f"curl --user robot:{SECRET} https://host",
    f"curl -urobot:{SECRET} https://host",
    f"curl --user='robot:{SECRET}' https://host",
    f'curl -fsSL -u "robot:{SECRET}" https://host',
    f"curl -x p:1 --proxy-user robot:{SECRET} https://host",
    f"> Authorization: Basic {SECRET}",
    f"authorization: Bearer {SECRET}",
    f'{{"Authorization": "token {SECRET}"}}',
    f"Proxy-Authorization: Basic {SECRET}",
    f"curl -H 'Authorization: Bearer {SECRET}' x",
    f"using bearer {SECRET}",
    f"AWS_SECRET_ACCESS_KEY={SECRET}",
    f"aws_secret_access_key = {SECRET}",
    f'"SecretAccessKey": "{SECRET}"',
    f"aws_session_token={SECRET}",
]
TOKENS = ["AKIAIOSFODNN7EXAMPLE", "ghp_0123456789abcdefghij0123456789abcdef", "glpat-0123456789abcdefghij", "hf_abcdefghijklmnopqrstuvwxyz012345"]
ORDINARY = """
https://cran.r-project.org/src/contrib/x_1.0.tar.gz
see http://localhost:8080/a@b
time 12:30:11 a@b.org
machine learning with password protected files
the machine has login shells and a password prompt
password incorrect
  password accepted.
password: ok
password is needed for User1
curl -O https://host:8080/file
curl --url https://host -u
Authorization: None
Authorization failed
the bearer of this token
AWS_REGION=eu-west-1
ASIA and AKIA
npm_config_cache=/tmp
default login password
git@github.com:owner/repo.git
""".strip().splitlines()


@pytest.mark.parametrize("line", [*LINES, *TOKENS])
def test_is_hidden_however_it_is_cut(line):
    secret = (line if line in TOKENS else SECRET).encode()
    data = f"before\n{line}\nafter\n".encode()
    whole = mask_credentials(data)
    assert secret not in whole and b"***" in whole
    assert whole.startswith(b"before\n") and whole.endswith(b"\nafter\n")
    for at in range(len(data) + 1):
        masker = LogMasker()
        assert masker.feed(data[:at]) + masker.feed(data[at:]) + masker.close() == whole
    masker = LogMasker()
    assert b"".join(masker.feed(data[at : at + 1]) for at in range(len(data))) + masker.close() == whole


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_text_stays(line):
    assert mask_credentials(line.encode()) == line.encode()


PIECES = [
    b"://", b"u:", b"@", b"Authorization: ", b"authorization", b"UTHORIZATION=", b"\"", b"'", b"basic ", b"Bearer ", b"bearer\t",
    b"curl ", b"libcurl ", b"curl", b"-u ", b"--user=", b"-su", b"a:b", b"machine h ", b"default ", b"login u ", b"Login ",
    b"password ", b"PASSWORD\t", b"password", b"S3cr3t", b"ghp_", b"gho_", b"github_pat_", b"hf_", b"npm_", b"glpat-", b"pypi-",
    b"xoxb-", b"xox", b"dapi", b"AKIA", b"ASIA", b"aws_secret_access_key = ", b"AWS_SESSION_TOKEN=", b"SecretAccessKey\": \"",
    b"SessionToken:", b"a" * 16, b"0" * 32, b"A" * 16, b"a1_" * 7, b" ", b" ", b"\t", b"\n", b"\n", b"\r\n", b":", b"=", b"-",
]  # fmt: skip


def plainly_hidden(data: bytes) -> bytes:
    """Each form looked for everywhere."""
    for form in _FORMS:
        for hint in form.hints:
            begins = b"(?=" + b"." * form.before + b"(?-i:" + re.escape(hint) + b"))"
            parts, done = [], 0
            for found in re.finditer(begins + form.pattern.pattern, data, form.pattern.flags):
                parts += [data[done : found.start(1)], b"***"]
                done = found.end()
            data = b"".join([*parts, data[done:]])
    for line in _NETRC:
        data = line.sub(rb"\1***", data)
    return data


def test_looking_where_it_may_be_finds_the_same():
    source = random.Random(7)
    for _ in range(4000):
        data = b"".join(source.choice(PIECES) for _ in range(source.randint(1, 30)))
        assert mask_credentials(data) == plainly_hidden(data), data


def test_a_long_line_of_commands_takes_no_time_of_its_own():
    """Looked for anew from each `curl`, this would take minutes."""
    line = b"curl -x: " * 100_000
    assert mask_credentials(line) == line


def test_what_cannot_become_a_credential_is_given_at_once():
    assert LogMasker().feed(b"Epoch 1 of 10 ") == b"Epoch 1 of 10 "
    assert LogMasker().feed(b"50%|#####     | done\r") == b"50%|#####     | done\r"
    assert LogMasker().feed(b"x" * 100_000 + b"\n") == b"x" * 100_000 + b"\n"


def test_known_secrets_are_hidden_too():
    masker = LogMasker(["canary-value"])
    assert masker.feed(b"a canary-va") + masker.feed(b"lue b\n") + masker.close() == b"a *** b\n"


@pytest.mark.parametrize("at", range(6))
def test_a_token_in_a_line_without_end_is_hidden_wherever_that_is_cut(at):
    token, piece = b"ghp_" + b"Z9" * 18, 65_536
    before = b"http://x/".ljust(2 * piece - 8 * at, b" ")
    text = before + token + b" tail" * piece
    masker = LogMasker()
    shown = [masker.feed(text[start : start + piece]) for start in range(0, len(text), piece)]
    assert b"".join([*shown, masker.close()]) == text.replace(token, b"***")


def test_a_long_word_of_options_takes_no_time_of_its_own():
    line = b"curl -" + b"u" * 1_000_000 + b" :\n"
    assert mask_credentials(line) == line
