"""Charts: what is logged comes back as the payload that the ancestor's methods take."""

import json
import math
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.api.job_log import JobLog
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.cli.views import metric_rows
from espalier.tracking.charts import chart_of
from espalier.tracking.metrics import metric_frames, read_metrics

DATA: Dict[str, Dict[str, Any]] = {
    "confusion_matrix": {"class_labels": ["no", "!yes"], "matrix": [[3, 1], [0, 2]]},
    "accuracy_table": {
        "class_labels": ["no", "yes"],
        "probability_thresholds": [0.0, 0.5, 1.0],
        "percentile_thresholds": [0.1, 0.9],
        "probability_tables": [[[2, 4, 0, 0], [1, 1, 3, 1], [0, 0, 4, 2]]] * 2,
        "percentile_tables": [[[2, 4, 0, 0], [0, 0, 4, 2]]] * 2,
    },
    "residuals": {"bin_edges": [-1.5, 0.0, 1.5], "bin_counts": [3, 0.5]},
    "predictions": {"bin_averages": [0.5, 1.5], "bin_errors": [0, 0.1], "bin_counts": [1, 4], "bin_edges": [0, 1, 2]},
}
VERSIONS = {"confusion_matrix": "1.0.0", "accuracy_table": "1.0.1", "residuals": "1.0.0", "predictions": "1.0.0"}


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "runs" / "ab" / "e_1_abcdef01"))
    os.makedirs(paths.root)
    return paths


def payload(kind: str, **changes: Any) -> Dict[str, Any]:
    return {"schema_type": kind, "schema_version": VERSIONS[kind], "data": {**DATA[kind], **changes}}


@pytest.mark.parametrize("kind", sorted(DATA))
def test_a_payload_comes_back(run: RunPaths, tmp_path: Path, kind: str) -> None:
    log = getattr(JobLog(run.root), f"log_{kind}")
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(payload(kind)))
    for name, value in (("dict", payload(kind)), ("text", json.dumps(payload(kind))), ("path", str(file))):
        log(name, value, "about")
        assert read_metrics(run, name) == {name: payload(kind)}
        frame = metric_frames(run, name)[name]
        assert frame.columns["chart"] == [kind] and json.loads(frame.columns[""][0]) == payload(kind)
    log("bare", {"data": DATA[kind]})
    assert read_metrics(run)["bare"] == payload(kind)
    log("bare", payload(kind))
    assert read_metrics(run)["bare"] == [payload(kind)] * 2
    assert metric_rows(read_metrics(run))[0] == {"name": "dict", "last": kind, "values": 1}


def test_numpy_arrays_and_bins_without_rows(run: RunPaths) -> None:
    numpy = pytest.importorskip("numpy")
    log = JobLog(run.root)
    labels, matrix = numpy.array([0, 1]), numpy.array([[3, 1], [0, 2]])
    log.log_confusion_matrix("c", {"data": {"class_labels": labels, "matrix": matrix}})
    assert read_metrics(run)["c"]["data"] == {"class_labels": ["0", "1"], "matrix": [[3, 1], [0, 2]]}
    log.log_predictions("p", payload("predictions", bin_averages=[math.nan, 1.5]))
    assert math.isnan(read_metrics(run)["p"]["data"]["bin_averages"][0])
    assert json.loads(metric_frames(run)["p"].columns[""][0])["data"]["bin_averages"] == [None, 1.5]


def test_a_long_one_is_a_payload_file(run: RunPaths) -> None:
    size = 300
    labels, matrix = [f"class {i}" for i in range(size)], [[i * j for j in range(size)] for i in range(size)]
    JobLog(run.root).log_confusion_matrix("big", {"data": {"class_labels": labels, "matrix": matrix}})
    assert os.listdir(run.payloads) and read_metrics(run)["big"]["data"] == {"class_labels": labels, "matrix": matrix}


