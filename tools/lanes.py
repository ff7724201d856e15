"""Run make targets side by side, because half of the tests wait for processes: lanes.py "TARGETS" "TARGETS" ...

Each line of output begins with its lane's number. All lanes run to their ends; the exit status is 1 if one failed.
"""

import os
import subprocess
import sys
import threading
import time


def run(lane: int, targets: str, failed: list[str]) -> None:
    began = time.monotonic()
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", *targets.split()]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, **streams) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.buffer.write(b"%d| " % lane + line)
            sys.stdout.buffer.flush()
    if process.returncode:
        failed.append(targets)
    result = "failed" if process.returncode else "passed"
    print(f"{lane}| {targets}: {result} after {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    failed: list[str] = []
    targets_of = enumerate(sys.argv[1:], 1)
    lanes = [threading.Thread(target=run, args=(lane, targets, failed)) for lane, targets in targets_of]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    for targets in failed:
        print(f"Failed: make {targets}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
