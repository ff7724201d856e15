import base64
import json
import urllib.parse
from typing import List

import pytest
from espalier.vault.encodings import patterns_of
from espalier.vault.masking import Masker
from hypothesis import given, settings
from hypothesis import strategies as st

PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ==\n  indented line\n}\n-----END KEY-----\n"
HOSTILE = ["a.*b[c](d)^$|\\", "pass%word%", "päss wörd 😀", "tab\tand\x1b[31mcolour", "aaaa", "abab" * 5, "*****", PEM]
# few letters, so that secrets overlap and begin alike
SECRET = st.text(alphabet="ab/ é\n", min_size=4, max_size=9).filter(lambda text: len(text.strip()) >= 4)


def masked(secrets: List[str], *pieces: bytes) -> bytes:
    masker = Masker(secrets)
    return b"".join(masker.feed(piece) for piece in pieces) + masker.close()


def mask_text(text: str, secrets: List[str]) -> str:
    return masked(secrets, text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


@pytest.mark.parametrize("secret", HOSTILE)
@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_encodings(secret: str, before: str) -> None:
    """Whatever is before it, by the libraries that programs use."""
    text = before + secret + "after"
    data = text.encode()
    shown = [
        text, json.dumps(text), json.dumps(text, ensure_ascii=False), urllib.parse.quote(text), urllib.parse.quote(text, safe=""),
        urllib.parse.quote_plus(text), urllib.parse.quote(text, safe="").lower() if secret.islower() else urllib.parse.quote(text),
        base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode(),
    ]  # fmt: skip
    for form in shown:
        assert "***" in mask_text(form, [secret]), form
    for line in filter(lambda line: len(line) >= 4, map(str.strip, secret.strip().split("\n"))):
        for form in shown[:6]:
            assert line not in mask_text(form, [secret]) or "*" in line
    core = base64.b64encode(data).decode()[8:-16]
    assert not core or core not in mask_text(base64.b64encode(data).decode(), [secret])


def test_what_is_left_of_base64() -> None:
    """Next to the stars at most the characters that also depend on what is around the secret."""
    for before in range(3):
        text = base64.b64encode(b"-" * before + b"canary-token-5f1e" + b"-" * 7).decode()
        left = mask_text(text, ["canary-token-5f1e"])
        assert len(left) - 3 <= 4 * before + 12, left


@pytest.mark.parametrize("width", [76, 64])
def test_base64_in_lines(width: int) -> None:
    secret = "".join(chr(33 + number % 90) for number in range(420))
    text = base64.b64encode(secret.encode()).decode()
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    shown = mask_text("\n".join(lines), [secret]).split("\n")
    assert shown[:-1] == ["***"] * (len(lines) - 1) and shown[-1].startswith("***")


def test_percent_encoding_of_lower_case_hex_and_latin1() -> None:
    assert mask_text("p%c3%a4ss%2fw", ["päss/w"]) == mask_text("p%C3%A4ss%2Fw", ["päss/w"]) == "***"
    assert masked(["päss"], "päss".encode("latin-1")) == b"***"


def test_where_a_locale_lacks_a_character() -> None:
    assert mask_text("p<U+00E4>ss <U+0001F600>!", ["päss 😀"]) == "***!"
    assert mask_text(repr("päss".encode()), ["päss"]) == "b'***'"


def test_several_lines() -> None:
    assert mask_text(PEM, [PEM]) == "***\n"
    assert mask_text(PEM[:-6], [PEM]) == "***\n***\n  ***\n}\n-----END KEY"
    assert mask_text("a MIIEvQIBADANBgkqhkiG9w0BAQ== b", [PEM]) == "a *** b"
    assert mask_text(PEM.replace("\n", "\r\n"), [PEM]).count("***") == 4
    assert mask_text("ab\ncd", ["ab\ncd"]) == "***"  # no line of it is long enough


def test_one_is_the_beginning_of_another_and_they_overlap() -> None:
    assert mask_text("-abcdef-abcd-abcde-", ["abcd", "abcdef"]) == "-***-***-***e-"
    assert mask_text("-abcdefgh-", ["abcdef", "efgh"]) == "-***-"
    assert mask_text("-abcdabcd-", ["abcd"]) == "-******-"
    assert mask_text("-ababababab-", ["abab"]) == "-***-"
    assert mask_text("-xabcdx-", ["abcd", "xabcdx"]) == "-***-"


def test_what_is_no_secret_is_given_at_once() -> None:
    masker = Masker(["secret-token"])
    assert masker.feed(b"a whole line\n") == b"a whole line\n"
    assert masker.feed(b"progress 10% s") == b"progress 10% "
    assert masker.feed(b"ecret-tok") == b""
    assert masker.feed(b"yo\n") == b"secret-tokyo\n"
    assert masker.feed(b"secret-token") == b"***"
    assert masker.feed(b"secret") + masker.close() == b"secret"


def test_a_stream_that_never_ends_is_not_kept() -> None:
    masker = Masker(["aaaa"])
    assert b"".join(masker.feed(b"a" * 1000) for _ in range(100)) == b"***"
    assert len(masker._held) < 8


def test_no_secrets_and_binary() -> None:
    assert masked([], b"\0\xff\r\n", b"x") == b"\0\xff\r\nx"
    assert masked(["token"], bytes(range(256)), b"token\xff\0") == bytes(range(256)) + b"***\xff\0"


@settings(max_examples=300, deadline=None)
@given(st.lists(SECRET, max_size=4), st.lists(st.sampled_from(["a", "b", "ab", "/", " ", "é", "\n", "x", "YWFh", "YWJh"]), max_size=40), st.data())
def test_any_chunks_give_the_same_and_no_secret_is_in_it(secrets: List[str], words: List[str], data: st.DataObject) -> None:
    for secret in secrets:
        words.insert(data.draw(st.integers(0, len(words))), secret)
    text = "".join(words).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)])]
    whole = masked(secrets, text)
    assert masked(secrets, *pieces) == whole == masked(secrets, *(text[i : i + 1] for i in range(len(text))))
    for secret in secrets:
        for pattern in patterns_of(secret):
            assert pattern not in whole


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=30, max_size=60).filter(lambda text: len(text.strip()) > 25), min_size=3, max_size=5), st.integers(0, 9000), st.data())
def test_in_long_texts_too(secrets: List[str], at: int, data: st.DataObject) -> None:
    """Where patterns are ruled out before they are looked for."""
    filler = b"2026-11-26 12:00:00 INFO loss 0.123 %5C \\ abcdefghijklmnopqrstuvwxyzABCDEF\n" * 200
    form = data.draw(st.sampled_from(patterns_of(data.draw(st.sampled_from(secrets)))))
    text = filler[:at] + form + filler[at:]
    whole = masked(secrets, text)
    assert b"***" in whole and len(whole) < len(text)
    cut = data.draw(st.integers(0, len(text)))
    assert masked(secrets, text[:cut], text[cut:]) == whole
