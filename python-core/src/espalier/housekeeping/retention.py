"""Rules of retention: which ended runs may go, and why."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from espalier.adapters.files import size_below
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.names import check_name
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import report
from espalier.base.resources import bytes_of, checked_count, size_text
from espalier.base.types import Frame, Text
from espalier.housekeeping.deletion import listed, listed_or_deleted
from espalier.housekeeping.families import Member, families, index_of
from espalier.store.index.fields import Field
from espalier.store.index.grammar import Compare, Negation, Node, Order, parse_filter
from espalier.store.index.run_index import Query, RunIndex, experiments, needed_by
from espalier.store.index.sql import Sql, joined

_TOP = Sql("r.parent IS NULL")
_KEEP_BEST = ("metric", "n", "goal")
_GOALS = {"max": True, "min": False}


class Best(NamedTuple):
    """How many runs of each experiment are kept for a metric, whose largest values are the best, or its smallest."""

    metric: str
    n: int = 1
    is_largest: bool = True


class Rules(NamedTuple):
    """Which runs may go: those that all conditions hold for, unless a rule keeps them.

    Args:
        experiment: Only runs of this experiment.
        status: Only runs that ended so.
        older_than: Only runs whose end is longer ago, `90 days`, or was before a time.
        larger_than: Only runs that take more with the runs below them, in bytes.
        filter: Only runs for which this holds, in the language of lists.
        keep_last: So many of each experiment are kept, the newest; None: no rule.
        keep_best: See `Best`.
        keep_tagged: Whether runs with tags are kept.
    """

    experiment: Optional[str] = None
    status: Sequence[str] = ()
    older_than: Optional[str] = None
    larger_than: Optional[int] = None
    filter: Optional[str] = None
    keep_last: Optional[int] = None
    keep_best: Optional[Best] = None
    keep_tagged: bool = True


def rules_of(
    experiment: Optional[str], status: Sequence[str], older_than: Optional[str], larger_than: Optional[Text],
    filter: Optional[str], keep_last: Optional[int], keep_best: Optional[Mapping[str, Text]], keep_tagged: bool,
) -> Rules:  # fmt: skip
    """Rules as a user writes them.

    Raises:
        EspalierError: `bad_argument`, `bad_name`; at least one condition or number to keep is needed.
    """
    if not (status or older_than or larger_than or filter or keep_last is not None or keep_best):
        raise EspalierError(
            "bad_argument",
            "No rule says which runs may go.",
            'Give at least one, such as older_than = "90 days", status = "Failed" or keep_last = 20.',
        )
    if experiment is not None:
        check_name("experiment", experiment)
    return Rules(
        experiment, status, older_than, None if larger_than is None else bytes_of(larger_than, "larger_than"), filter,
        None if keep_last is None else checked_count(keep_last, "keep_last"), _best(keep_best), keep_tagged,
    )  # fmt: skip


def apply_rules(paths: WorkspacePaths, rules: Rules, *, delete: bool) -> Frame:
    """List or delete the runs that rules let go, with all runs below them. See `deletion.delete_runs`.

    A run stays, too, while one that stays depends on it, or has read outputs of it.

    Raises:
        EspalierError: `bad_filter`, `run_in_use`, `workspace_read_only`.
    """
    index = index_of(paths)
    run_ids, needs = index.ask(lambda database: (_chosen(index, database, rules), needed_by(database)))
    members = families(paths, run_ids)
    if rules.larger_than is not None:
        members = _larger(members, rules.larger_than)
    members = _unneeded(members, needs)
    why = _why(rules)
    reasons = {member.run_id: why for member in members if not member.above}
    return listed_or_deleted(paths, listed(paths, members, reasons), delete=delete)


def _best(given: Optional[Mapping[str, Text]]) -> Optional[Best]:
    if not given:
        return None
    goal = str(given.get("goal", "max"))
    if "metric" not in given or goal not in _GOALS or not set(given) <= set(_KEEP_BEST):
        message = 'keep_best needs a `metric`, and takes `n`, how many are kept, and `goal`, "max" or "min".'
        raise EspalierError("bad_argument", message, 'Give for example c(metric = "AUC", n = 5).', argument="keep_best")
    number = str(given.get("n", 1))
    count = checked_count(float(number) if number.replace(".", "", 1).isdigit() else number, "keep_best: n", 1)
    return Best(str(given["metric"]), count, _GOALS[goal])


def _chosen(index: RunIndex, database: Any, rules: Rules) -> List[str]:
    """The runs without a parent that all conditions hold for but that of size, and that no number keeps."""
    marks = ", ".join("?" * (len(states.UNFINISHED) + 1))
    parts = [_TOP, Sql(f"r.status NOT IN ({marks})", (*sorted(states.UNFINISHED), states.UNREADABLE))]
    if rules.experiment is not None:
        parts.append(Sql("r.experiment = ?", (rules.experiment,)))
    if rules.keep_tagged:
        parts.append(Sql("r.n NOT IN (SELECT run FROM tags)"))
    found = index.ids(database, Query(_conditions(rules), fixed=joined(parts, every=True)))
    kept: Set[str] = set()
    for name, _, _ in experiments(database):
        if rules.experiment in (None, name):
            kept |= _kept(index, database, rules, Sql("r.experiment = ?", (name,)))
    return [run_id for run_id in found if run_id not in kept]


def _conditions(rules: Rules) -> List[Node]:
    found: List[Node] = []
    if rules.status:
        found.append(Compare(Field("", "status"), "in", tuple(rules.status)))
    if rules.older_than:
        found.append(Compare(Field("", "ended_at"), "<", rules.older_than))
    node = parse_filter(rules.filter or "")
    return found if node is None else [*found, node]


def _kept(index: RunIndex, database: Any, rules: Rules, fixed: Sql) -> Set[str]:
    """The last and the best runs of an experiment."""
    kept: Set[str] = set()
    fixed = joined([fixed, _TOP], every=True)
    if rules.keep_last:
        kept.update(index.ids(database, Query(limit=rules.keep_last, fixed=fixed)))
    if rules.keep_best is not None:
        field = Field("metrics", rules.keep_best.metric)
        has_it = Negation(Compare(field, "null", ""))
        order = [Order(field, rules.keep_best.is_largest)]
        kept.update(index.ids(database, Query([has_it], order, rules.keep_best.n, fixed=fixed)))
    return kept


def _larger(members: Sequence[Member], least: int) -> List[Member]:
    """The families that take more than so many bytes."""
    sizes: Dict[str, int] = {}
    for done, member in enumerate(members):
        report("Measuring runs", done, len(members))
        top = member.above or member.run_id
        sizes[top] = sizes.get(top, 0) + size_below(member.run.root)
    return [member for member in members if sizes[member.above or member.run_id] > least]


def _unneeded(members: Sequence[Member], needs: Sequence[Tuple[str, str, str]]) -> List[Member]:
    """The families of which no run is needed by one that stays."""
    going = {member.run_id: member.above or member.run_id for member in members}
    while True:
        staying = {going[needed] for needed, run_id, _ in needs if needed in going and run_id not in going}
        if not staying:
            return [member for member in members if member.run_id in going]
        going = {run_id: top for run_id, top in going.items() if top not in staying}


def _why(rules: Rules) -> str:
    """What holds for each run that goes, in words."""
    best = rules.keep_best
    parts = [
        rules.status and " or ".join(rules.status),
        rules.older_than and f"ended before {rules.older_than}" + ("" if _is_date(rules.older_than) else " ago"),
        rules.larger_than is not None and f"larger than {size_text(rules.larger_than)}",
        rules.filter,
        rules.keep_last is not None and f"not among the last {rules.keep_last}",
        best and f"not among the best {best.n} by {best.metric}",
    ]
    return "; ".join(str(part) for part in parts if part)


def _is_date(text: str) -> bool:
    return "-" in text or "ago" in text
