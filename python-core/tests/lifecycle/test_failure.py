import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest
from espalier.base.paths import RunPaths, WorkspacePaths
from espalier.lifecycle.failure import job_error, log_tail
from espalier.lifecycle.hints import _OF_ESPALIER
from espalier.lifecycle.near_names import missing_files, nearest_file
from scratch import give_scratch

TRACEBACK = """\
starting
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
  File "train.py", line 2, in main
    raise ValueError("no rows: " + name)
ValueError: no rows: a.csv
"""


FRAMES = """\
Traceback (most recent call last):
  File "{top}/train.py", line 3, in <module>
    load()
  File "{top}/steps/load.py", line 7, in load
    json.loads("")
  File "/usr/lib/python3/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
ValueError: no rows
"""


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path))
    os.makedirs(os.path.dirname(paths.log))
    return paths


def error_of(run: RunPaths, text: str, code: int = 1) -> Dict[str, Any]:
    Path(run.log).write_text(text)
    error = job_error(run, code, None)
    assert set(error) - {"hint"} == {"code", "message", "call", "place", "class", "traceback", "log_tail", "log_before"}
    json.dumps(error)
    return error


def test_python_traceback(run: RunPaths) -> None:
    error = error_of(run, TRACEBACK)
    assert error["message"] == "ValueError: no rows: a.csv (exit status 1)"
    assert error["class"] == ["ValueError"] and error["traceback"][0].startswith("Traceback")


def test_last_of_two_tracebacks(run: RunPaths) -> None:
    text = TRACEBACK + "\nDuring handling of the above exception, another exception occurred:\n\n" + TRACEBACK.replace(
        "ValueError", "my.pkg.CustomError"
    )
    error = error_of(run, text)
    assert error["class"] == ["my.pkg.CustomError"]


def test_traceback_longer_than_the_tail(run: RunPaths) -> None:
    frames = "".join(f'  File "x.py", line {n}, in f\n    f()\n' for n in range(100))
    error = error_of(run, f"Traceback (most recent call last):\n{frames}RecursionError: too deep\n")
    assert error["class"] == ["RecursionError"]


@pytest.mark.parametrize("last,name", [("KeyboardInterrupt", "KeyboardInterrupt"), ("SystemExit: 3", "SystemExit"), ("AssertionError", "AssertionError")])
def test_exceptions_without_message(run: RunPaths, last: str, name: str) -> None:
    assert error_of(run, f'Traceback (most recent call last):\n  File "x.py", line 1\n{last}\n')["class"] == [name]


def test_r_error_without_prelude(run: RunPaths) -> None:
    error = error_of(run, "x\nError in train(3) : no such\n  column\nCalls: f -> train\nExecution halted\n")
    assert error["message"] == "Error in train(3) : no such\n  column (exit status 1)"
    assert error_of(run, "Error: plain\nExecution halted\n")["message"] == "Error: plain (exit status 1)"


def test_recorded_r_error_wins(run: RunPaths) -> None:
    os.makedirs(run.events)
    events = [
        {"type": "error", "time": 1.0, "message": "first", "call": "f()", "class": ["simpleError"], "traceback": ["f()"]},
        {"type": "error", "time": 2.0, "message": "last", "call": "g()", "class": ["my", "error"], "traceback": []},
    ]
    Path(run.events, "rprelude-1-00000000.jsonl").write_text("broken\n[1]\n" + "".join(json.dumps(e) + "\n" for e in events))
    Path(run.events, "r-1-00000000.jsonl").write_text(json.dumps({**events[0], "time": 9.0}) + "\n")
    error = error_of(run, TRACEBACK)
    assert (error["message"], error["call"], error["class"]) == ("last (exit status 1)", "g()", ["my", "error"])


def test_a_long_r_error_lies_in_a_payload(run: RunPaths) -> None:
    os.makedirs(run.events)
    os.makedirs(run.payloads)
    line = {"type": "error", "seq": 0, "time": 1.0, "payload": "payloads/rprelude-1-00000000-0.json"}
    Path(run.events, "rprelude-1-00000000.jsonl").write_text(json.dumps(line) + "\n")
    body = {"message": "long " * 300, "call": "f()", "class": ["simpleError"], "traceback": ["f()"] * 49}
    payload = Path(run.root, line["payload"])
    payload.write_text(json.dumps(body))
    error = error_of(run, "")
    assert error["message"].startswith("long long") and len(error["traceback"]) == 49
    payload.write_text(json.dumps({**body, "message": "x" * 100_000}))  # more than the prelude writes
    assert error_of(run, "")["message"] == "The job ended with exit status 1."
    payload.unlink()
    os.mkfifo(payload)
    assert error_of(run, "")["message"] == "The job ended with exit status 1."


