"""Snapshots of large folders: native scanner and its twin in Python, beside cp, git, restic, zip and b3sum."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from typing import Callable, Dict, Iterator

from espalier import Experiment, ScriptRunConfig, Workspace
from espalier.api.snapshots import Snapshots
from espalier.base import accel
from samples import Samples, seconds
from trees import make_tree

ROUNDS = 7
PEER_ROUNDS = 3
LIGHT_ROUNDS = 21
MANY_ROUNDS = 4
SCANNERS = ("native", "twin")
# For two seconds espalier mistrusts the times of a file that was written; git for less.
OLD_ENOUGH = 2.5
LARGE = 1 << 20
CHANGING = os.path.join("part_0001", "part_0005", "file_000100.R")
TAKE = """
import sys
from espalier import Workspace
Workspace.open("bench", sys.argv[1]).snapshots.take(sys.argv[2])
"""
# (ru_maxrss counts what the process that started it held)
PEAK = TAKE + "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:')))"
COMMITTER = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")


@contextlib.contextmanager
def scanner(name: str) -> Iterator[None]:
    """Within the block, and in processes started there, the scanner is `native` or `twin`."""
    os.environ["ESPALIER_NATIVE"] = "no" if name == "twin" else "yes"
    try:
        yield
    finally:
        del os.environ["ESPALIER_NATIVE"]


def run(*argv: str, cwd: str = "/", **env: str) -> None:
    """Runs a program to its end."""
    subprocess.run(argv, cwd=cwd, env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)


class Bench:
    """The measurement in a working folder that holds `trees`."""

    def __init__(self, work: str) -> None:
        self.samples = Samples("snapshot.py")
        self.mixed = os.path.join(work, "trees", "mixed")
        self.many = os.path.join(work, "trees", "many")
        self.scratch = os.path.join(work, "trees", "scratch")
        os.makedirs(self.scratch)
        self.restic = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": self.at("restic-cache")}

    def at(self, name: str) -> str:
        return os.path.join(self.scratch, name)

    def workspace(self, name: str) -> Workspace:
        return Workspace.open("bench", self.at(name))

    def measure(self, series: str, number: int, action: Callable[[], object], written: str = "") -> None:
        """One sample; of what it wrote (a name in the scratch folder) the bulk is given back.

        The files stay: for minutes after some were removed, ext4 takes several times as long to make others.
        """
        self.samples.add(series, number, seconds(action))
        for folder, _, names in os.walk(self.at(written)) if written else ():
            for path in (os.path.join(folder, name) for name in names):
                if os.path.getsize(path) > LARGE:
                    os.chmod(path, 0o600)
                    os.truncate(path, 0)
        if written:
            os.sync()

    def each(self, series: str, number: int, action: Callable[[str], object], written: str = "") -> None:
        """One sample by each scanner; the action gets its name, which follows `written` too."""
        for name in SCANNERS:
            with scanner(name):
                self.measure(f"{series}.{name}", number, lambda name=name: action(name), written and written + name)

    def copy(self, folder: str, name: str, *options: str) -> None:
        run("cp", "-r", *options, folder, self.at(name))

    def back_up(self, name: str) -> None:
        run("restic", "backup", "-q", "-r", self.at(name), ".", cwd=self.mixed, **self.restic)

    def git(self, name: str, *argv: str) -> None:
        """Git, with its folder outside of the tree."""
        run("git", *COMMITTER, "--work-tree=.", *argv, cwd=self.mixed, GIT_DIR=self.at(name))

    def first(self) -> None:
        """A first snapshot, of a folder whose content is in memory, into an empty workspace."""
        for number in range(ROUNDS + 1):
            copy = f"copy-{number}"
            self.measure("cp", number, lambda copy=copy: self.copy(self.mixed, copy), copy)
            fresh = {name: self.workspace(f"first-{number}-{name}") for name in SCANNERS}
            take = lambda name, fresh=fresh: fresh[name].snapshots.take(self.mixed)  # noqa: E731
            self.each("first", number, take, f"first-{number}-")
            if number <= PEER_ROUNDS:
                self.peers(number)

    def peers(self, number: int) -> None:
        """What others do with the folder; those alone that are installed."""
        every = {
            "b3sum": lambda: run("sh", "-c", "find . -type f -print0 | xargs -0 -s 1000000 b3sum", cwd=self.mixed),
            "restic": lambda: self.back_up(f"restic-{number}"),
            "zip": lambda: run("zip", "-qr", self.at(f"{number}.zip"), ".", cwd=self.mixed),
            "git": lambda: self.git(f"{number}.git", "add", "."),
        }
        for name, peer in every.items():
            if not shutil.which(name):
                continue
            if name == "restic":
                run("restic", "init", "-q", "-r", self.at(f"restic-{number}"), **self.restic)
            if name == "git":
                self.git(f"{number}.git", "init", "-q")
            self.measure(name, number, peer)
            os.sync()

    def again(self) -> None:
        """The folder as it was, and with one file changed: in this session, and in processes of their own."""
        peer, backup = f"{PEER_ROUNDS}.git", f"restic-{PEER_ROUNDS}"
        kept = {name: self.workspace(f"kept-{name}") for name in SCANNERS}
        for number in range(LIGHT_ROUNDS + 1):
            self.settle(kept, peer)
            self.measure("status", number, lambda: self.git(peer, "status", "--short"))
            self.measure("python", number, lambda: run(sys.executable, "-c", "pass"))
            self.each("again", number, lambda name: kept[name].snapshots.take(self.mixed))
            self.each("fresh", number, lambda name: run(sys.executable, "-c", TAKE, kept[name].path, self.mixed))
            self.each("preview", number, lambda _: Snapshots.preview(self.mixed))
            if shutil.which("restic") and number <= PEER_ROUNDS:
                self.measure("restic.again", number, lambda: self.back_up(backup))
            with open(os.path.join(self.mixed, CHANGING), "a", encoding="ascii") as file:
                file.write(f"# {number}\n")
            self.each("changed", number, lambda name: kept[name].snapshots.take(self.mixed))
            self.measure("status.changed", number, lambda: self.git(peer, "status", "--short"))

    def settle(self, kept: Dict[str, Workspace], peer: str) -> None:
        """Untimed: all know the folder as it is, and trust the times of its files."""
        time.sleep(OLD_ENOUGH)
        for name, workspace in kept.items():
            with scanner(name):
                workspace.snapshots.take(self.mixed)
        self.git(peer, "add", ".")
        self.git(peer, "commit", "-q", "--allow-empty", "-m", "bench")

    def written_out(self) -> None:
        """A snapshot as a folder again."""
        kept = self.workspace("out")
        snapshot = kept.snapshots.take(self.mixed)
        os.sync()
        for number in range(ROUNDS + 1):
            copy, out = f"reflink-{number}", f"out-{number}-"
            self.measure("reflink", number, lambda copy=copy: self.copy(self.mixed, copy, "--reflink=auto"), copy)
            self.each("out", number, lambda name, out=out: kept.snapshots.download(snapshot, self.at(out + name)), out)

    def hundred_thousand(self) -> None:
        """Many small files: first, unchanged, and what a process needs of memory for the first."""
        for number in range(MANY_ROUNDS + 1):
            copy = f"many-{number}"
            self.measure("many.cp", number, lambda copy=copy: self.copy(self.many, copy), copy)
            fresh = {name: self.workspace(f"many-{number}-{name}") for name in SCANNERS}
            take = lambda name, fresh=fresh: fresh[name].snapshots.take(self.many)  # noqa: E731
            self.each("many", number, take)
            os.sync()
            self.each("many.again", number, take, f"many-{number}-")
        for number in range(1, 3):
            for name in SCANNERS:
                with scanner(name):
                    self.samples.add(f"memory.{name}", number, peak(self.at(f"memory-{number}-{name}"), self.many))

    def submits(self) -> None:
        """What a small folder's being in a git repository adds to a submit: clean, and with uncommitted changes."""
        experiment = Experiment(self.workspace("submits"), "submit")
        places = {name: self.at(name) for name in ("plain", "clean", "dirty")}
        for name, folder in places.items():
            make_tree(folder, 100, 4_000)
            with open(os.path.join(folder, "train.sh"), "w", encoding="ascii") as file:
                file.write("exit 0\n")
            if name != "plain":
                run("git", "init", "-q", cwd=folder)
                run("git", "add", ".", cwd=folder)
                run("git", *COMMITTER, "commit", "-q", "-m", "bench", cwd=folder)
        for name in ("file_000001.R", os.path.join("part_0001", "file_000021.R"), "new.R"):
            with open(os.path.join(places["dirty"], name), "a", encoding="ascii") as file:
                file.write("changed <- TRUE\n" * 20)
        time.sleep(OLD_ENOUGH)
        for number in range(-2, LIGHT_ROUNDS + 1):
            for name, folder in places.items():
                config = ScriptRunConfig(source_directory=folder, entry_script="train.sh")
                began = time.perf_counter()
                job = experiment.submit(config)
                self.samples.add(f"submit.{name}", max(number, 0), time.perf_counter() - began)
                job.wait_for_completion(show_output=False)


def peak(workspace: str, folder: str) -> float:
    """The most memory that a process of its own holds that takes a snapshot, bytes."""
    argv = [sys.executable, "-c", PEAK, workspace, folder]
    return 1024.0 * int(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)


def main(work: str) -> None:
    """Measure. Round 0 warms up and is not reported."""
    if accel.native() is None:
        raise SystemExit("The native scanner is not built for this Python.")
    bench = Bench(work)
    os.sync()
    time.sleep(OLD_ENOUGH)
    bench.first()
    bench.again()
    bench.written_out()
    bench.hundred_thousand()
    bench.submits()
    bench.samples.write()


if __name__ == "__main__":
    main(sys.argv[1])
