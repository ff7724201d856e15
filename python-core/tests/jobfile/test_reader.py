"""Job files that are wrong, or mean harm: a classed error with its place, nothing executed, in bounded time."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import espalier
import pytest
from espalier import EspalierError, read_job

SOURCE = str(Path(espalier.__file__).parents[1])
BOMB = "a: &a [x, x, x, x]\n" + "".join(f"{c}: &{c} [*{b}, *{b}, *{b}, *{b}]\n" for b, c in zip("abcdefgh", "bcdefghi"))


def refused(tmp_path: Path, text: Any, code: str = "bad_job_file") -> EspalierError:
    path = tmp_path / "job.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(EspalierError) as caught:
        read_job(str(path))
    assert caught.value.code == code, str(caught.value)
    assert caught.value.message.isprintable() and len(str(caught.value)) < 900
    assert os.listdir(tmp_path) == ["job.yml"]
    return caught.value


@pytest.mark.parametrize(
    "text, line, column, says",
    [
        (BOMB, 1, 4, "anchors"),
        ("script: a.R\nparams: {a: *x}\n", 2, 13, "anchors"),
        ("script: !!python/name:os.system a\n", 1, 9, "tag"),
        ("!!python/object/apply:os.system ['touch x']\n", 1, 1, "tag"),
        ("script: ! a.R\n", 1, 9, "tag"),
        ("script: !!binary aGk=\n", 1, 9, "tag"),
        ("script: a.R\nscript: b.R\n", 2, 1, "twice, first in line 1"),
        ("script: a.R\nparams:\n  trees: 1\n  'trees': 2\n", 4, 3, "twice, first in line 3"),
        ("script: a.R\nparams:\n  <<: {trees: 1}\n", 3, 7, "params: << is of type dict"),
        ("[" * 10_000, 1, 25, "deep"),
        ("{a: " * 10_000, 1, 97, "deep"),
        ("- " * 10_000 + "a", 1, 49, "deep"),
        ("".join(" " * depth + "a:\n" for depth in range(1000)), 25, 25, "deep"),
        ("? [a]\n: b\n", 1, 3, "a name is a map or a list"),
        ("script: a.R\n---\nscript: b.R\n", 2, 1, "a second document"),
        ("script: [\n", 2, 1, "expected the node content"),
        ("script: a.R\nparams: |\n\tx\n", 3, 1, "cannot start any token"),
        ("script: a\x07\n", 1, 10, "special characters"),
        ("script: a.R\nname: \0\n", 2, 7, "special characters"),
        ("- script: a.R\n", 1, 1, "holds no job"),
        ("just text", 1, 1, "holds no job"),
        ("", 1, 1, "holds no job"),
        ("# nothing\n", 1, 1, "holds no job"),
        ("{}", 1, 1, "holds no job"),
        ("script: a.R\nparams: {a: " + "9" * 500 + "}\n", 2, 13, "500 characters"),
        ("script: a.R\nparams: {a: 1e999}\n", 2, 13, "too large"),
        ("script: a.R\narguments:\n" + "- a\n" * 30_000, 19_997, 3, "more than 20000 values"),
    ],
)  # fmt: skip
def test_what_no_file_may_hold(text: str, line: int, column: int, says: str, tmp_path: Path) -> None:
    error = refused(tmp_path, text)
    assert says in error.message
    assert (error.fields["line"], abs(error.fields["column"] - column) <= 1) == (line, True), error.message
    assert f"line {line}, column" in error.message and error.fields["path"].endswith("job.yml")


@pytest.mark.parametrize(
    "text, says",
    [
        (b"script: \xff\xfe\n", "UTF-8"),
        ("script: a.R\n# " + "x" * (1 << 20), "larger than 1 MB"),
        ("x" * (5 << 20), "larger than 4 MB"),
        ("\n" * ((1 << 20) + 1), "larger than 1 MB"),
    ],
    ids=["bytes", "comment", "text", "lines"],
)
def test_what_is_no_file_of_text(text: Any, says: str, tmp_path: Path) -> None:
    assert says in refused(tmp_path, text).message


def test_memory_is_bounded(tmp_path: Path) -> None:
    code = (
        f"texts = ({BOMB!r}, '[a,' * 24 + 'b,' * 400_000, 'a: [' + \"'x',\" * 250_000, '[' * 10**6, 'x' * (1 << 20))\n"
        "from espalier.jobfile.reader import read_document; from espalier import EspalierError\n"
        "for text in texts:\n"
        "    try: read_document(text, 'job.yml')\n"
        "    except EspalierError as error: assert error.code == 'bad_job_file'\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"  # (the child's own)
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200_000, "kB"


def test_files_that_are_none(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yml"
    os.mkfifo(pipe)
    for path, says in ((tmp_path, "directory"), (tmp_path / "none.yml", "No such file"), (pipe, "holds no job"), ("/dev/zero", "larger")):
        with pytest.raises(EspalierError, match=says) as caught:
            read_job(str(path))
        assert caught.value.code == "bad_job_file"


@pytest.mark.parametrize(
    "text, place, says, hint",
    [
        ("script: a.R\nprioritty: 3\n", "line 2, column 1", "prioritty isn't a known field", "Did you mean priority?"),
        ("entry_script: a.R\n", "line 1, column 1", "entry_script isn't a known field", "Did you mean script?"),
        ("script: a.R\nscript_params: {}\n", "line 2, column 1", "", "Did you mean params?"),
        ("script: a.R\ncpus: 2\n", "line 2, column 1", "", "Did you mean resources.cpus?"),
        ("script: a.R\nresources: {cpu: 2}\n", "line 2, column 13", "resources.cpu isn't", "resources.cpus?"),
        ("script: a.R\nqwertz: 1\n", "line 2, column 1", "qwertz isn't a known field", "The fields are format, experiment"),
        ("script: a.R\n\"\\e[31m\": 1\n", "line 2, column 1", "'\\x1b[31m' isn't a known field", "The fields are"),
        ("script: [a.R]\n", "line 1, column 9", "script must be text, not a list", ""),
        ("script: a.R\npriority: high\n", "line 2, column 11", "priority must be a whole number, not 'high'", ""),
        ("script: a.R\npriority: 1.5\n", "line 2, column 11", "must be a whole number, not 1.5", ""),
        ("script: a.R\npriority: 11\n", "line 2, column 11", "priority is from 1 to 9, not 11", ""),
        ("script: a.R\nkeep_workdir: true\n", "line 2, column 1", "", "Did you mean source.keep_workdir?"),
        ("script: a.R\nlimits: {queue_seconds: -1}\n", "line 2, column 25", "limits.queue_seconds must be a number of at least 0", ""),
        ("script: a.R\nsource: {keep_workdir: yes}\n", "line 2, column 24", "must be true or false, not 'yes'", ""),
        ("script: a.R\nresources: {cpus: -1}\n", "line 2, column 19", "cpus must be a whole number of at least 0", ""),
        ("script: a.R\nresources: {memory: lots}\n", "line 2, column 21", "memory must be a size", ""),
        ("script: a.R\nresources: 2\n", "line 2, column 12", "resources must be an object (named values), not '2'", ""),
        ("script: a.R\nparams: {a: {b: 1}}\n", "line 2, column 13", "params: a is of type dict", ""),
        ("script: a.R\nparams: {a: [[1]]}\n", "line 2, column 13", "params: a is of type list", ""),
        ("script: a.R\nparams: {a: [1, null]}\n", "line 2, column 13", "params: a is NA", ""),
        ("script: a.R\nparams: {a: [-rf]}\n", "line 2, column 13", "would take for an option", ""),
        ("script: a.R\nparams:\n  ? |\n    a\n  : 1\n", "line 5, column 5", "Can't name a script parameter", ""),
        ("script: a.R\narguments: [a, null]\n", "line 2, column 16", "arguments must be text, not null", ""),
        ("script: a.R\nenvironment_variables: {A=B: c}\n", "line 2, column 24", "no variable can have", ""),
        ("script: a.R\nenvironment_variables: {A: null}\n", "line 2, column 28", "must be text, not null", ""),
        ("script: a.R\nsecrets: ['../x']\n", "line 2, column 10", "Can't name a secret", ""),
        ("script: a.R\ninputs: {a: {url: x}}\n", "line 2, column 13", "must be a path, or have run and output, or url", ""),
        ("script: a.R\ninputs: {a: {path: x}}\n", "line 2, column 13", "inputs.a must be a path, or have run", ""),
        ("script: a.R\noutputs: {a: ../x}\n", "line 2, column 14", "..", ""),
        ("script: a.R\ndepends_on: [x]\n", "line 2, column 13", 'find the run "x"', ""),
        ("script: a.R\nretry: {on: [bored]}\n", "line 2, column 8", "Can't retry on 'bored'", "The causes are"),
        ("script: a.R\nretry: {tries: 3}\n", "line 2, column 9", "retry.tries isn't a known field", "The fields are attempts"),
        ("script: a.R\nchildren: drop\n", "line 2, column 11", "children must be 'wait' or 'detach'", ""),
        ("script: a.R\ndocker: {network: --host}\nenvironment: e\n", "line 2, column 9", "network must be", ""),
        ("script: a.R\ndocker: true\n", "line 1, column 1", "without an environment", ""),
        ("script: a.R\ncommand: b\n", "line 1, column 1", "Can't use both script and command", ""),
        ("priority: 3\n", "line 1, column 1", "script is missing", ""),
        ("script: a.R\nexperiment: a/b\n", "line 2, column 13", "Can't name an experiment", ""),
        ("script: a.R\ntags: {\"a\\nb\": c}\n", "line 2, column 7", "Can't name a tag", ""),
        ("script: a.R\nenvironment: [a]\n", "line 2, column 14", "must be a name, or a definition", ""),
        ("script: a.R\nenvironment: $(id)\n", "line 2, column 14", "must be the name of an environment", ""),
        ("script: a.R\nenvironment: 'a:'\n", "line 2, column 14", "must be the name of an environment", ""),
        ("script: a.R\nenvironment:\n  name: e\n  r: {crann: []}\n", "line 4, column 7", "r.crann", "Did you mean r.cran?"),
        ("script: a.R\nenvironment:\n  r:\n    version: 4.x\n", "line 4, column 5", "r.version is '4.x'", ""),
        ("script: a.R\nenvironment: {file: nowhere.yml}\n", "line 2, column 21", "can't be read", ""),
        ("script: a.R\nenvironment: {file: a, name: e}\n", "line 2, column 14", "has `file` and other fields", ""),
        ("script: a.R\nformat: 0\n", "line 2, column 9", "format must be", ""),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_place(text: str, place: str, says: str, hint: str, tmp_path: Path) -> None:
    error = refused(tmp_path, text)
    assert f"job.yml, {place}: " in error.message and says in error.message and hint in error.hint, str(error)


def test_a_newer_format(tmp_path: Path) -> None:
    refused(tmp_path, "script: a.R\nformat: 2\n", "newer_format")
    refused(tmp_path, "script: a.R\nenvironment: {format: 2, name: e}\n", "newer_format")


@pytest.mark.parametrize("word", ["$(touch x)", "`touch x`", "; touch x", "--help", "-e.R", "a\nb", "${HOME}", "!!python/none"])
def test_text_stays_text(word: str, tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    quoted = '"' + word.replace("\n", "\\n") + '"'
    path.write_text(f"script: {quoted}\narguments: [{quoted}]\nparams: {{a: {quoted}}}\ndisplay_name: {quoted}\ninputs: {{d: {quoted}}}\n")
    job = read_job(str(path))
    assert job.config.entry_script == job.config.arguments[0] == job.config.script_params["a"] == job.config.display_name == word
    assert job.config.inputs == {"d": str(tmp_path / word)}
    assert os.listdir(tmp_path) == ["job.yml"]


@pytest.mark.parametrize(
    "written, meant",
    [
        ("500", 500), ("010", 10), ("0x1F", 31), ("0o17", 15), ("-7", -7), ("+7", 7), ("1e3", 1000.0), ("0.10", 0.1), (".5", 0.5),
        ("1.", 1.0), ("true", True), ("False", False), ("null", None), ("~", None), ("", None), (".inf", float("inf")),
        ("-.inf", float("-inf")), ("yes", "yes"), ("off", "off"), ("2024-05-01", "2024-05-01"), ("12:30", "12:30"), ("1_000", "1_000"),
        ("'500'", "500"), ('"true"', "true"), ("''", ""), ("12345678901234567890", 12345678901234567890),
    ],
)  # fmt: skip
def test_words_of_parameters_are_those_of_yaml_1_2(written: str, meant: Any, tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_text(f"script: a.R\nparams:\n  a: {written}\narguments:\n  - {written if meant is not None else 'x'}\n")
    job = read_job(str(path))
    assert job.config.script_params == {"a": meant} and type(job.values["script_params"]["a"]) is type(meant)
    assert meant is None or job.config.arguments[0] == written.strip("'\"")
