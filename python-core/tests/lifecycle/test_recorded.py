import pytest
from espalier import EspalierError, Experiment
from espalier.lifecycle.recorded import check_open, end_recorded, keep_outputs
from espalier.lifecycle.status import read_status


def test_only_open_runs_recorded_by_hand(experiment: Experiment) -> None:
    run = experiment.start_logging()
    status = read_status(run._paths)
    check_open(run._paths, status)
    end_recorded(run._paths, keep_outputs(run._paths, status), "Canceled", "by a test")
    assert run.get_details()["error"]["message"] == "by a test" and run.get_details()["durationSeconds"] >= 0
    executed = {key: value for key, value in status.items() if key != "collect_from"}
    for record, why in ((read_status(run._paths), "has ended already"), (executed, "is executed by espalier")):
        with pytest.raises(EspalierError, match=why):
            keep_outputs(run._paths, record)
