import json
import os
import time
from pathlib import Path

import pytest
from espalier import EspalierError, ScriptRunConfig
from espalier.base.records import now_iso


@pytest.fixture
def make(workspace):
    """Runs that ended so many days ago, as their records say."""

    def made(name="exp", days=0.0, failed=False, auc=None, tags=None, size=0):
        run = workspace.experiments.get(name).start_logging()
        if auc is not None:
            run.log("AUC", auc)
        if tags:
            run.set_tags(tags)
        (run.fail if failed else run.complete)()
        if size:
            Path(run.run_dir, "uploads").mkdir()
            with open(Path(run.run_dir, "uploads", "large"), "wb") as file:
                file.truncate(size)
        status = Path(run.run_dir, "status.json")
        record = {**json.loads(status.read_text()), "ended_at": now_iso(time.time() - days * 86400)}
        aside = Path(run.run_dir).parent / ".tmp-1-test"
        aside.write_text(json.dumps(record))
        os.replace(aside, status)
        return run.id

    return made


@pytest.fixture
def going(workspace):
    def ids(**rules):
        return set(workspace.housekeeping.prune_runs(**rules).columns["run_id"])

    return ids


def test_by_age_and_state(make, going):
    old, young, failed = make(days=100), make(days=10), make(days=100, failed=True)
    assert going(older_than="90 days") == {old, failed}
    assert going(status=["Failed"]) == {failed}
    assert going(status=["Completed"], older_than="90 days") == {old}
    assert going(status=["Completed", "Failed"], older_than="5 days") == {old, young, failed}
    assert going(older_than=now_iso(time.time() - 50 * 86400)) == {old, failed}
    assert going(filter="status = 'Failed'", experiment="exp") == {failed}
    assert going(status=["Failed"], experiment="other") == set()


def test_the_last_and_the_best_of_each_experiment_are_kept(make, going):
    runs = [make(auc=auc) for auc in (0.9, 0.5, 0.7, None)]
    other = make("other", auc=0.1)
    assert going(keep_last=1) == set(runs[:3])
    assert going(keep_last=0) == {*runs, other}
    assert going(keep_best={"metric": "AUC"}) == set(runs[1:])
    assert going(keep_best={"metric": "AUC", "n": "2"}) == {runs[1], runs[3]}
    assert going(keep_best={"metric": "AUC", "goal": "min"}) == {runs[0], runs[2], runs[3]}
    assert going(keep_last=1, keep_best={"metric": "AUC"}) == {runs[1], runs[2]}


def test_tagged_runs_are_kept(make, going):
    tagged, plain = make(days=9, tags={"stage": "prod"}), make(days=9)
    assert going(older_than="1 day") == {plain}
    assert going(older_than="1 day", keep_tagged=False) == {plain, tagged}


def test_by_size_with_the_runs_below(make, going):
    large, small = make(size=3 << 20), make(size=1 << 10)
    assert going(larger_than="1 MB") == {large}
    assert going(larger_than=100) == {large, small}


def test_what_runs_that_stay_need_is_kept(workspace, submit, ended, going, experiment):
    first = submit("echo 1 > outputs/a")
    ended(first)
    second = experiment.submit(ScriptRunConfig(command="true", inputs={"a": {"run": first.id, "output": "outputs/a"}}))
    third = experiment.submit(ScriptRunConfig(command="true", depends_on=[second.id]))
    ended(second), ended(third)
    with pytest.warns(UserWarning, match="1 among the last, 2 needed by runs that stay"):
        assert going(keep_last=1) == set()
    assert going(keep_last=0) == {first.id, second.id, third.id}
    third.set_tags({"keep": "me"})
    with pytest.warns(UserWarning, match="1 tagged, 2 needed.*keep_tagged = FALSE"):
        assert going(keep_last=0) == set()


def test_runs_that_have_not_ended_are_never_among_them(workspace, experiment, going):
    parent = experiment.start_logging()
    child = parent.child_run()
    child.complete()
    assert going(keep_last=0) == set()
    parent.complete()
    assert going(keep_last=0) == {parent.id, child.id}


