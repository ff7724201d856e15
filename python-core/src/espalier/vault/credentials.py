"""Credentials that are recognised by their form, hidden where known secrets are: passwords in URLs, HTTP authorization,
`curl -u`, netrc lines, keys of AWS and tokens as their issuers write them. Ordinary text has none of these forms.

Standard library only: the runner loads this file.
"""

import re
from typing import Iterable, List, NamedTuple, Optional, Tuple

from espalier.vault.masking import STARS, Masker

# No line without an end is held back longer (bytes).
_LONGEST = 65_536
# Of a longer one so much of the end is still held back where a credential begins in it.
_END = 4096
_VALUE = rb"[^\s\"'<>]"


class _Form(NamedTuple):
    """One form. The hidden part is the first group of the pattern, and its end.

    Args:
        hints: Texts of which each occurrence has one: to find a text is many times faster than to find a form.
        before: So many bytes before the hint the pattern begins.
        has_run: Whether it has `_RUN` characters in a row that words are made of.
        needs: Bytes that it has beside its hint.
        in_vain: Where this matches and the pattern does not, none does in the rest of the line.
    """

    hints: Tuple[bytes, ...]
    before: int
    pattern: "re.Pattern[bytes]"
    has_run: bool = False
    needs: bytes = b""
    in_vain: "Optional[re.Pattern[bytes]]" = None


_FORMS = [
    _Form((b"://",), 0, re.compile(rb"://[^\s/@:\"'<>]*:([^\s/@\"'<>]+)(?=@)"), needs=b"@"),
    _Form(
        (b"uthorization", b"UTHORIZATION"), 1,
        re.compile(
            rb"\bauthorization[\"']?[ \t]*[:=][ \t]*[\"']?"
            rb"(?:(?:basic|bearer|token|digest|negotiate)[ \t]+)?"
            rb"(" + _VALUE + rb"{6,})", re.IGNORECASE,
        ),
    ),
    _Form((b"earer",), 1, re.compile(rb"\b[Bb]earer[ \t]+([\w.~+/=-]{16,})")),
    _Form(
        (b"curl",), 0,
        re.compile(
            rb"\bcurl\b[^\n]*?[ \t](?:-[a-zA-Z]{0,30}u|-U|--user|--proxy-user)(?:[= \t]+|(?=\S))"
            rb"\\?[\"']?[^\s:\"'\\-][^\s:\"']*:(" + _VALUE + rb"+)"
        ), needs=b"-:", in_vain=re.compile(rb"\bcurl\b"),
    ),
    _Form(
        (b"aws_se", b"AWS_SE"), 0,
        re.compile(
            rb"aws_(?:secret_access_key|session_token)[\"']?[ \t]*[:=][ \t]*[\"']?([\w/+=.-]{16,})", re.IGNORECASE
        ), has_run=True,
    ),
    _Form(
        (b"SecretAccessKey", b"SessionToken"), 0,
        re.compile(rb"(?:SecretAccessKey|SessionToken)[\"']?[ \t]*[:=][ \t]*[\"']?([\w/+=.-]{16,})"),
    ),
    _Form((b"AKIA", b"ASIA"), 0, re.compile(rb"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b"), has_run=True),
    _Form(
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"), 0,
        re.compile(rb"\b(gh[pousr]_\w{20,}|github_pat_\w{20,})"), has_run=True,
    ),
    _Form((b"hf_", b"npm_"), 0, re.compile(rb"\b((?:hf|npm)_\w{20,})"), has_run=True),
    _Form(
        (b"glpat-", b"pypi-", b"xox"), 0,
        re.compile(rb"\b(glpat-[\w-]{16,}|pypi-[\w-]{40,}|xox[a-z]-[\w-]{16,})"), has_run=True,
    ),
    _Form((b"dapi",), 0, re.compile(rb"\b(dapi[0-9a-f]{32})"), has_run=True),
]  # fmt: skip
# All of these have so many bytes in a row that are letters, digits, `_` or `-`.
_RUN = 17
_IN_RUN = bytes(ord("w") if re.match(rb"[\w-]", bytes([byte])) else ord(" ") for byte in range(256))
# Lines of a netrc: one, or several (there words alone are prose, such as "password incorrect").
_NETRC = [
    re.compile(
        rb"(\b(?:machine[ \t]+\S+|default)(?:[ \t]+(?:login|account)[ \t]+\S+)*[ \t]+password[ \t]+)(\S+)",
        re.IGNORECASE,
    ),
    re.compile(
        rb"(^[ \t]*(?i:password)[ \t]+)(?=\S*[^a-z\s.,:;!?])(?!\S*[:=])(\S{4,})(?=[ \t]*\r?$)", re.MULTILINE
    ),
    re.compile(rb"(^[ \t]*(?:login[ \t]+\S+[ \t]+)password[ \t]+)(\S+)", re.MULTILINE),
]
_HINTS = [*(hint for form in _FORMS for hint in form.hints), b"password", b"PASSWORD"]
# The commonest bytes of ordinary text last.
_RARE_FIRST = sorted(range(256), key=lambda byte: b"kvbywgpfmucdlhrsnioate ".find(byte))
_RAREST = {hint: sorted(set(hint), key=_RARE_FIRST.index)[:2] for hint in _HINTS}
_PASSWORD = re.compile(rb"(?<!\S)password[ \t]+\S", re.IGNORECASE)
_BEGINNINGS = re.compile(
    rb"://|authorization|bearer[ \t]|\bcurl\b|\bmachine[ \t]|\bdefault[ \t]|\blogin[ \t]|\bpassword[ \t]|aws_"
    rb"|SecretAccessKey|SessionToken|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|\bhf_|npm_|pypi-"
    rb"|\bxox[a-z]-|\bdapi", re.IGNORECASE,
)  # fmt: skip
# (so long is the longest of these)
_PARTIAL = 15


