"""The command line, whole processes over a bare interpreter: its version, lists of runs, and a press of Tab.

Usage: cli.py WORK COMMANDS PEERS OTHERS: folders with programs: espalier's, mlflow's, those of dvc and metaflow.
"""

import os
import subprocess
import sys
from typing import Dict, List, Sequence

from espalier import Workspace
from index import Runs
from samples import Samples
from startup import timed

ROUNDS = 15
FEW, MANY = 100, int(os.environ.get("BENCH_RUNS", "5000"))


class CommandLine:
    """The measurement in a working folder."""

    def __init__(self, work: str, commands: str, peers: str, others: str) -> None:
        self.samples = Samples("cli.py")
        self.espalier = os.path.join(commands, "espalier")
        self.work = work
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        self.env = {**env, "ESPALIER_CACHE_DIR": os.path.join(work, "cache"), "COMP_WORDS": "espalier runs show "}
        self.series: Dict[str, List[str]] = {
            "bare": [os.path.join(commands, "python"), "-c", "pass"],
            "version": [self.espalier, "--version"],
            "help": [self.espalier, "runs", "--help"],
        }
        self.folders = {"few": self.filled("few", FEW), "many": self.filled("many", MANY)}
        for name, folder in self.folders.items():
            self.series[f"list.{name}"] = [self.espalier, "runs", "list", "-w", folder]
            self.series[f"tab.{name}"] = [self.espalier]
        self.mlflow(peers)
        for program in ("dvc", "metaflow"):
            path = os.path.join(others, program)
            if os.path.exists(path):
                self.series[f"{program}.version"] = [path, "--version" if program == "dvc" else "--help"]

    def filled(self, name: str, count: int) -> str:
        workspace = Workspace.open(name, os.path.join(self.work, "cli"))
        Runs(workspace).make(count)
        return workspace.path

    def mlflow(self, peers: str) -> None:
        """As many runs for a peer, in its database."""
        program = os.path.join(peers, "mlflow")
        if not os.path.exists(program):
            return
        script = f"import mlflow\nfor number in range({FEW}):\n  with mlflow.start_run(): mlflow.log_metric('auc', 0.5)"
        subprocess.run([os.path.join(peers, "python"), "-c", script], env=self.env, check=True, capture_output=True)
        self.series["mlflow.version"] = [program, "--version"]
        self.series["mlflow.list"] = [program, "runs", "list", "--experiment-id", "0"]

    def measure(self) -> None:
        """Round 0 warms up, fills the indexes, and isn't reported."""
        for number in range(ROUNDS + 1):
            for name, argv in self.series.items():
                wall, cpu = timed(argv, self.surroundings(name))
                self.samples.add(name, number, wall)
                self.samples.add(name + ".cpu", number, cpu)
        self.samples.write()

    def surroundings(self, series: str) -> Dict[str, str]:
        if not series.startswith("tab."):
            return {name: value for name, value in self.env.items() if name not in ("ESPALIER_WORKSPACE", "COMP_WORDS")}
        asked = {"_ESPALIER_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
        return {**self.env, **asked, "ESPALIER_WORKSPACE": self.folders[series[4:]]}


def main(arguments: Sequence[str]) -> None:
    """Measure and write the samples."""
    os.environ["ESPALIER_CACHE_DIR"] = os.path.join(arguments[0], "cache")
    CommandLine(*arguments).measure()


if __name__ == "__main__":
    main(sys.argv[1:])