def test_only_numbers_are_the_best(make, going, workspace):
    best, text, nan = make(auc=0.9), make(auc="n/a"), make(auc=float("nan"))
    assert going(keep_best={"metric": "AUC"}) == {text, nan}
    assert workspace.runs.best("AUC").id == best


def test_a_family_stays_with_a_child_that_is_kept(workspace, experiment, going):
    families = []
    for auc in (0.9, 0.5, 0.7):
        parent = experiment.start_logging()
        child = parent.child_run()
        child.log("AUC", auc)
        child.complete(), parent.complete()
        families.append({parent.id, child.id})
    child.set_tags({"keep": "me"})
    assert going(keep_last=0) == families[0] | families[1]
    assert going(keep_last=0, keep_best={"metric": "AUC"}) == families[1]


def test_runs_that_go_on_or_are_archived_are_not_among_the_last(make, going, workspace, experiment):
    first, archived = make(), make()
    workspace.housekeeping.archive_runs([archived])
    running = experiment.start_logging()
    assert going(keep_last=1) == {archived}
    running.complete()
    assert going(keep_last=1) == {first, archived}


def test_the_best_that_lists_show_is_kept_beside_one_that_they_do_not(make, going, workspace):
    shown, archived, failed = make(auc=0.5), make(auc=0.9), make(auc=0.7, failed=True)
    workspace.housekeeping.archive_runs([archived])
    assert going(keep_best={"metric": "AUC"}) == {failed}
    assert workspace.runs.best("AUC").id == shown


def test_where_all_runs_stay_the_reasons_are_told(make, going):
    make(auc=0.9), make(tags={"a": "b"}), make()
    with pytest.warns(UserWarning, match="hold: 1 tagged, 1 among the best, 1 among the last"):
        assert going(keep_last=1, keep_best={"metric": "AUC"}) == set()


def test_they_are_listed_with_reasons_and_then_deleted(make, workspace):
    kept, gone = make(), make(days=100, failed=True)
    rules = {"older_than": "90 days", "status": ["Failed", "Canceled"], "keep_last": 0, "larger_than": 10}
    (row,) = workspace.housekeeping.prune_runs(**rules).rows()
    assert row["why"] == "Failed or Canceled; older than 90 days; larger than 10 B; not among the last 0"
    assert row["run_id"] == gone and row["deleted"] is False
    (row,) = workspace.housekeeping.prune_runs(**rules, dry_run=False).rows()
    assert row["deleted"] is True and workspace.runs.list().columns["run_id"] == [kept]


@pytest.mark.parametrize(
    ("rules", "code", "words"),
    [
        ({}, "bad_argument", "without a rule"),
        ({"keep_tagged": False}, "bad_argument", "without a rule"),
        ({"older_than": "90 dayz"}, "bad_filter", "dayz"),
        ({"status": ["failed"]}, "bad_filter", "Failed"),
        ({"older_than": "1 month"}, "bad_filter", "days or weeks"),
        ({"larger_than": "9" * 400}, "bad_argument", "larger_than"),
        ({"keep_best": {"metric": "AUC", "n": "²"}}, "bad_argument", "whole number"),
        ({"keep_best": {"metric": "AUC", "n": "9" * 5000}}, "bad_argument", "whole number"),
        ({"larger_than": "big"}, "bad_argument", "larger_than"),
        ({"keep_best": {"n": 5}}, "bad_argument", "metric"),
        ({"keep_best": {"metric": "AUC", "n": "some"}}, "bad_argument", "whole number"),
        ({"keep_best": {"metric": "AUC", "goal": "up"}}, "bad_argument", "goal"),
        ({"keep_best": {"metric": "AUCC"}}, "bad_filter", "AUC"),
        ({"keep_last": -1}, "bad_argument", "keep_last"),
        ({"filter": "status ="}, "bad_filter", ""),
        ({"experiment": "../x", "keep_last": 1}, "bad_name", ""),
    ],
)
def test_rules_that_are_none(make, workspace, rules, code, words):
    make(auc=0.5)
    with pytest.raises(EspalierError) as caught:
        workspace.housekeeping.prune_runs(**rules, dry_run=False)
    assert caught.value.code == code and words in str(caught.value)
    assert len(workspace.runs.list()) == 1
