"""Runs a command in a container, where a port leads to a socket of the host: `python forward.py SOCKET COMMAND ...`.

In the command's variables `@GATEWAY@` stands for the port. Standard library only, any Python 3.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for data in iter(lambda: source.recv(65536), b""):
            target.sendall(data)
    for one, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            one.shutdown(how)


def _serve(listener: socket.socket, path: str) -> None:
    while True:
        try:
            client = listener.accept()[0]
            host = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            host.connect(path)
        except OSError:
            continue
        for pair in ((client, host), (host, client)):
            threading.Thread(target=_copy, args=pair, daemon=True).start()


def main(path: str, command: "list[str]") -> int:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    threading.Thread(target=_serve, args=(listener, path), daemon=True).start()
    port = str(listener.getsockname()[1])
    variables = {name: value.replace("@GATEWAY@", port) for name, value in os.environ.items()}
    return subprocess.call(command, env=variables)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2:]))