@pytest.mark.parametrize("event", ['{"type":"error"}', '{"type":"error","time":1,"message":5,"class":3,"traceback":null}', '{"type":"error","time":"x"}', "[" * 100_000])
def test_a_damaged_record_of_the_error_still_gives_one(run: RunPaths, event: str) -> None:
    os.makedirs(run.events)
    Path(run.events, "rprelude-1-00000000.jsonl").write_text(f"{event}\n{event}\n")
    error = error_of(run, "")
    assert "exit status 1" in error["message"]
    assert isinstance(error["class"], list) and isinstance(error["traceback"], list)


@pytest.mark.parametrize("text", ["", "\n\n", "all good\n", "Errors: 3\n", "ValueError: not from a traceback\n"])
def test_nothing_said(run: RunPaths, text: str) -> None:
    assert error_of(run, text, 3)["message"] == "The job ended with exit status 3."


def test_a_refused_argument_is_the_cause(run: RunPaths) -> None:
    line = "a.py: error: argument --shift: invalid float value: 'abc'"
    error = error_of(run, f"usage: a.py [-h]\n{line}\n", 2)
    assert error["message"] == f"{line} (exit status 2)" and error["log_before"] == ["usage: a.py [-h]"]
    assert error_of(run, f"{line}\n", 3)["message"] == "The job ended with exit status 3."


def test_signals(run: RunPaths) -> None:
    error = job_error(run, None, 9)
    assert error["code"] == "job_killed" and error["message"] == "The job ended with signal 9, SIGKILL."
    assert job_error(run, None, 40)["message"].startswith("The job ended with signal 40")


@pytest.mark.parametrize(
    "text",
    ["Fehler in f(n + 1) : kein Objekt\nRuft auf: f -> f\nAusf\u00fchrung angehalten", "Erreur : C stack usage\nEx\u00e9cution arr\u00eat\u00e9e", "Errore in f() : no\nEsecuzione interrotta",
     " \u4ee5\u4e0b\u306b\u30a8\u30e9\u30fc f() : no\n \u5b9f\u884c\u304c\u505c\u6b62\u3055\u308c\u307e\u3057\u305f ", "\u9519\u8bef\u4e8ef() : no\n\u505c\u6b62\u6267\u884c", "\u041e\u0448\u0438\u0431\u043a\u0430 \u0432 f() : no\n\u0412\u044b\u043f\u043e\u043b\u043d\u0435\u043d\u0438\u0435 \u043e\u0441\u0442\u0430\u043d\u043e\u0432\u043b\u0435\u043d\u043e", "Error en f() : no\nEjecuci\u00f3n interrumpida"],
)  # fmt: skip
def test_r_errors_of_every_language_are_found_in_the_log(run: RunPaths, text: str) -> None:
    error = error_of(run, f"reading\n{text}\n")
    assert error["message"] == f"{text.splitlines()[0]} (exit status 1)" and error["log_before"] == ["reading"]


def r_events(run: RunPaths, *events: Dict[str, Any]) -> None:
    os.makedirs(run.events, exist_ok=True)
    lines = [json.dumps({"seq": seq, "time": 1.0 + seq, **event}) + "\n" for seq, event in enumerate(events)]
    Path(run.events, "rprelude-1-00000000.jsonl").write_text("".join(lines))


