"""pytest, and what failed once more, by itself: tests.py [ARGUMENTS OF PYTEST]

Hundreds of these tests race with processes on purpose, on machines that may be busy. One that fails beside others and
passes by itself is reported as FLAKY at the end, to be mended; it fails no build. More than a few failures, or one
that fails again, do. See docs/decisions/0016-flaky-tests.md.
"""

import json
import os
import subprocess
import sys
import tempfile

FEW = 3
FAILED = 1  # pytest's exit status where tests failed; others mean that it could not run them


def main(arguments: "list[str]") -> int:
    with tempfile.TemporaryDirectory() as cache:
        pytest = [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", *arguments]
        status = subprocess.call(pytest)
        failed = last_failed(cache)
        if status != FAILED or not 0 < len(failed) <= FEW:
            return status
        print(f"Once more, by itself: {', '.join(failed)}", flush=True)
        status = subprocess.call([*pytest, "--last-failed", "--last-failed-no-failures=none"])
        missed = last_failed(cache) if status == 0 else []  # (it keeps those that were not found again)
        if missed:
            print(f"Not found again: {', '.join(missed)}", flush=True)
            return FAILED
        for test in failed if status == 0 else ():
            print(f"FLAKY {test}", flush=True)
        return status


def last_failed(cache: str) -> "list[str]":
    try:
        with open(os.path.join(cache, "v", "cache", "lastfailed"), encoding="utf-8") as file:
            return sorted(json.load(file))
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