def mask_credentials(data: bytes) -> bytes:
    """A text of whole lines, with `***` in place of what looks like a credential."""
    has_run: Optional[bool] = None
    for form in _FORMS:
        for hint in form.hints:
            if not _may_have(data, hint, form.needs):
                continue
            if form.has_run and has_run is None:
                has_run = b"w" * _RUN in data.translate(_IN_RUN)
            if has_run or not form.has_run:
                data = _hide(hint, form, data)
    for hint in (b"password", b"PASSWORD"):
        if _may_have(data, hint):
            data = _hide_in_netrc(hint, data)
    return data


def _may_have(data: bytes, hint: bytes, needs: bytes = b"") -> bool:
    """Whether a text has some bytes, and the rarest two of a hint. (To look for a byte takes a tenth of the time.)"""
    return all(byte in data for byte in (*needs, *_RAREST[hint]))


def _hide(hint: bytes, form: _Form, data: bytes) -> bytes:
    """Hide what has a form, which is looked for only where its hint is."""
    at = data.find(hint)
    if at < 0:
        return data
    parts: List[bytes] = []
    done = 0
    while at >= 0:
        found = form.pattern.match(data, at - form.before) if at >= done + form.before else None
        if found is not None:
            parts += (data[done : found.start(1)], STARS)
            done = at = found.end()
        elif form.in_vain is not None and form.in_vain.match(data, at):
            end = data.find(b"\n", at)
            at = len(data) if end < 0 else end
        else:
            at += 1
        at = data.find(hint, at)
    return b"".join([*parts, data[done:]])


def _hide_in_netrc(hint: bytes, data: bytes) -> bytes:
    at = data.find(hint)
    parts, done = [], 0
    while at >= 0:
        if _PASSWORD.match(data, at) is None:
            at = data.find(hint, at + 1)
            continue
        begin = data.rfind(b"\n", done, at) + 1 or done
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        line = data[begin:end]
        low = line.lower()
        if low.lstrip(b" \t").startswith(b"password") or b"login" in low or b"machine" in low or b"default" in low:
            for form in _NETRC:
                line = form.sub(rb"\1" + STARS, line)
        parts += [data[done:begin], line]
        done, at = end, data.find(hint, end)
    return b"".join([*parts, data[done:]]) if parts else data


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
        line = len(buffer) - _END
    begins = _BEGINNINGS.search(buffer, line)
    if begins:
        return begins.start()
    word = max(buffer.rfind(b" "), buffer.rfind(b"\t"), line - 1) + 1
    return max(word, len(buffer) - _PARTIAL)
