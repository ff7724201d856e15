"""Started in place of the runner: the same runner, watched by the plan that lies in the state folder.

The plan serves one runner, the first to take it; those that follow are not touched. `guardian` is the act before which
its first process is killed, `runner` that of the process this one forks for its first run, or for the run that `fork`
counts.
"""

import json
import os
import runpy
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "..", "..", "python-core", "src", "espalier", "runner", "__main__.py")


def _take_plan():
    state = os.environ["ESPALIER_STATE_DIR"]
    try:
        os.rename(os.path.join(state, "plan.json"), os.path.join(state, "plan.taken"))
    except FileNotFoundError:
        return None
    with open(os.path.join(state, "plan.taken")) as file:
        return json.load(file)


if __name__ == "__main__":
    plan = _take_plan()
    if plan:
        sys.path += [HERE, os.path.join(HERE, "..", "..", "python-core", "src")]
        from acts import Acts

        if "carrier" in plan:
            from espalier.runner import requests

            requests._CARRIER = os.path.join(HERE, "carrier_actor.py")
            with open(os.path.join(os.environ["ESPALIER_STATE_DIR"], "carrier.json"), "w") as file:
                json.dump(plan["carrier"], file)
        if plan.get("copy"):
            shutil.copytree(plan["copy"][0], plan["copy"][1], symlinks=True, ignore=shutil.ignore_patterns(".tmp-*"))
        acts = (plan.get("guardian"), plan.get("runner"), plan.get("record"), plan.get("count_to"), plan.get("fork", 1))
        Acts(*acts, plan.get("moves")).install()
    sys.argv[0] = os.path.normpath(RUNNER)
    runpy.run_path(sys.argv[0], run_name="__main__")
