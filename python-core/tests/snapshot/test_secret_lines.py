"""What is taken for a secret, and what is not."""


import pytest
from espalier.snapshot.diff import looks_secret, mask_secrets
from hanging import not_hanging

SCANS = False

SECRETS = [
    'password <- "swordfish"',
    "  password: letmein",
    "DB_PASSWORD=hunter2",
    "export API_KEY=abcd1234",
    '{"token": "abcdef"}',
    'Sys.setenv(MY_SECRET = "x1y2z3")',
    "os.environ['ACCESS_KEY'] = 'abcd'",
    'keyring::key_set_with_value("API_TOKEN", "me", "x")  # ghp_abcdefghijklmnopqrst',
    'set_key("API_TOKEN", "abcdefg")',
    "AKIAIOSFODNN7EXAMPLE",
    "x = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
    "con <- connect('postgres://me:pw@host/db')",
    "Authorization: Bearer abcdefghijkl.mno",
    "h = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc'",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==",
]
TOKENS = [
    *(f"gh{kind}_abcdefghijklmnopqrst" for kind in "pousr"),
    "github_pat_abcdefghijklmnop1",
    "glpat-abcdefghijklmnop",
    "dapi0123456789abcdef01234567",
    "xoxb-1234567890",
    "ASIAIOSFODNN7EXAMPLE",
    "AIzaSyA12345678901234567890123456789",
    "sk-abcdefghijklmnop",
    "hf_abcdefghijklmnop",
    "npm_abcdefghijklmnop",
    "pypi-AgEIcHlwaS5vcmcCJ",
    "SG.abcdefghijklmnop",
    "https://a/b?sv=1&sig=abcdefghijklmnop",
    "-----BEGIN PRIVATE KEY-----",
    "https://:abc@host",
    "Basic YWxhZGRpbjpvcGVu",
    "passwd = 'abc'",
    "passphrase: abcd",
    "db_pwd = 'abc'",
    "credentials = 'abc'",
    "signing.key = 'abc'",
]
PLAIN = [
    "x <- 1",
    'password <- Sys.getenv("DB_PASSWORD")',
    "token <- get_token()",
    "max_tokens = 4096",
    "use_token = TRUE",
    'df <- merge(a, b, by = "key")',
    "# the tokens are read below",
    '"Hash": "0a1b2c3d4e5f60718293a4b5c6d7e8f9"',
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    'read.csv("~/Documents/Project2/analysis/2023/data/final/Women.csv")',
    "url <- 'https://example.org:8080/a'",
]


@pytest.mark.parametrize("line", [*SECRETS, *TOKENS])
def test_secret(line):
    assert looks_secret(line.encode())
    assert looks_secret(line.upper().encode()) or "wJalr" in line


@pytest.mark.parametrize("line", PLAIN)
def test_not_secret(line):
    assert not looks_secret(line.encode())


def test_lines_of_files_alone_are_masked_and_keys_as_a_whole():
    diff = (
        b"diff --git a/password=abcdef b/password=abcdef\n+++ b/password=abcdef\n@@ -1,4 +1,5 @@ password = 'abcdef'\n"
        b" x\n+-----BEGIN RSA PRIVATE KEY-----\n+short\n-old\n+-----END RSA PRIVATE KEY-----\n y\n"
        b"diff --git a/b b/b\n@@ -1 +1 @@\n+z\n"
    )
    text, count = mask_secrets(diff)
    assert count == 4
    assert text.count(b"<masked") == 4 and b"short" not in text and b"@@ -1,4 +1,5 @@\n" in text
    assert b"\n x\n" in text and b"\n y\n" in text and text.endswith(b"\n+z\n") and b"+++ b/password=abcdef" in text


@pytest.mark.parametrize("part", [b"token", b"a", b"aA1", b" ", b"password=", b'"token"', b"://a", b"eyJ", b"a/"])
def test_a_long_line_takes_no_long_time(part):
    line = b"@@ -1 +1 @@\n+" + part * (256 * 1024 // len(part)) + b"\n"
    with not_hanging():
        mask_secrets(line)
