"""An executor whose jobs a daemon executes: a stand-in for another machine with the same files."""

import json
import os
import socket
import sys

from espalier.base.errors import EspalierError
from espalier.executors.contract import Capabilities, Executor, Reconciled
from espalier.executors.start import start_job

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "client.py")
SOCKET = os.path.expanduser("~/far.socket")


class FarExecutor(Executor):
    name = "far"
    capabilities = Capabilities(may_outlive=True)

    def check(self, config):
        if not os.path.exists(SOCKET):
            raise EspalierError("not_supported", f"No daemon listens at {SOCKET}.", "Start the daemon.")
        return []

    def launch(self, job, run):
        ask = {"act": "run", "job": job.spec.id, "command": job.command(), "folder": job.scratch.job}
        command = [sys.executable, "-I", "-S", CLIENT, SOCKET, json.dumps({**ask, "variables": job.variables()})]
        return start_job(run, job.scratch.job, command, job.variables())

    def reconcile(self, run, status):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(SOCKET)
            connection.sendall(json.dumps({"act": "end", "job": os.path.basename(run.root)}).encode() + b"\n")
            connection.recv(1)  # (when nothing is left of it)
        return Reconciled()
