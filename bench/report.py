"""The figures: what is set beside what, which bound it has to keep, and the tables.

Usage: report.py PART ... [--summary]
"""

import glob
import os
import statistics
import sys
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

Series = Dict[str, Dict[int, float]]


class Figure(NamedTuple):
    """One figure. Times are in seconds."""

    part: str
    name: str
    ours: str
    bound: Optional[float] = None
    # What no implementation could undercut, measured in turn with ours.
    limit: str = ""
    # The bound holds for what comes on top of the limit, not for the whole.
    over: bool = False
    goal: Optional[float] = None
    peers: Sequence[Tuple[str, str]] = ()
    # The bound is a multiple of the limit, not a time.
    times: bool = False
    # And this many times as long a peer, the first one, must take.
    ahead: Optional[float] = None
    # Of ours and the bound: `s`, seconds, or `B`, bytes.
    unit: str = "s"


_SUBMIT_PEERS = (
    ("submitit result()", "submitit"),
    ("submitit done() each 3 ms", "submitit.polled"),
    ("mlflow.projects.run()", "mlflow.warm"),
    ("mlflow run", "mlflow.cli"),
)
_LOG_PEERS = (("mlflow SQLite", "mlflow.sqlite"), ("mlflow files", "mlflow.files"))


def _frames() -> List[Figure]:
    """Each kind of frame, both ways: name, kind, the bounds as multiples of a copy in memory."""
    kinds = (
        ("doubles", "double", 1.3, 4.0), ("integers", "integer", 1.3, 4.0), ("few strings", "few", None, None),
        ("many strings", "many", None, None), ("factors", "factor", None, None), ("times", "time", None, None),
        ("ten kinds mixed", "mixed", 6.0, 16.0), ("mixed, one of ids", "ids", 6.0, 16.0),
    )
    made = []
    for name, kind, to, back in kinds:
        ahead = 7.0 if kind in ("mixed", "ids") else None
        limit = f"{kind}.memcpy"
        for way, series, bound in (("R -> Python", "to", to), ("Python -> R", "from", back)):
            peers = [("reticulate", f"{kind}.{series}.reticulate"), ("CSV", f"{kind}.{series}.csv")]
            peers += [("Parquet, in Python alone", f"{kind}.parquet")]
            peers += [("espalier, of a pandas frame", f"{kind}.from.pandas")] if series == "from" else []
            unlike = series == "from" and kind in ("many", "ids")
            peers += [("R, its strings alone", f"{kind}.strings")] if unlike else []
            made.append(Figure("frames", f"{way}: {name}", f"{kind}.{series}", bound, limit, peers=peers, times=True,
                               ahead=ahead))
    for name, kind, bound in (("iris", "iris", 150e-6), ("10,000 columns", "wide", 60e-3)):
        for way, series in (("R -> Python", "to"), ("R -> Python, each column looked at", "look"),
                            ("Python -> R", "from")):
            peers = [("reticulate", f"{kind}.to.reticulate" if series == "look" else f"{kind}.{series}.reticulate")]
            made.append(Figure("frames", f"{way}: {name}", f"{kind}.{series}", bound, peers=peers))
    return made


_FIRST_PEERS = (("restic", "restic"), ("git add", "git"), ("zip", "zip"), ("b3sum, which only reads", "b3sum"))
_AGAIN_PEERS = (("restic", "restic.again"),)
_STATUS = (("git status", "status"),)
# Name, series of ours and of the limit, the native scanner's bound (a multiple of the limit if there is one), peers
_SNAPSHOTS: Sequence[Tuple[str, str, str, Optional[float], Sequence[Tuple[str, str]]]] = (
    ("first snapshot", "first", "cp", 1.2, _FIRST_PEERS),
    ("unchanged, in a session", "again", "status", 1.3, _AGAIN_PEERS),
    ("unchanged, a whole process", "fresh", "python", None, _STATUS),
    ("one file changed", "changed", "again", 1.3, (("git status", "status.changed"),)),
    ("written out", "out", "reflink", 1.2, ()),
    ("preview, Python", "preview", "", 80e-3, ()),
    ("100,000 files: first snapshot", "many", "many.cp", 1.5, ()),
    ("100,000 files: unchanged", "many.again", "", 0.4, ()),
    ("100,000 files: memory, at most", "memory", "", 300e6, ()),
)


