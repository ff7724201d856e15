"""The daemon: `host.py SOCKET`. It executes what it is asked for, each job in a session of its own."""

import json
import os
import signal
import socketserver
import subprocess
import sys

JOBS = {}


class Asked(socketserver.StreamRequestHandler):
    def handle(self):
        asked = json.loads(self.rfile.readline())
        if asked["act"] == "run":
            self.run(asked)
        elif asked["act"] == "wait":
            self.wfile.write(str(JOBS[asked["job"]].wait()).encode())
        elif asked["job"] in JOBS:
            os.killpg(JOBS[asked["job"]].pid, signal.SIGKILL)
            JOBS[asked["job"]].wait()

    def run(self, asked):
        command = ["/bin/sh", "-c", 'exec "$@"', "sh", *asked["command"]]
        out = self.connection.fileno()
        JOBS[asked["job"]] = subprocess.Popen(
            command, cwd=asked["folder"], env=asked["variables"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )
        JOBS[asked["job"]].wait()  # (the connection is the job's until then)


class Host(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    with Host(sys.argv[1], Asked) as host:
        print("ready", flush=True)
        host.serve_forever()
