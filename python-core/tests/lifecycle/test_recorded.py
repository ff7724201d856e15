import pytest
from espalier import EspalierError, Experiment
from espalier.lifecycle.end import end_recorded
from espalier.lifecycle.recorded import check_open, keep_outputs
from espalier.lifecycle.status import read_status


def test_only_open_runs_recorded_by_hand(experiment: Experiment) -> None:
    run = experiment.start_logging()
    status = read_status(run._paths)
    check_open(run._paths, status)
    end_recorded(run._paths, keep_outputs(run._paths, status), "Canceled", "by a test")
    assert run.get_details()["error"]["message"] == "by a test" and run.get_details()["durationSeconds"] >= 0
    executed = status._replace(collect_from=None)
    for record, why in ((read_status(run._paths), "has ended already"), (executed, "is executed by espalier")):
        with pytest.raises(EspalierError, match=why):
            keep_outputs(run._paths, record)
