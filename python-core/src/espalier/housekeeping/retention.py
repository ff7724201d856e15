"""Rules of retention: which ended runs may go, and why."""

import re
import warnings
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from espalier.adapters.files import size_below
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import checked
from espalier.base.model.record import Record
from espalier.base.names import check_name
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import report
from espalier.base.resources import bytes_of, checked_count, size_text
from espalier.base.types import Frame, Text
from espalier.housekeeping.deletion import delete
from espalier.housekeeping.families import families, index_of
from espalier.store.index.fields import Field
from espalier.store.index.grammar import Compare
from espalier.store.index.run_index import NOT_ARCHIVED, Query, RunIndex, best_of, experiments, needed_by, query_of
from espalier.store.index.sql import Sql, joined
from espalier.workspace.handle import NO_CHILDREN

_ENDED = Sql(
    f"r.status NOT IN ({', '.join('?' * (len(states.UNFINISHED) + 1))})",
    (*sorted(states.UNFINISHED), states.UNREADABLE),
)
_COMPLETED = Sql("r.status = ?", (states.COMPLETED,))


class Best(Record):
    """How many runs of each experiment are kept for a metric, and whether its largest or smallest values are best."""

    metric: str
    n: int = 1
    goal: str = "max"


class Rules:
    """Which runs may go, as a user writes it: see `Housekeeping.prune_runs`.

    Raises:
        EspalierError: `bad_argument`, `bad_name`, `bad_filter`.
    """

    def __init__(
        self, experiment: Optional[str], status: Sequence[str], older_than: Optional[str], larger_than: Optional[Text],
        filter: Optional[str], keep_last: Optional[int], keep_best: Optional[Mapping[str, Text]], keep_tagged: bool,
    ) -> None:  # fmt: skip
        self.experiment = None if experiment is None else check_name("experiment", experiment)
        self.larger_than = None if larger_than is None else bytes_of(larger_than, "larger_than")
        self.keep_last = None if keep_last is None else checked_count(keep_last, "keep_last")
        self.keep_tagged = keep_tagged
        best: Dict[str, Any] = dict(keep_best or {})
        if isinstance(best.get("n"), str) and re.fullmatch("[0-9]{1,9}", best["n"]):  # (in R)
            best["n"] = int(best["n"])
        self.keep_best = checked(Best, best, "bad_argument", where="keep_best") if best else None
        if self.keep_best and (self.keep_best.n < 1 or self.keep_best.goal not in ("max", "min")):
            hint = "Example: the metric AUC, n 5, goal max."
            raise EspalierError(
                "bad_argument", '`keep_best` must have `n`, 1 or more, and `goal`, "max" or "min".', hint
            )
        # The conditions that the index can decide.
        self.where = [*query_of(filter).where]
        if status:
            self.where.append(Compare(Field("", "status"), "in", tuple(status)))
        if older_than:
            self.where.append(Compare(Field("", "ended_at"), "<", older_than))
        parts = [
            " or ".join(status),
            older_than and f"older than {older_than}",
            self.larger_than is not None and f"larger than {size_text(self.larger_than)}",
            filter,
            self.keep_last is not None and f"not among the last {self.keep_last}",
            self.keep_best and f"not among the best {self.keep_best.n} by {self.keep_best.metric}",
        ]
        # What holds for each run that goes.
        self.why = "; ".join(str(part) for part in parts if part)
        if not self.why:
            hint = 'Give at least one, such as older_than = "90 days", status = "Failed" or keep_last = 20.'
            raise EspalierError("bad_argument", "Can't choose runs without a rule.", hint)


def apply_rules(paths: WorkspacePaths, rules: Rules, *, dry_run: bool) -> Frame:
    """Delete the runs that rules let go, or list them only. See `Housekeeping.prune_runs`."""
    index = index_of(paths)
    run_ids, kept, needs = index.ask(
        lambda database: (_chosen(index, database, rules), _kept(index, database, rules), needed_by(database))
    )
    found, counts = families(paths, run_ids), {}
    if rules.larger_than is not None:
        found = _larger(paths, found, rules.larger_than)
    for reason, keeps in (*kept.items(), ("needed by runs that stay", None)):
        left = _unneeded(found, needs) if keeps is None else _without(found, keeps)
        counts[reason] = sum(not above for above in found.values()) - sum(not above for above in left.values())
        found = left
    if not found and any(counts.values()):
        why = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
        tagged = " keep_tagged = FALSE lets tagged runs go." if counts["tagged"] else ""
        warnings.warn(f"The rules keep all runs for which the conditions hold: {why}.{tagged}", stacklevel=2)
    return delete(paths, found, dry_run=dry_run, why=rules.why)


def _chosen(index: RunIndex, database: Any, rules: Rules) -> List[str]:
    """The runs without a parent that all conditions hold for but that of size."""
    fixed = [NO_CHILDREN, _ENDED]
    if rules.experiment is not None:
        fixed.append(Sql("r.experiment = ?", (rules.experiment,)))
    return index.ids(database, Query(rules.where, fixed=joined(fixed, every=True)))


def _kept(index: RunIndex, database: Any, rules: Rules) -> Dict[str, Set[str]]:
    """The runs that rules keep, by the reason. A kept child keeps its family."""
    kept: Dict[str, Set[str]] = {"tagged": set(), "among the best": set(), "among the last": set()}
    if rules.keep_tagged:
        kept["tagged"].update(index.ids(database, Query(fixed=Sql("r.n IN (SELECT run FROM tags)"))))
    shown = (NO_CHILDREN, NOT_ARCHIVED)
    for name, _, _ in experiments(database):
        own = [Sql("r.experiment = ?", (name,)), _ENDED]
        if rules.keep_last:
            last = Query(limit=rules.keep_last, fixed=joined([*own, *shown], every=True))
            kept["among the last"].update(index.ids(database, last))
        if rules.keep_best:
            metric, number, largest = (
                Field("metrics", rules.keep_best.metric),
                rules.keep_best.n,
                rules.keep_best.goal == "max",
            )
            for scope in (own, [*own, *shown, _COMPLETED]):  # (the best of all, and those that `Runs.best` finds)
                best = best_of(metric, largest=largest, number=number, fixed=joined(scope, every=True))
                kept["among the best"].update(index.ids(database, best))
    return kept


def _larger(paths: WorkspacePaths, found: Mapping[str, str], least: int) -> Dict[str, str]:
    """The families that take more than so many bytes."""
    sizes: Dict[str, int] = {}
    for done, (run_id, above) in enumerate(found.items()):
        report("Measuring runs", done, len(found))
        sizes[above or run_id] = sizes.get(above or run_id, 0) + size_below(paths.run(run_id).root)
    return {run_id: above for run_id, above in found.items() if sizes[above or run_id] > least}


def _without(found: Mapping[str, str], staying: Iterable[str]) -> Dict[str, str]:
    """The families of which no run is one that stays."""
    tops = {found[run_id] or run_id for run_id in staying if run_id in found}
    return {run_id: above for run_id, above in found.items() if (above or run_id) not in tops}


def _unneeded(found: Mapping[str, str], needs: Sequence[Tuple[str, str, str]]) -> Dict[str, str]:
    """The families of which no run is needed by one that stays."""
    while True:
        left = _without(found, [run for run, reader, _ in needs if run in found and reader not in found])
        if len(left) == len(found):
            return left
        found = left
