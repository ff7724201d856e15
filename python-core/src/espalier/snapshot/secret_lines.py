"""Lines that look like keys, tokens or passwords, masked in a diff. What looks like nothing is not found."""

import re
from typing import Tuple

_MASK = b"<masked: this line looks like a secret>"
# As their issuers write them: GitHub, GitLab, Databricks, Slack, AWS, Google, OpenAI, Hugging Face, npm, PyPI, JWT,
# SendGrid, Azure; private keys; passwords in URLs; HTTP authorization.
_TOKENS = (
    rb"\bgh[pousr]_\w{16}|\bgithub_pat_\w{16}|\bglpat-[\w-]{16}|\bdapi[0-9a-f]{24}|\bxox[a-z]-[\w-]{10}"
    rb"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30}|\bsk-[\w-]{16}|\bhf_\w{16}|\bnpm_\w{16}|\bpypi-[\w-]{16}"
    rb"|\beyJ[\w-]{8,400}\.eyJ[\w-]|\bSG\.[\w-]{16}|\bAccountKey=|[?&]sig=[\w%]{16}|-----BEGIN [A-Z ]{0,40}PRIVATE KEY"
    rb"|://[^\s/@:]{0,200}:[^\s/@]{1,200}@|\bBearer +[\w.~+/-]{12}|\bBasic +[\w+/]{12}"
)
_NAME = (
    rb"(?:passw(?:or)?d|passphrase|\bpwd|_pwd|secret|token|credential"
    rb"|(?:api|access|private|account|auth|encryption|signing)[_.-]?key)[\w.-]{0,40}"
)
# Such a name and what is given to it: a text in quotes, or a bare word up to the end of the line (YAML, .env) that is
# neither a number nor a constant.
_BARE = rb"[^\s\"'()\[\]{}<>$,;&]"
_GIVEN = (
    _NAME + rb"[\"'`\])]{0,2}\s{0,20}(?:<-|=>?|:)\s{0,20}(?:[rbfu]?[\"'][^\"'\s]{3}|"
    rb"(?!(?:TRUE|FALSE|NULL|None|NA|[-+\d._e]{1,40})[\s,;]{0,40}$)"
    rb"(?:" + _BARE + rb"{80}|" + _BARE + rb"{4,80}\s{0,20}[,;]?\s{0,20}$))"
)
# Such a name in quotes, and a text after it: set_key("TOKEN", "...").
_PAIR = rb"[\"'][\w.-]{0,40}" + _NAME + rb"[\"']\s{0,20},\s{0,20}[\"'][^\"'\s]{6,}"
_NAMED = re.compile(b"|".join((_TOKENS, _GIVEN, _PAIR)), re.IGNORECASE)
# One of these is in each text that _NAMED finds, in any case: to look for them alone takes a sixth of the time.
_HINT = re.compile(
    rb"gh[pousr]_|github_pat_|glpat-|dapi|xox|akia|asia|aiza|sk-|hf_|npm_|pypi-|eyj|sg[.]|sig=|://|bearer|basic"
    rb"|passw|passphrase|pwd|secret|token|credential|key"
)
# Forty signs with small letters, capitals and digits, and no path: Base64, as cloud providers hand out keys.
_RANDOM = re.compile(
    rb"(?<![\w+/-])(?=[\w+/-]{0,39}\d)(?=[\w+/-]{0,39}[A-Z])(?=[\w+/-]{0,39}[a-z])(?!(?:[\w+-]{0,39}/){3})[\w+/-]{40}"
)


def mask_secrets(diff: bytes) -> Tuple[bytes, int]:
    """Replaces lines that look like keys, tokens or passwords.

    Args:
        diff: A diff as git writes it.

    Returns:
        The diff, with a remark in place of each such line, and how many they are.
    """
    out, masked, in_hunk, in_key = [], 0, False, False
    for line in diff.split(b"\n"):
        if line.startswith(b"diff --git "):
            in_hunk = in_key = False
        elif line.startswith(b"@@ "):
            in_hunk = True
            if looks_secret(line):  # what git shows after the second @@ is a line of the file
                line = b"@@".join(line.split(b"@@", 2)[:2]) + b"@@"
        elif in_hunk and line and (in_key or looks_secret(line[1:])):
            in_key = (in_key or b"PRIVATE KEY" in line) and b"-----END " not in line
            line = line[:1] + _MASK
            masked += 1
        out.append(line)
    return b"\n".join(out), masked


def looks_secret(line: bytes) -> bool:
    """Whether a line of a file looks as if it held a key, token or password."""
    named = _HINT.search(line.lower()) and _NAMED.search(line)
    return bool(named or _RANDOM.search(line))