def test_the_warning_before_an_error_names_the_file_and_a_near_one_is_proposed(run: RunPaths, tmp_path: Path) -> None:
    scratch = give_scratch(run, str(tmp_path / "scratch"))
    os.mkdir(os.path.join(scratch.job, "data"))
    Path(scratch.job, "data", "train.csv").write_text("")
    warning = {"type": "warning", "message": "kann Datei 'trian.csv' nicht \u00f6ffnen", "call": "file(f)"}
    error = {"type": "error", "message": "kann Verbindung nicht \u00f6ffnen", "call": "file(f)", "class": [], "traceback": []}
    r_events(run, warning, error)
    found = error_of(run, "a\n\nb\nc\nd\nFehler in file(f) : kann Verbindung nicht \u00f6ffnen\nRuft auf: g\n")
    assert found["message"] == "kann Verbindung nicht \u00f6ffnen: kann Datei 'trian.csv' nicht \u00f6ffnen (exit status 1)"
    assert found["hint"] == 'Did you mean "data/train.csv"?' and found["log_before"] == ["b", "c", "d"]
    r_events(run, {**warning, "call": "other()"}, error)
    assert error_of(run, "")["message"] == "kann Verbindung nicht \u00f6ffnen (exit status 1)"


def test_the_last_error_of_an_r_that_called_no_handler(run: RunPaths) -> None:
    text = "Erreur : C stack usage  7971796 is too close to the limit"
    r_events(run, {"type": "last_error", "message": text + "\n"})
    assert error_of(run, f"reading\n{text}\nEx\u00e9cution arr\u00eat\u00e9e\n")["message"] == f"{text} (exit status 1)"
    assert error_of(run, "a silent try() and quit(status = 1)\n")["message"] == "The job ended with exit status 1."


def test_a_python_exception_is_found_before_what_was_printed_after_it(run: RunPaths, tmp_path: Path) -> None:
    Path(give_scratch(run, str(tmp_path / "scratch")).job, "data.csv").write_text("")
    text = TRACEBACK.replace("ValueError: no rows: a.csv", "FileNotFoundError: [Errno 2] No such file or directory: 'dta.csv'")
    error = error_of(run, text + "bye\n")
    assert error["class"] == ["FileNotFoundError"] and error["hint"] == 'Did you mean "data.csv"?'
    assert error["log_before"] == ["starting"]


@pytest.mark.parametrize(
    "message,near",
    [("no file 'Data.CSV'", "data.csv"), ("no file \u2018sub/x.rds\u2019", "sub/y.rds"), ("no object 'dta'", None),
     ("no 'data.csv'", None), ("no 'zzzz.parquet'", None), ("no '/else/where/data.csv'", "data.csv"), ("no ''", None)],
)  # fmt: skip
def test_near_files(tmp_path: Path, message: str, near: Any) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("data.csv", "sub/y.rds", ".hidden"):
        (tmp_path / name).write_text("")
    wanted = missing_files(str(tmp_path), message)
    assert (nearest_file(str(tmp_path), wanted[0]) if wanted else None) == near


@pytest.mark.parametrize(
    ("wanted", "near"),
    [("data/clean.rds", None), ("R/helper.R", "R/helpers.R"), ("R/helper.r", "R/helpers.R"), ("helpers.R", "R/helpers.R")],
)
def test_near_files_have_the_same_ending_and_those_beside_come_first(tmp_path: Path, wanted: str, near: Any) -> None:
    for name in ("01-clean.R", "R/helpers.R", "bad/helper.R"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert missing_files(str(tmp_path), f"cannot open file '{wanted}'") == [wanted]
    assert nearest_file(str(tmp_path), wanted) == near


def test_a_progress_bar_is_one_line_of_the_tail(run: RunPaths) -> None:
    Path(run.log).write_bytes(b"".join(b"\r%3d%% |%s|" % (n, b"=" * n) for n in range(101)) + b"\n\x1b[31mbad\x1b[0m\n")
    assert log_tail(run.log) == ["100% |" + "=" * 100 + "|", "bad"]


def test_long_messages_are_cut(run: RunPaths) -> None:
    assert len(error_of(run, f"Error: {'x' * 5000}\n" * 10)["message"]) <= 3000


def test_log_tail(run: RunPaths) -> None:
    path = Path(run.log)
    assert log_tail(str(path)) == []
    path.write_text("".join(f"{n}\r\n" for n in range(100)) + "\n \n")
    assert log_tail(str(path)) == [str(n) for n in range(80, 100)]
    path.write_bytes(b"\xff\xfe\x00bad\n")
    assert log_tail(str(path)) == ["\ufffd\ufffdbad"]


def test_log_tail_of_a_line_without_end(run: RunPaths) -> None:
    Path(run.log).write_bytes(b"x" * 5_000_000 + b"end")
    (line,) = log_tail(run.log)
    assert len(line) == 500 and line.endswith("xend")


def test_the_place_of_a_python_error_is_in_the_job_s_files(run: RunPaths, tmp_path: Path) -> None:
    scratch = give_scratch(run, str(tmp_path / "scratch"))
    text = FRAMES.format(top=scratch.job)
    assert error_of(run, text)["place"] is None, "no such files"
    os.makedirs(os.path.join(scratch.job, "steps"))
    for name in ("train.py", "steps/load.py"):
        Path(scratch.job, name).write_text("")
    assert error_of(run, text)["place"] == "steps/load.py:7"
    assert error_of(run, text.replace(f"{scratch.job}/", ""))["place"] == "steps/load.py:7", "named as it was started"
    assert error_of(run, text.replace("steps/load.py", "../load.py"))["place"] == "train.py:3"


def project(run: RunPaths, folder: Path, **files: str) -> None:
    """The folder that a run was submitted from."""
    top = folder / "project"
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    Path(run.spec).write_text(json.dumps({"format": 1, "source_directory": str(top)}))


def environment(run: RunPaths, **record: Any) -> None:
    Path(run.spec).write_text(json.dumps({"format": 1, "environment": record}))


def earlier(workspace: Path, run_id: str, *names: str, state: str = "Completed") -> None:
    folder = workspace / "runs" / run_id[-8:-6] / run_id
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "status.json").write_text(json.dumps({"format": 1, "state": state, "attempt": 1}))


