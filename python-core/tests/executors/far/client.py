"""Stands for one job of the daemon's: `client.py SOCKET REQUEST`."""

import json
import os
import signal
import socket
import sys

ADDRESS, REQUEST = sys.argv[1:]
JOB = json.loads(REQUEST)["job"]


def ask(request):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(ADDRESS)
    connection.sendall(request.encode() + b"\n")
    return connection


signal.signal(signal.SIGTERM, lambda *_: ask(json.dumps({"act": "end", "job": JOB})))
output = ask(REQUEST)
while data := output.recv(65536):
    os.write(1, data)
status = int(ask(json.dumps({"act": "wait", "job": JOB})).recv(64))
sys.exit(status if status >= 0 else 128 - status)
