"""Rules of retention: which ended runs may go, and why."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from espalier.adapters.files import size_below
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.names import check_name
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import report
from espalier.base.resources import bytes_of, checked_count, size_text
from espalier.base.types import Frame, Text
from espalier.housekeeping.deletion import delete
from espalier.housekeeping.families import Member, families, index_of
from espalier.store.index.fields import Field
from espalier.store.index.grammar import Compare, Negation, Node, Order, parse_filter
from espalier.store.index.run_index import Query, RunIndex, experiments, needed_by
from espalier.store.index.sql import Sql, joined

_TOP = Sql("r.parent IS NULL")


class Rules:
    """Which runs may go, as a user writes it: see `Housekeeping.retention_rules`.

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
        self.keep_best = _best(keep_best) if keep_best else None
        self.keep_tagged = keep_tagged
        node = parse_filter(filter or "")
        # The conditions that the index can decide.
        self.where: List[Node] = [] if node is None else [node]
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
            self.keep_best and f"not among the best {self.keep_best.limit} by {self.keep_best.order[0].field.key}",
        ]
        # What holds for each run that goes.
        self.why = "; ".join(str(part) for part in parts if part)
        if not self.why:
            hint = 'Give at least one, such as older_than = "90 days", status = "Failed" or keep_last = 20.'
            raise EspalierError("bad_argument", "No rule says which runs may go.", hint)


def apply_rules(paths: WorkspacePaths, rules: Rules, *, dry_run: bool) -> Frame:
    """Delete the runs that rules let go, or list them only. See `Housekeeping.retention_rules`."""
    index = index_of(paths)
    run_ids, needs = index.ask(lambda database: (_chosen(index, database, rules), needed_by(database)))
    members = families(paths, run_ids)
    if rules.larger_than is not None:
        members = _larger(members, rules.larger_than)
    return delete(paths, _unneeded(members, needs), dry_run=dry_run, why=rules.why)


def _best(given: Mapping[str, Text]) -> Query:
    """The best runs by a metric."""
    n, goal = given.get("n", 1), given.get("goal", "max")
    if "metric" not in given or goal not in ("max", "min") or not set(given) <= {"metric", "n", "goal"}:
        message = 'keep_best needs a `metric`, and takes `n`, how many are kept, and `goal`, "max" or "min".'
        raise EspalierError("bad_argument", message, 'Give for example c(metric = "AUC", n = 5).', argument="keep_best")
    field = Field("metrics", str(given["metric"]))
    count = checked_count(int(n) if isinstance(n, str) and n.isdecimal() else n, "keep_best: n", 1)
    return Query([Negation(Compare(field, "null", ""))], [Order(field, goal == "max")], count)


def _chosen(index: RunIndex, database: Any, rules: Rules) -> List[str]:
    """The runs without a parent that all conditions hold for but that of size, and that no number keeps."""
    marks = ", ".join("?" * (len(states.UNFINISHED) + 1))
    fixed = [_TOP, Sql(f"r.status NOT IN ({marks})", (*sorted(states.UNFINISHED), states.UNREADABLE))]
    if rules.experiment is not None:
        fixed.append(Sql("r.experiment = ?", (rules.experiment,)))
    if rules.keep_tagged:
        fixed.append(Sql("r.n NOT IN (SELECT run FROM tags)"))
    found = index.ids(database, Query(rules.where, fixed=joined(fixed, every=True)))
    kept: Set[str] = set()
    for name, _, _ in experiments(database):
        own = joined([Sql("r.experiment = ?", (name,)), _TOP], every=True)
        if rules.keep_last:
            kept.update(index.ids(database, Query(limit=rules.keep_last, fixed=own)))
        if rules.keep_best:
            kept.update(index.ids(database, rules.keep_best._replace(fixed=own)))
    return [run_id for run_id in found if run_id not in kept]


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