def _snapshots() -> List[Figure]:
    """Both scanners. The twin's bounds: four times the limit, and where there is none, four times the native one's."""
    made = []
    for name, ours, limit, bound, peers in _SNAPSHOTS:
        unit = "B" if ours == "memory" else "s"
        for scanner in ("native", "twin"):
            twin = scanner == "twin"
            beside = f"{limit}.{scanner}" if limit == "again" else limit
            most = bound if bound is None or not twin else 4.0 if limit else 4 * bound
            ahead = 3.0 if ours == "first" and not twin else None
            label = name + (", twin" if twin else "")
            times = bool(limit)
            made.append(Figure("snapshot", label, f"{ours}.{scanner}", most, beside, peers=peers, times=times,
                               ahead=ahead, unit=unit))
    made.append(Figure("snapshot", "preview, R", "r.preview"))
    made.append(Figure("snapshot", "submit, 100 files, no git", "submit.plain", 0.050))
    for name in ("clean", "dirty"):
        made.append(Figure("snapshot", f"submit, 100 files, {name} git", f"submit.{name}", 0.050, "submit.plain"))
    return made


def _walks() -> List[Figure]:
    """The walk at the end of a job, by both scanners; the limit is an unchanged snapshot of as many files."""
    made = []
    for count in (1_000, 10_000):
        for series, label in (("same", "nothing changed"), ("changed", "a job wrote three files")):
            for scanner in ("native", "twin"):
                name = f"{count:,} files, {label}{', twin' if scanner == 'twin' else ''}"
                bound, times = (10e-3, False) if count == 1_000 else (1.0, True)
                made.append(Figure("walk", name, f"{count}.{series}.{scanner}", bound, f"{count}.again.{scanner}",
                                   peers=(("find -cnewer", f"{count}.find"),), times=times))
    made.append(Figure("walk", "10,000 files, what is noted when the job begins", "10000.note"))
    return made


_JSON_PEERS = (("json.loads() of each line", "json"), ("pandas.read_json()", "pandas"))

_FIND_PEERS = (("docker build, wholly cached", "find.build"), ("docker image inspect", "find.cli"))

