"""What py-rattler does, as a separate program, so that it can be ended and its memory is given back.

    python conda_tool.py FOLDER < {"do": "solve" | "install", ...}

FOLDER is where py-rattler is looked for that Python itself does not have.

Standard library and py-rattler only; speaks JSON (see conda.py).
"""

import asyncio
import importlib
import json
import os
import sys
from typing import Any, Dict, List


def _rattler() -> Any:
    return importlib.import_module("rattler")


async def solve(asked: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The packages that specs take."""
    rattler = _rattler()
    records = await rattler.solve(
        sources=[rattler.Channel(channel) for channel in asked["channels"]],
        specs=[rattler.MatchSpec(spec) for spec in asked["specs"]],
        platforms=[asked["platform"], "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
        gateway=rattler.Gateway(cache_dir=asked["cache"]),
    )
    return [
        {"url": record.url, "sha256": record.sha256.hex() if record.sha256 else None, "name": record.name.normalized,
         "version": str(record.version)}
        for record in sorted(records, key=lambda record: str(record.url))
    ]  # fmt: skip


async def install(asked: Dict[str, Any]) -> None:
    """Installs exactly these packages."""
    rattler = _rattler()
    gateway = rattler.Gateway(cache_dir=asked["cache"])
    records = []
    for package in asked["packages"]:
        channel = rattler.Channel(package["channel"])
        answers = await gateway.query([channel], [package["subdir"]], [package["spec"]], recursive=False)
        found = [record for answer in answers for record in answer if record.url == package["url"]]
        if not found:
            raise LookupError(f"{package['url']} is not in its channel any more")
        if package["sha256"] and found[0].sha256.hex() != package["sha256"]:
            raise LookupError(f"{package['url']} is not what it was: its SHA-256 is {found[0].sha256.hex()}")
        records.append(found[0])
    kwargs = {"alternative_target_prefix": asked["as_if"]} if asked.get("as_if") else {}
    await rattler.install(
        records=records, target_prefix=asked["prefix"], cache_dir=asked["cache"], show_progress=False,
        execute_link_scripts=False, **kwargs,
    )  # fmt: skip


def main(folder: str) -> int:
    sys.path.append(folder)
    asked = json.load(sys.stdin)
    try:
        answer = asyncio.run({"solve": solve, "install": install}[asked["do"]](asked))
    except Exception as error:
        print(str(error), file=sys.stderr)
        return 1
    if answer is not None:
        with open(asked["answer"], "w", encoding="utf-8") as file:
            json.dump(answer, file)
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stderr.flush()
    # py-rattler's threads may still be at work, and crash a Python that takes itself apart
    os._exit(status)