@pytest.fixture
def of_workspace(tmp_path: Path) -> RunPaths:
    run = WorkspacePaths(str(tmp_path / "ws")).run("fit_100_aaaaaaaa")
    os.makedirs(os.path.dirname(run.log))
    give_scratch(run, str(tmp_path / "scratch"), "model")
    return run


MISSING = "Error in gzfile(f) : cannot open file '{}'\nExecution halted\n"


def test_an_earlier_run_that_wrote_a_missing_file_is_named(of_workspace: RunPaths, tmp_path: Path) -> None:
    earlier(tmp_path / "ws", "clean_50_bbbbbbbb", "workdir/model/data/clean.rds")
    assert error_of(of_workspace, MISSING.format("data/clean.rds"))["hint"] == (
        "Run clean_50_bbbbbbbb wrote a file of that name. To submit again, copy it into the project: "
        'download_file_from_run(get_run(ws, "clean_50_bbbbbbbb"), "workdir/model/data/clean.rds", "data/clean.rds").'
    )
    project(of_workspace, tmp_path, **{".gitignore": "data/"})
    assert error_of(of_workspace, MISSING.format("data/clean.rds"))["hint"] == (
        "Run clean_50_bbbbbbbb wrote a file of that name. To submit again, give it to the job with inputs = list(clean = "
        'run_output(get_run(ws, "clean_50_bbbbbbbb"), "workdir/model/data/clean.rds")), and read its path with job_params().'
    )
    assert "hint" not in error_of(of_workspace, MISSING.format("data/other.rds"))


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [("outputs/m.rds", "outputs/m.rds"), ("outputs/m.rds", "m.rds"), ("outputs/m.rds", "../models/m.rds"), ("logs/a.txt", "logs/a.txt"),
     ("outputs/sub/m.rds", "sub/m.rds"), ("outputs/m.rds", "/else/where/m.rds"), ("workdir/data/m.rds", None), ("outputs/m.rds", "n.rds")],
)  # fmt: skip
def test_names_under_which_it_may_have_been_kept(of_workspace: RunPaths, tmp_path: Path, kept: str, wanted: Any) -> None:
    earlier(tmp_path / "ws", "a_50_bbbbbbbb", kept)
    hint = error_of(of_workspace, MISSING.format(wanted or "data/m.rds")).get("hint", "")
    assert (kept in hint) == (wanted is not None and os.path.basename(wanted) == os.path.basename(kept))