FIGURES = [
    *_frames(),
    *_snapshots(),
    *_walks(),
    Figure("metrics", "R: get_run_metrics()", "metrics", 2.0, "bytes", peers=_JSON_PEERS),
    Figure("metrics", "R: get_run_metric_history()", "history", 2.0, "bytes", peers=_JSON_PEERS),
    Figure("parts", "R: 100,000 parts recorded", "write", 6.0, "cat",
           peers=(("fwrite() a row", "fwrite"), ("toJSON() a line", "jsonlite"))),
    Figure("parts", "R: list_parts() of 100,000", "read", 0.5, "bytes", peers=(("stream_in()", "stream_in"),)),
    Figure("index", "first index (bounds hold for 100,000 runs)", "first", 40.0),
    Figure("index", "100 runs, filtered and sorted", "page", 50e-3),
    Figure("index", "the same beside its SQL alone", "page", 3.0, "sqlite", times=True),
    Figure("index", "100 runs, by the largest value of a metric", "page.max", 50e-3),
    Figure("index", "100 runs, the newest", "newest"),
    Figure("index", "all runs, in Python", "all.python", 0.5),
    Figure("index", "ten new runs seen", "refresh", 50e-3),
    Figure("index", "all runs, a data frame in R", "all.r", 0.5),
    Figure("index", "what R holds then", "all.r.held", 300e6, unit="B"),
    Figure("index", "and held at most", "all.r.peak", unit="B"),
    Figure("index", "R that has called the core, before", "session.r", unit="B"),
    Figure("index", "100 of 10,000 runs, filtered and sorted", "few.page", 3.0, "few.sqlite", times=True, ahead=10.0,
           peers=(("mlflow search_runs()", "few.page.mlflow"),)),
    Figure("index", "all of 10,000 runs", "few.all", peers=(("mlflow search_runs()", "few.all.mlflow"),)),
    Figure("cli", "espalier --version", "version", 25e-3, "bare", over=True,
           peers=(("mlflow", "mlflow.version"), ("dvc", "dvc.version"), ("metaflow --help", "metaflow.version"))),
    Figure("cli", "espalier runs --help", "help", None, "bare", over=True),
    Figure("cli", "runs list of 100 runs", "list.few", 120e-3, "bare", over=True,
           peers=(("mlflow runs list", "mlflow.list"),)),
    Figure("cli", "runs list, the newest of many (bound holds for 100,000)", "list.many", 200e-3, "bare", over=True),
    Figure("cli", "Tab after `runs show`, 100 runs", "tab.few", 100e-3, "bare"),
    Figure("cli", "Tab after `runs show`, many runs", "tab.many", 100e-3, "bare"),
    Figure("queue", "1,000 runs of Rscript through 2 slots", "r", 1 / 0.8, "r.xargs", times=True),
    Figure("queue", "submit while they drain, 95 of 100", "r.submit", 0.3),
    Figure("queue", "runners, guardians and keeper, PSS at most", "r.memory", 500e6, unit="B"),
    Figure("batch", "1,000 trials of one folder submitted", "many", 3.0, "synced",
           peers=(("1,000 single submits, of 100", "singles"), ("the same files, synchronised together", "together"))),
    Figure("queue", "1,000 runs of true", "true", None, "true.xargs", times=True),
    Figure("queue", "submit while they drain, 95 of 100", "true.submit", 0.3),
    Figure("runner", "cancel of a tree of 500 processes", "cancel", 2.0),
    Figure("runner", "the same, deaf to TERM", "cancel.deaf", 11.0),
    Figure("runner", "runner and guardian, PSS", "memory", 25e6, unit="B"),
    Figure("runner", "processor time a second, 500 processes sampled", "load", 0.01),
    Figure("runner", "1 GB of log: the job", "log", 1.1, "plain", times=True),
    Figure("runner", "1 GB of log: the watcher in Python, at most", "watcher.python", 200e6, unit="B"),
    Figure("runner", "1 GB of log: the watcher in R, beyond its session", "watcher.r", 200e6, unit="B"),
    Figure("runner", "1 GB of log: the same with its session", "watcher.r.whole", 200e6, unit="B"),
    Figure("runner", "that session, which has called the core", "session.r", unit="B"),
    Figure("runner", "hide secrets in 100 MB of log: lines of text", "hidden.text", 0.5),
    Figure("runner", "the same of a progress bar", "hidden.progress", 0.2),
    Figure("runner", "the same, full of what credentials begin with", "hidden.full"),
    Figure("environments", "Python: the image of a definition, present", "find", 10e-3, "find.inspect",
           peers=_FIND_PEERS),
    Figure("environments", "R: the same", "r.find", 25e-3, peers=_FIND_PEERS),
    Figure("environments", "one package more than 40, some seconds to compile", "grow.heavy", 1.5, "bare.heavy",
           times=True),
    Figure("environments", "one package more than 40, a line of R", "grow.light", 1.5, "bare.light", times=True),
    Figure("private", "numpy, pandas, scikit-learn: built, all of it fetched before", "warm", 1.0, "uv",
           peers=(("venv and pip", "pip"),)),
    Figure("private", "the same, there already", "found", 10e-3),
    Figure("private", "another with one package more", "second", 1.0, "one", True),
    Figure("containers", "submit to end, `true`, its image there", "run", 60e-3, "run.program", over=True,
           peers=(("docker package", "run.package"), ("the engine's calls alone", "run.calls"))),
    Figure("containers", "memory of a supervisor, 100 MB printed", "memory", 50e6, unit="B"),
    Figure("calls", "a property, known to R: run$id", "own", 25e-6),
    Figure("calls", "a property, asked of the core: run$run_dir", "property", None, "bare.property"),
    Figure("calls", "a method: run$get_status()", "method", 80e-6, "bare.method"),
    Figure("submit", "R: submit to finished", "r.finished", 0.060, "r.bare", True, 0.040, _SUBMIT_PEERS),
    Figure("submit", "Python: submit to finished", "py.finished", 0.060, "py.bare", True, 0.040, _SUBMIT_PEERS),
    Figure("submit", "R: submit_experiment() alone", "r.submit", 0.050),
    Figure("submit", "Python: submit() alone", "py.submit", 0.050),
    Figure("log", "R: log a scalar", "r.log", 40e-6, "r.write", peers=_LOG_PEERS),
    Figure("log", "Python: log a scalar", "py.log", 8e-6, "py.write", peers=_LOG_PEERS),
    Figure("first", "R: first submit, by pip", "pip", 15.0, "pip.limit", peers=(("reticulate", "reticulate"),)),
    Figure("first", "R: first submit, by uv", "uv", 15.0, "uv.limit", peers=(("reticulate", "reticulate"),)),
    Figure("first", "what it downloads", "download", 15e6, unit="B"),
    Figure("first", "what it takes on disk", "disk", 15e6, "disk.limit", unit="B"),
    Figure("startup", "R: library(espalier)", "r.library", 0.060, "r.bare", True),
    Figure("startup", "R: library() and a first log", "r.log", 0.080, "r.bare", True),
    Figure("startup", "Python: import espalier", "py.import", 0.040, "py.bare", True),
    Figure("startup", "Python: import Run and a first log", "py.log", None, "py.bare", True),
    Figure("startup", "R: cold script calls the core once", "cold.first", 0.150, "cold.reticulate", True),
    Figure("startup", "R: cold script submits", "cold.submit", 0.300, "cold.reticulate", True),
]
HEADINGS = {
    "first": "The first submit after installation (limit: venv and pip install pyyaml; with uv the same by uv)",
    "snapshot": "Snapshots of 10,000 files and 4 x 64 MB (limit: cp -r; of unchanged ones git status, or bare python)",
    "walk": "What a job left in its working copy (limit: an unchanged snapshot of as many files)",
    "frames": "A data frame of 1e6 rows x 10 columns (limit: a copy of its bytes in memory)",
    "metrics": "A run with 1,000,000 points of a metric (limit: its bytes read into R)",
    "parts": "100,000 parts of one run (limit: cat() of the same lines to an open file; the file's bytes read into R)",
    "cli": "The command line (limit: the bare interpreter)",
    "queue": "1,000 trivial runs through two slots (limit: xargs -P2 with the same program)",
    "batch": "1,000 trials of one job (limit: their files, each synchronised)",
    "runner": "Watching a job (limit: the same program writing to a plain file)",
    "environments": "Images (limit: one look-up by the docker package; R CMD INSTALL of the package in a container)",
    "private": "Private Python environments (limit: uv venv and uv pip install; of one more uv pip install of that)",
    "containers": "Jobs in containers (limit: `docker run --rm` of the same)",
    "calls": "One call from R (limit: reticulate's call of a function of the core that does the same)",
    "submit": "A trivial R script with snapshot, in a warm session (limit: Rscript alone)",
    "log": "One scalar (limit: R writeLines() and flush(); Python one write(2))",
    "startup": "Whole processes (limit: bare Rscript or python; for the cold scripts Rscript with one reticulate call)",
}


