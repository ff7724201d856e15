"""Run make targets side by side, because half of the tests wait for processes: lanes.py "TARGETS" "TARGETS" ...

Each line of output begins with its lane's number. All lanes run to their ends; the exit status is 1 if one failed.
What failed is shown again at the very end, because of a long log often only the end is kept.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections import deque

# Lines by which pytest, testthat, compilers and make tell what failed.
TELLS = re.compile(
    rb"FAILED |FLAKY |ERROR |E   |.{0,14}(Failure|Error) \(|Error[ :]| *Can't |engine: "
    rb"|\S+:\d+:(\d+:)? error|make(\[\d+\])?: \*\*\*"
)
TOLD_AGAIN = 12  # lines of a lane


def run(lane: int, targets: str, failed: dict[tuple[int, str], deque[bytes]], flaky: list[bytes]) -> None:
    began = time.monotonic()
    telling = failed[lane, targets] = deque(maxlen=TOLD_AGAIN)  # (until it has passed: it may not even start)
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", *targets.split()]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, **streams) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.buffer.write(b"%d| " % lane + line)
            sys.stdout.buffer.flush()
            if TELLS.match(line):
                telling.append(line[:200].rstrip())
    if process.returncode == 0:
        del failed[lane, targets]
        flaky += [line for line in telling if line.startswith(b"FLAKY")]
    result = "failed" if process.returncode else "passed"
    print(f"{lane}| {targets}: {result} after {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    failed: dict[tuple[int, str], deque[bytes]] = {}
    flaky: list[bytes] = []
    targets_of = enumerate(sys.argv[1:], 1)
    lanes = [threading.Thread(target=run, args=(*lane, failed, flaky)) for lane in targets_of]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    for line in flaky:
        print(line.decode(errors="replace"))
    for (_, targets), telling in failed.items():
        print(f"Failed: make {targets}", *(line.decode(errors="replace") for line in telling), sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
