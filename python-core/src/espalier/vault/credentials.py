"""Credentials that are recognised by their form, hidden where known secrets are: passwords in URLs, HTTP authorization,
`curl -u`, netrc lines, keys of AWS and tokens as their issuers write them. Ordinary text has none of these forms.

Standard library only: the runner loads this file.
"""

import re
from typing import Iterable, List, Tuple

from espalier.vault.masking import STARS, Masker

# No line without an end is held back longer (bytes).
_LONGEST = 65_536
_VALUE = rb"[^\s\"'<>]"
# A byte that each occurrence has, texts of which it has one, and the form: its last group is what is hidden. (To look
# for the byte takes a hundredth of the time, for the texts a tenth.)
_FORMS: List[Tuple[bytes, Tuple[bytes, ...], "re.Pattern[bytes]"]] = [
    (b"@", (b"://",), re.compile(rb"(://[^\s/@:\"'<>]*:)([^\s/@\"'<>]+)(?=@)")),
    (
        b" ", (b"uthorization", b"UTHORIZATION"),
        re.compile(
            rb"(\b(?:proxy-)?authorization[\"']?[ \t]*[:=][ \t]*[\"']?"
            rb"(?:(?:basic|bearer|token|digest|negotiate)[ \t]+)?)"
            rb"(" + _VALUE + rb"{6,})", re.IGNORECASE,
        ),
    ),
    (b" ", (b"earer ",), re.compile(rb"(\b[Bb]earer[ \t]+)([\w.~+/=-]{16,})")),
    (
        b"-", (b"curl",),
        re.compile(
            rb"(\bcurl\b[^\n]*?[ \t](?:-[a-zA-Z]*u|-U|--user|--proxy-user)(?:[= \t]+|(?=\S))"
            rb"\\?[\"']?[^\s:\"'\\-][^\s:\"']*:)"
            rb"(" + _VALUE + rb"+)"
        ),
    ),
    (
        b" ", (b"password", b"PASSWORD"),
        re.compile(
            rb"(\b(?:machine[ \t]+\S+|default)(?:[ \t]+(?:login|account)[ \t]+\S+)*[ \t]+password[ \t]+)(\S+)",
            re.IGNORECASE,
        ),
    ),
    # (a netrc of several lines; words alone are prose, such as "password incorrect")
    (
        b" ", (b"password", b"PASSWORD"),
        re.compile(
            rb"(^[ \t]*(?i:password)[ \t]+)(?=\S*[^a-z\s.,:;!?])(?!\S*[:=])(\S{4,})(?=[ \t]*\r?$)", re.MULTILINE
        ),
    ),
    (b" ", (b"login ",), re.compile(rb"(^[ \t]*(?:login[ \t]+\S+[ \t]+)password[ \t]+)(\S+)", re.MULTILINE)),
    (
        b"_", (b"aws_", b"AWS_"),
        re.compile(
            rb"(aws_(?:secret_access_key|session_token)[\"']?[ \t]*[:=][ \t]*[\"']?)([\w/+=.-]{16,})", re.IGNORECASE
        ),
    ),
    (
        b":", (b"SecretAccessKey", b"SessionToken"),
        re.compile(
            rb"((?:SecretAccessKey|SessionToken)[\"']?[ \t]*[:=][ \t]*[\"']?)([\w/+=.-]{16,})"
        ),
    ),
    (b"A", (b"AKIA", b"ASIA"), re.compile(rb"(\b)((?:AKIA|ASIA)[0-9A-Z]{16})\b")),
    (
        b"_", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"hf_", b"npm_"),
        re.compile(rb"(\b)(gh[pousr]_\w{20,}|github_pat_\w{20,}|hf_\w{20,}|npm_\w{20,})"),
    ),
    (
        b"-", (b"glpat-", b"pypi-", b"xox"),
        re.compile(rb"(\b)(glpat-[\w-]{16,}|pypi-[\w-]{40,}|xox[a-z]-[\w-]{16,})"),
    ),
    (b"d", (b"dapi",), re.compile(rb"(\b)(dapi[0-9a-f]{32})")),
]  # fmt: skip
_BEGINNINGS = re.compile(
    rb"://|authorization|bearer[ \t]|\bcurl\b|\bmachine[ \t]|\bdefault[ \t]|\blogin[ \t]|\bpassword[ \t]|aws_"
    rb"|SecretAccessKey|SessionToken|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|\bhf_|npm_|pypi-"
    rb"|\bxox[a-z]-|\bdapi", re.IGNORECASE,
)  # fmt: skip
# (so long is the longest of these)
_PARTIAL = 15


def mask_credentials(data: bytes) -> bytes:
    """A text of whole lines, with `***` in place of what looks like a credential."""
    for byte, hints, form in _FORMS:
        if byte in data:
            for hint in hints:
                data = _masked_where(hint, form, data)
    return data


def _masked_where(hint: bytes, form: "re.Pattern[bytes]", data: bytes) -> bytes:
    """A form is looked for only in lines with its hint: to find a text is many times faster than to find a form."""
    at = data.find(hint)
    if at < 0:
        return data
    parts, done = [], 0
    while at >= 0:
        begin = data.rfind(b"\n", done, at) + 1 or done
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        parts += [data[done:begin], form.sub(rb"\1" + STARS, data[begin:end])]
        done, at = end, data.find(hint, end)
    return b"".join([*parts, data[done:]])


class LogMasker:
    """Hides known secrets and what looks like a credential in a stream of bytes, however it is cut into pieces.

    A line that has not ended is held back from where a credential may begin; all else is given at once.

    Args:
        secrets: The texts to hide, in all their encodings.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = Masker(secrets)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next piece of the stream; returns what can be shown by now."""
        return self._shown(self._secrets.feed(data), is_last=False)

    def close(self) -> bytes:
        """The stream has ended; returns the rest."""
        return self._shown(self._secrets.close(), is_last=True)

    def _shown(self, data: bytes, is_last: bool) -> bytes:
        buffer = self._held + data
        end = len(buffer) if is_last else _decided(buffer)
        self._held = buffer[end:]
        return mask_credentials(buffer[:end])


def _decided(buffer: bytes) -> int:
    """Up to where it is known that no credential has begun whose end is not there."""
    line = max(buffer.rfind(b"\n"), buffer.rfind(b"\r")) + 1
    if len(buffer) - line > _LONGEST:
        return len(buffer)
    begins = _BEGINNINGS.search(buffer, line)
    if begins:
        return begins.start()
    word = max(buffer.rfind(b" "), buffer.rfind(b"\t"), line - 1) + 1
    return max(word, len(buffer) - _PARTIAL)