def read_samples(part: str) -> Series:
    """Series -> round -> seconds, without the warm-up (round 0)."""
    series: Series = {}
    for path in glob.glob(os.path.join(os.environ["BENCH_SAMPLES"], part + ".*")):
        with open(path, encoding="ascii") as file:
            for line in file:
                name, number, value = line.split(",")
                if int(number) > 0:
                    series.setdefault(name, {})[int(number)] = float(value)
    return series


def median(series: Series, name: str) -> float:
    """The median of a series."""
    return statistics.median(series[name].values())


def over(series: Series, ours: str, limit: str) -> float:
    """The median of the differences within each round: what the neighbours on the machine do falls on both."""
    return statistics.median(value - series[limit][number] for number, value in series[ours].items())


def ratio(series: Series, one: str, other: str) -> float:
    """The median of the ratios within each round that has both: a slow minute of the disk falls on both, too."""
    both = series[one].keys() & series[other].keys()
    if not both:
        return median(series, one) / median(series, other)
    return statistics.median(series[one][number] / series[other][number] for number in both)


def row(figure: Figure, series: Series) -> List[str]:
    """A line of the table."""
    if any(name and name not in series for name in (figure.ours, figure.limit)):
        return [figure.name, "not measured", "", "", "", _bound(figure), "", ""]
    ours = median(series, figure.ours)
    limit = median(series, figure.limit) if figure.limit else None
    more = over(series, figure.ours, figure.limit) if figure.limit else None
    times = ratio(series, figure.ours, figure.limit) if figure.limit else None
    judged = more if figure.over and more is not None else ours
    cells = [figure.name, amount(ours, figure.unit)]
    cells.append(duration(limit) if limit is not None else "")
    cells.append(f"{duration(more, sign=True)}{_cpu(figure, series)}" if more is not None else "")
    cells.append(f"{times:.2f}" if times is not None else "")
    if figure.times and times is not None:
        judged = times
    cells += [_bound(figure), verdict(figure, judged, _ahead(figure, series))]
    cells.append(
        "; ".join(
            f"{label} {duration(median(series, name))} ({ratio(series, name, figure.ours):.1f} x)"
            for label, name in figure.peers
            if name in series
        )
    )
    return cells