def test_the_newest_completed_run_counts_and_first_of_the_same_experiment(of_workspace: RunPaths, tmp_path: Path) -> None:
    ws, text = tmp_path / "ws", MISSING.format("outputs/m.rds")
    earlier(ws, "fit_70_bbbbbbbb", "outputs/m.rds", state="Failed")
    assert "hint" not in error_of(of_workspace, text)
    for run_id in ("other_60_cccccccc", "fit_9_dddddddd", "fit_20_eeeeeeee"):
        earlier(ws, run_id, "outputs/m.rds")
    assert error_of(of_workspace, text)["hint"].startswith("Run fit_20_eeeeeeee wrote")


def test_what_a_run_has_behind_a_link_it_did_not_write(of_workspace: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "m.rds").write_text("")
    earlier(tmp_path / "ws", "a_50_bbbbbbbb")
    (tmp_path / "ws/runs/bb/a_50_bbbbbbbb/outputs").symlink_to(tmp_path)
    assert "hint" not in error_of(of_workspace, MISSING.format("outputs/m.rds"))


def test_a_near_name_is_proposed_where_no_run_wrote_it(of_workspace: RunPaths, tmp_path: Path) -> None:
    job = next((tmp_path / "scratch").rglob("model"))
    (job / "data.csv").write_text("")
    text = MISSING.format("dta.csv")
    assert error_of(of_workspace, text)["hint"] == 'Did you mean "data.csv"?'
    earlier(tmp_path / "ws", "a_50_bbbbbbbb", "outputs/dta.csv")
    assert "a_50_bbbbbbbb" in error_of(of_workspace, text)["hint"]


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("data/in.rds", 'The project has "data/in.rds", but /data/ (.gitignore:1) leaves it out of the snapshot. Add !/data/ to '
         '.espalierignore, or give it to the job with inputs = list(data_in = "data/in.rds").'),
        ("2024.csv", 'The project has "2024.csv", but *.csv (.gitignore:2) leaves it out of the snapshot. Add !/2024.csv to '
         '.espalierignore, or give it to the job with inputs = list(data_2024 = "2024.csv").'),
        ("outputs/m.rds", 'The project has "outputs/m.rds", but /outputs/ (a built-in rule) leaves it out of the snapshot. Give it '
         'to the job with inputs = list(m = "outputs/m.rds").'),
        (".env", 'The project has ".env", but .env (a built-in rule) leaves it out of the snapshot. Give what is secret in it to the '
         "job with set_secrets() and secrets =."),
        ("../R/a.R", "The file exists, but outside of the folder that was submitted. Submit a folder above it, or give it to the "
         'job with inputs = list(a = "../R/a.R").'),
        ("kept.R", None), ("gone.csv", None), ("/data/in.rds", None),
    ],
)  # fmt: skip
def test_a_file_that_rules_left_out_is_the_cause(of_workspace: RunPaths, tmp_path: Path, wanted: str, hint: Any) -> None:
    names = {"data/in.rds": "", "2024.csv": "", "outputs/m.rds": "", ".env": "", "../R/a.R": "", "kept.R": ""}
    project(of_workspace, tmp_path, **names, **{".gitignore": "/data/\n*.csv\n"})
    earlier(tmp_path / "ws", "a_50_bbbbbbbb", "workdir/model/data/in.rds")
    assert error_of(of_workspace, MISSING.format(wanted)).get("hint") == hint


def test_a_module_that_rules_left_out_is_the_cause(of_workspace: RunPaths, tmp_path: Path) -> None:
    project(of_workspace, tmp_path, **{"tools/load.py": "", ".gitignore": "tools/"})
    text = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'tools.load'\n"
    assert error_of(of_workspace, text)["hint"].startswith('The project has "tools/load.py", but tools/ (.gitignore:1)')


def test_a_missing_r_package_names_the_libraries_that_were_searched(run: RunPaths) -> None:
    missing = {"type": "error", "message": "no package", "call": "library(x)", "class": ["packageNotFoundError"], "traceback": []}
    r_events(run, {**missing, "package": "x", "libraries": ["/a", os.path.expanduser("~/b"), "/c", "/d"]})
    assert error_of(run, "")["hint"] == (
        "The job searched /a, ~/b, /c and 1 more: .libPaths() of the session that submitted it. Install x there, or give "
        'estimator() cran_packages = "x".'
    )
    environment(run, how="session", r={"renv": "/p/renv.lock"})
    assert error_of(run, "")["hint"].endswith("the library of the project's renv. Install x there.")
    environment(run, how="private")
    assert error_of(run, "")["hint"].endswith('and 1 more. Add cran_packages = "x" to the job\'s environment.')
    r_events(run, {**missing, "package": 5, "libraries": None})
    assert "hint" not in error_of(run, "")


