"""Started in place of whoever carries out requests: the same program; the first one is killed before an act of it."""

import json
import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CARRIER = os.path.join(HERE, "..", "..", "python-core", "src", "espalier", "api", "requests.py")

if __name__ == "__main__":
    plan = os.path.join(os.environ["ESPALIER_STATE_DIR"], "carrier.json")
    if os.path.exists(plan):
        with open(plan) as file:
            number = json.load(file)
        os.unlink(plan)
        sys.path += [HERE, os.path.join(HERE, "..", "..", "python-core", "src")]
        from acts import Acts

        Acts(number).install()
    sys.argv[0] = os.path.normpath(CARRIER)
    runpy.run_path(sys.argv[0], run_name="__main__")
