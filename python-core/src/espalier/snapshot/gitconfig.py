"""What must be known of a repository's own configuration before git may run in it: read as text only."""

import contextlib
import os
import re
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from espalier.base.records import read_plain

_SIZE = 1 << 20
_DEPTH = 10
# Anywhere in the text, not only at a line's start: git takes several headers in one line. What is found
# in a comment does no harm, a driver that does not exist is then switched off.
_FILTER = re.compile(r'\[\s*filter(?:\.([^\]\n]*)|\s+"((?:\\.|[^"\\\n])*)")\s*\]', re.IGNORECASE)
_INCLUDE = re.compile(r"\[\s*include", re.IGNORECASE)
_PATH = re.compile(r"(?:^|\])\s*path\s*=[ \t]*([^\n]*)", re.IGNORECASE | re.MULTILINE)
_HEADER = re.compile(r'\[\s*([^\s\]"]+)(?:\s+"((?:\\.|[^"\\])*)")?\s*\]')
_TOKEN = re.compile(r"\b(gh[pousr]_|github_pat_|glpat-|dapi)[A-Za-z0-9_-]{8,}")


class Repository(NamedTuple):
    """Where a repository's parts lie: its top folder, its git folder, the one its worktrees share."""

    top: str
    git_dir: str
    common_dir: str


def is_anothers(repository: Repository) -> bool:
    """Whether a repository belongs to another user, who is not root: `/tmp/.git` may be anybody's.

    That user can change its settings at any moment. They name programs, and git gets its path, so that it does not
    refuse.
    """
    if not hasattr(os, "geteuid"):
        return False
    for place in {repository.git_dir, repository.common_dir, os.path.join(repository.top, ".git")}:
        with contextlib.suppress(OSError):
            if os.stat(place).st_uid not in (os.geteuid(), 0):
                return True
    return False


def repository_around(source: str) -> Optional[Repository]:
    """Looks for the repository that holds a folder; starts no process.

    Returns:
        The repository, also of another user; None when the folder lies in none.
    """
    folder = os.path.realpath(source)
    while True:
        dot = os.path.join(folder, ".git")
        is_there = os.path.exists(dot)
        if is_there and os.path.isfile(dot):  # a worktree or a submodule
            line = _line(dot)
            if not line.startswith("gitdir:"):
                return None
            dot = os.path.normpath(os.path.join(folder, line[len("gitdir:") :].strip()))
        if is_there and os.path.isfile(os.path.join(dot, "HEAD")):
            shared = _line(os.path.join(dot, "commondir"))
            return Repository(folder, dot, os.path.normpath(os.path.join(dot, shared)) if shared else dot)
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def config_texts(repository: Repository) -> Optional[List[str]]:
    """The texts of all configuration files that a repository brings along.

    Returns:
        The texts, its own first; None when they cannot all be read, and git should not be run there.
    """
    pending = [(os.path.join(repository.common_dir, "config"), 0)]
    pending.append((os.path.join(repository.git_dir, "config.worktree"), 0))
    texts: List[str] = []
    seen: Set[str] = set()
    while pending:
        path, depth = pending.pop(0)
        if path in seen:
            continue
        try:
            text = _text(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
        if depth > _DEPTH:
            return None
        seen.add(path)
        texts.append(text)
        if _INCLUDE.search(text):
            for value in _PATH.findall(text.replace("\\\n", "")):
                target = os.path.expanduser(_value(value))
                if target.startswith("%("):  # relative to where git was installed, which only git knows
                    return None
                pending.append((os.path.normpath(os.path.join(os.path.dirname(path), target)), depth + 1))
    return texts


def filter_names(texts: List[str]) -> Optional[Set[str]]:
    """The names of the filter drivers that a configuration may define.

    Returns:
        The names; None when one cannot be given on a command line, so that git must not be run.
    """
    names: Set[str] = set()
    for text in texts:
        text = text.replace("\\\n", "")
        for dotted, quoted in _FILTER.findall(text):
            name = re.sub(r"\\(.)", r"\1", quoted) if quoted else dotted
            names.update((name, name.lower()) if dotted else (name,))
    if any("=" in name or not (name.isascii() and name.isprintable()) for name in names):
        return None
    return names


def remote_url(texts: List[str]) -> Optional[str]:
    """The URL of `origin`, else of the first remote, without anything secret.

    Returns:
        The URL, None when there is no remote.
    """
    urls: Dict[str, str] = {}
    for text in texts:
        section: Tuple[str, str] = ("", "")
        for line in text.splitlines():
            header = _HEADER.match(line.strip())
            rest = line
            if header:
                section = (header.group(1).lower(), header.group(2) or "")
                rest = line.strip()[header.end() :]
            key, equals, value = rest.partition("=")
            if equals and section[0] == "remote" and key.strip().lower() == "url":
                urls.setdefault(section[1], _value(value))
    url = urls.get("origin") or next(iter(urls.values()), None)
    return strip_credentials(url) if url else None


def strip_credentials(url: str) -> str:
    """A remote's URL without user, password, token, query and fragment.

    Args:
        url: Any form git takes: a URL, `host:path`, `helper::address`, a path.

    Returns:
        What is left; of `ext::<command>` nothing but the scheme.
    """
    url = "".join(c for c in url if c.isprintable()).strip()
    helper, colons, address = url.partition("::")
    if colons and re.fullmatch(r"[A-Za-z0-9+.-]+", helper):
        return "ext::" if helper.lower() == "ext" else helper + "::" + strip_credentials(address)
    scheme, slashes, rest = url.partition("://")
    if slashes:
        rest = re.split(r"[?#]", _without_user(rest), maxsplit=1)[0]
        url = scheme + slashes + rest
    elif re.match(r"[^/]*@[^/]*:", url):  # user@host:path; the user may be a token, only `git` never is
        user, _, host = url.rpartition("@") if url.index(":") > url.index("@") else ("", "", url.split("@", 1)[1])
        url = f"git@{host}" if user == "git" else host
    return _TOKEN.sub("***", url)


def _without_user(rest: str) -> str:
    """What follows `://` without its user part, also where a password contains `/`, `?`, `#` or `@`."""
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in host:
        return rest[host.rindex("@") + 1 :]
    _, colon, port = host.partition(":")
    if colon and port and not port.isdecimal() and "@" in rest and not host.startswith("["):
        return rest[rest.rindex("@") + 1 :]
    return rest


def _value(text: str) -> str:
    """A configuration value: comment and quotes removed."""
    out, quoted, escaped = [], False, False
    for c in text.strip():
        if escaped:
            out.append({"n": "\n", "t": "\t"}.get(c, c))
            escaped = False
        elif c == "\\":
            escaped = True
        elif c == '"':
            quoted = not quoted
        elif c in "#;" and not quoted:
            break
        else:
            out.append(c)
    return "".join(out).strip()


def _text(path: str) -> str:
    """The text of a plain file. Raises OSError, also where it is larger than `_SIZE`."""
    data = read_plain(path, follow=True, follow_folder=True, limit=_SIZE)
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _line(path: str) -> str:
    """The text of a file that names a place; empty where it can't be read."""
    try:
        return _text(path).strip()
    except OSError:
        return ""