def test_a_missing_module_names_the_python_that_ran(run: RunPaths) -> None:
    text = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'sklearn.svm'\n"
    assert "hint" not in error_of(run, text)
    environment(run, how="session", python={"interpreter": "/shims/python3"})
    assert error_of(run, text)["hint"] == (
        "The job ran on /shims/python3. Install the package of sklearn there, or choose another Python with "
        "script_run_config(python = )."
    )
    environment(run, how="session", python={"interpreter": "/shims/python3", "executable": "/v/bin/python3"})
    assert error_of(run, text)["hint"].startswith("The job ran on /v/bin/python3.")
    environment(run, how="image", python=None)
    assert error_of(run, text)["hint"] == "Add the package of sklearn to pip_packages of the job's environment."


def test_a_function_of_espalier_that_is_not_found_names_the_package(run: RunPaths) -> None:
    error = {"type": "error", "message": "konnte Funktion \u201elog_metric_to_run\u201c nicht finden", "call": "log_metric_to_run(1)"}
    r_events(run, {**error, "class": [], "traceback": []})
    assert error_of(run, "")["hint"] == "log_metric_to_run() is a function of espalier. Add library(espalier) to the script."
    r_events(run, {**error, "call": "f()", "class": [], "traceback": []})
    assert "hint" not in error_of(run, "")


def test_the_functions_of_hints_are_exported() -> None:
    exported = Path(__file__).parents[3] / "NAMESPACE"
    assert {f"export({name})" for name in _OF_ESPALIER} <= set(exported.read_text().splitlines())


@pytest.mark.parametrize(
    ("code", "number", "hint"), [(None, 9, "memory"), (137, None, "memory"), (127, None, "the program"), (126, None, "executable"), (None, 15, None), (1, None, None)]
)  # fmt: skip
def test_a_job_that_ended_without_a_word_gets_the_likely_cause(run: RunPaths, code: Any, number: Any, hint: Any) -> None:
    found = job_error(run, code, number).get("hint")
    assert found is None if hint is None else hint in found


CHAIN = """\
reading
Name? Traceback (most recent call last):
  File "a.py", line 2, in f
    d["b"]
    ~^^^^^
KeyError: 'b'

{link}

Traceback (most recent call last):
  File "a.py", line 9, in <module>
ValueError: no column b
"""


@pytest.mark.parametrize(
    "link",
    ["The above exception was the direct cause of the following exception:", "During handling of the above exception, another exception occurred:"],
)  # fmt: skip
def test_an_exception_comes_with_those_it_followed_from(run: RunPaths, link: str) -> None:
    error = error_of(run, CHAIN.format(link=link))
    assert error["message"] == "ValueError: no column b (exit status 1)"
    assert error["log_before"] == ["reading", "Name? "]
    assert error["traceback"] == CHAIN.format(link=link).replace("Name? ", "").splitlines()[1:]
    error = error_of(run, CHAIN.format(link="another step"))
    assert error["traceback"][0] == "Traceback (most recent call last):" and len(error["traceback"]) == 3
    assert error["log_before"] == ["    ~^^^^^", "KeyError: 'b'", "another step"]


def test_files_of_the_copy_are_named_as_those_of_the_project(run: RunPaths, tmp_path: Path) -> None:
    scratch = give_scratch(run, str(tmp_path / "scratch"), "model/fit")
    text = FRAMES.format(top=scratch.job).replace("no rows", f"no rows in '{scratch.work}/R/x.R' or '{scratch.job}-2/x'")
    error = error_of(run, f"loading {scratch.job}/data.csv\n{text}")
    assert error["traceback"][1] == '  File "train.py", line 3, in <module>'
    assert error["traceback"][3] == '  File "steps/load.py", line 7, in load'
    assert error["message"] == "ValueError: no rows in '../../R/x.R' or '../../model/fit-2/x' (exit status 1)"
    assert error["log_before"] == ["loading data.csv"] and error["log_tail"][0] == "loading data.csv"
