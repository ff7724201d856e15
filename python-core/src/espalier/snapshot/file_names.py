"""Names and link targets: how they are shown, how an ignore file names them, which ones can be kept."""

import os
import stat


def is_utf8(name: str) -> bool:
    """Whether a name from the operating system is UTF-8 on the disk, in any locale."""
    try:
        os.fsencode(name).decode("utf-8")
    except UnicodeError:
        return False
    return True


def shown(path: str) -> str:
    """A path for people: bytes that are not UTF-8 and control characters as backslash escapes."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def ignore_line(path: str, is_dir: bool) -> str:
    """The line of an ignore file that matches exactly this path; what cannot be written is a `?`.

    Args:
        path: The path relative to the source, with `/`.
        is_dir: Whether it is a folder.

    Returns:
        The pattern, anchored at the source folder.
    """
    text = "".join("\\" + c if c in "\\*?[" else c if c.isprintable() else "?" for c in path)
    return "/" + (text[:-1] + "\\ " if text.endswith(" ") else text) + ("/" if is_dir else "")


def link_problem(root: str, path: str, target: bytes) -> str:
    """Why a link cannot be kept: its target must lie inside both by its text and on the disk.

    Args:
        path: The link's path relative to it, with `/`.

    Returns:
        The reason, as the rest of a sentence; empty when the link can be kept.
    """
    try:
        target.decode("utf-8")
    except UnicodeError:
        return "a name that is not UTF-8"
    if target.startswith(b"/"):
        return "an absolute path, which leads out of the job's copy of the folder"
    above = os.path.dirname(path.encode("utf-8"))
    outside = "which is outside the folder"
    if os.path.normpath(os.path.join(above, target)).split(b"/")[0] == b"..":
        return outside
    inside = os.fsencode(root)
    real = os.path.realpath(os.path.join(inside, above, target))
    return "" if real == inside or real.startswith(inside.rstrip(b"/") + b"/") else outside


def special_kind(mode: int) -> str:
    """What something is that is neither file, folder nor link, with its article."""
    for test, word in ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a device")):
        if test(mode):
            return word
    return "a device" if stat.S_ISCHR(mode) else "a special file"