def _ahead(figure: Figure, series: Series) -> bool:
    """Whether the first peer takes as many times as long as it must, or is not there."""
    if figure.ahead is None or figure.peers[0][1] not in series:
        return True
    return ratio(series, figure.peers[0][1], figure.ours) >= figure.ahead


def verdict(figure: Figure, judged: float, ahead: bool = True) -> str:
    """`ok`, `OVER`, and whether the goal beyond the bound is met."""
    if figure.bound is None:
        return ""
    if judged > figure.bound or not ahead:
        return "OVER"
    return "ok" if figure.goal is None else "ok, goal met" if judged <= figure.goal else "ok, goal missed"


def _bound(figure: Figure) -> str:
    if figure.bound is None:
        return ""
    if figure.times:
        ahead = "" if figure.ahead is None else f", {figure.peers[0][0]} {figure.ahead:g} x"
        return f"{figure.bound:g} x limit{ahead}"
    text = ("limit + " if figure.over else "") + amount(figure.bound, figure.unit)
    return text + (f" (goal {duration(figure.goal)})" if figure.goal is not None else "")


def _cpu(figure: Figure, series: Series) -> str:
    if figure.ours + ".cpu" not in series:
        return ""
    return f" (cpu {duration(over(series, figure.ours + '.cpu', figure.limit + '.cpu'), sign=True)})"


_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def amount(value: float, unit: str) -> str:
    """A time (`s`) or a size (`B`)."""
    return duration(value) if unit == "s" else f"{value / 1e6:.0f} MB"


def duration(value: float, sign: bool = False) -> str:
    """A time in the unit that people would choose, three figures."""
    size, unit = next(((size, unit) for size, unit in _UNITS if abs(value) >= size), _UNITS[-1])
    scaled = value / size
    digits = max(0, 3 - len(str(int(abs(scaled)))))
    text = f"{scaled:{'+' if sign else ''}.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"


def table(lines: List[List[str]]) -> str:
    """Columns padded to their width; columns without content are left out."""
    head = ["figure", "ours", "limit", "over the limit", "ratio", "bound", "", "peers (times ours)"]
    kept = [i for i in range(len(head)) if any(line[i] for line in lines)]
    shown = [[line[i] for i in kept] for line in [head, *lines]]
    widths = [max(len(line[i]) for line in shown) for i in range(len(kept))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in shown)


def rows_of(part: str) -> List[List[str]]:
    """The lines of one part."""
    series = read_samples(part)
    return [row(figure, series) for figure in FIGURES if figure.part == part]


def main(arguments: List[str]) -> None:
    """Print a table for each part, or with --summary one of all."""
    parts = [argument for argument in arguments if not argument.startswith("--")]
    if "--summary" not in arguments:
        for part in parts:
            print(f"\n{HEADINGS[part]}\n\n{table(rows_of(part))}")
        return
    lines = [[*line[:-1], ""] for part in parts for line in rows_of(part)]
    late = sum(line[6] == "OVER" for line in lines)
    print(f"\nSummary: {len(lines)} figures, {late or 'none'} over its bound\n\n{table(lines)}")


if __name__ == "__main__":
    main(sys.argv[1:])
