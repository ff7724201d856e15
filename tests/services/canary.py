"""Looking for a secret wherever it must not be."""

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any, Iterable, Iterator, List


def in_image(engine: Any, image: str, canary: str) -> List[str]:
    """Where in an image the secret is: its history, its configuration, its layers."""
    found = []
    described = engine.api.inspect_image(image)
    if canary in json.dumps(described):
        found.append("configuration")
    if canary in json.dumps(engine.api.history(image)):
        found.append("history")
    if in_stream(engine.api.get_image(image), canary):
        found.append("layers")
    return found


def in_stream(chunks: Iterable[bytes], canary: str) -> bool:
    """Whether it is among the bytes, also across the border of two chunks."""
    wanted, kept = canary.encode(), b""
    for chunk in chunks:
        kept += chunk
        if wanted in kept:
            return True
        kept = kept[-len(wanted):]
    return False


def in_folder(folder: Path, canary: str) -> List[str]:
    """Files below a folder that have it in their content or name."""
    found = []
    for path in folder.rglob("*"):
        if canary in str(path):
            found.append(str(path))
        elif path.is_file() and not path.is_symlink():
            with path.open("rb") as stream:
                if in_stream(iter(lambda: stream.read(1 << 20), b""), canary):
                    found.append(str(path))
    return found


class Watch:
    """Where in the list of processes it was seen."""

    def __init__(self) -> None:
        self.seen: List[str] = []


@contextlib.contextmanager
def watching_processes(canary: str) -> Iterator[Watch]:
    """In the block the command lines of all processes are looked at again and again."""
    watch, over, wanted = Watch(), threading.Event(), canary.encode()

    def look() -> None:
        while not over.is_set():
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as stream:
                        line = stream.read()
                        if wanted in line:
                            watch.seen.append(line.decode(errors="replace"))
            over.wait(0.005)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