BAD = [
    ("confusion_matrix", 5, "int is not the payload"),
    ("confusion_matrix", "{", "not JSON"),
    ("confusion_matrix", "none.json", "No such file"),
    ("confusion_matrix", payload("residuals"), "schema_type is 'residuals'"),
    ("confusion_matrix", {"schema_version": "1.0.0"}, "no data"),
    ("confusion_matrix", {"data": {"class_labels": ["a"]}}, "lacks matrix"),
    ("confusion_matrix", payload("confusion_matrix", matrix=[[1, 2], [3]]), "matrix has 1 elements where 2"),
    ("confusion_matrix", payload("confusion_matrix", matrix=[[1, "2"], [3, 4]]), "must be numbers"),
    ("confusion_matrix", payload("confusion_matrix", matrix=[[1, math.inf], [3, 4]]), "must be finite"),
    ("confusion_matrix", payload("confusion_matrix", class_labels=[], matrix=[]), "something in it"),
    ("confusion_matrix", payload("confusion_matrix", class_labels=[[1], 2]), "must be texts"),
    ("residuals", payload("residuals", bin_edges=[1, 2]), "3 are needed"),
    ("residuals", payload("residuals", bin_edges=[0, 2, 1]), "must increase"),
    ("residuals", payload("residuals", bin_counts=[1, -1]), "must not be negative"),
    ("confusion_matrix", payload("confusion_matrix", matrix=[[1, -1], [0, 2]]), "must not be negative"),
    ("confusion_matrix", payload("confusion_matrix", class_labels=["a"] * 1001), "1000 are the most"),
    ("accuracy_table", payload("accuracy_table", probability_tables=[[[1, 2, 3]]]), "where 2 are needed"),
]


@pytest.mark.parametrize("kind,value,words", BAD)
def test_no_payload_is_left_out_and_warned_of_once(
    run: RunPaths, kind: str, value: Any, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = getattr(JobLog(run.root), f"log_{kind}")
    log("c", value)
    log("d", value)
    printed = capsys.readouterr().err
    assert printed.count("can't be recorded") == 1 and words in printed
    assert read_metrics(run) == {}
    with pytest.raises(EspalierError, match="can't be recorded") as caught:
        getattr(JobLog(None), f"log_{kind}")("c", value)
    assert caught.value.code == "bad_argument"


HOSTILE = [
    {},
    {"schema_type": ["residuals"], "data": {}},
    {"schema_type": "other", "data": {}},
    {"schema_type": "residuals", "data": {"bin_edges": "ab", "bin_counts": [1]}},
    {"schema_type": "residuals", "data": {"bin_edges": [0, "!Inf"], "bin_counts": [1]}},
    {"schema_type": "residuals", "data": {"bin_edges": [0, 1], "bin_counts": [{}]}},
]


@pytest.mark.parametrize("fields", HOSTILE)
def test_what_another_program_wrote_is_checked(run: RunPaths, fields: Dict[str, Any]) -> None:
    os.makedirs(run.events)
    good = {"type": "chart", "seq": 0, "time": 1.0, "name": "good", **payload("residuals")}
    bad = {"type": "chart", "seq": 1, "time": 2.0, "name": "bad", **fields}
    Path(run.events, "w.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    for read in (read_metrics, metric_frames):
        with pytest.warns(UserWarning, match="bad"):
            assert list(read(run)) == ["good"]  # type: ignore[operator]


def test_other_fields_of_data_are_left_out() -> None:
    assert chart_of("residuals", payload("residuals", mean=3)) == payload("residuals")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "row", "row": {"": "http://127.0.0.1:9/", "chart": "x"}, "kinds": {"": "string", "chart": "string"}},
        {"type": "table", "columns": {"": ["/etc/hosts"]}, "kinds": {"": "string"}},
    ],
)
def test_a_table_with_a_column_without_name_is_left_out(run: RunPaths, fields: Dict[str, Any]) -> None:
    os.makedirs(run.events)
    Path(run.events, "w.jsonl").write_text(json.dumps({"seq": 0, "time": 1.0, "name": "x", **fields}) + "\n")
    for read in (read_metrics, metric_frames):
        with pytest.warns(UserWarning, match="can't be read"):
            assert read(run) == {}  # type: ignore[operator]
