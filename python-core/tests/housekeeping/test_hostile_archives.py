"""Archives made to do harm, or changed: each is refused, and nothing is imported."""

import hashlib
import io
import json
import os
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from espalier import EspalierError, ScriptRunConfig, Workspace
from espalier.housekeeping import archive_file

DATE = (1980, 1, 1, 0, 0, 0)


@pytest.fixture
def other(home):
    return Workspace.create("other", str(home))


@pytest.fixture
def exported(workspace, experiment, project, ended, tmp_path):
    """The entries of an archive of one run, by name; and its id."""
    (project / "a.sh").write_text("echo 1 > outputs/one\n")
    run = experiment.submit(ScriptRunConfig(source_directory=str(project), command="sh a.sh", outputs={"o": "outputs/one"}))
    ended(run)
    file = tmp_path / "good.zip"
    workspace.housekeeping.export_runs([run.id], str(file))
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}, run.id


def packed(entries, path, infos=None):
    """A zip file of entries; `infos` has those for which the name isn't enough."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr((infos or {}).get(name) or zipfile.ZipInfo(name, DATE), data, zipfile.ZIP_DEFLATED)
    return str(path)


def listed(entries, run_id, **files):
    """The entries with further files of the run, or changed ones, in the manifest too."""
    entries = dict(entries)
    manifest = json.loads(entries.pop("manifest.json"))
    for name, data in files.items():
        entries[f"runs/{run_id}/{name}"] = data
        manifest["runs"][run_id]["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return {**entries, "manifest.json": json.dumps(manifest).encode()}


def changed(entries, run_id, record, change):
    """The entries with a record of the run changed, and the manifest that agrees with that."""
    content = json.loads(entries[f"runs/{run_id}/{record}"])
    change(content)
    return listed(entries, run_id, **{record: json.dumps(content).encode()})


def refused(other, file, words, code="archive_invalid"):
    before = contents(other)
    with pytest.raises(EspalierError) as caught:
        other.housekeeping.import_runs(file)
    assert caught.value.code == code and words in str(caught.value), str(caught.value)
    assert file in caught.value.message and len(str(caught.value)) < 900
    assert contents(other) == before


def contents(workspace):
    """The files of a workspace but for what is stored and garbage, and what lies beside it."""
    found = [path for path in Path(workspace.path).rglob("*") if "snapshots" not in path.parts and not path.is_dir()]
    beside = [*Path(workspace.path).parent.iterdir(), *Path(workspace.path).parent.parent.iterdir()]
    return sorted((str(path), path.lstat().st_size) for path in found), sorted(map(str, beside))


def test_what_is_packed_again_is_taken(other, exported, tmp_path):
    """(else the others would be refused for another reason than theirs)"""
    entries, run_id = exported
    more = listed(entries, run_id, **{"outputs/more": b"more"})
    assert other.housekeeping.import_runs(packed(more, tmp_path / "a.zip")).columns["run_id"] == [run_id]


@pytest.mark.parametrize(
    "name",
    [
        "../outside", "../../outside", "/absolute", "runs/../../outside", "runs/RUN/../../../outside", "//x/y", "C:/windows",
        "runs/RUN/outputs/../../../x", "runs/RUN/outputs//x", "runs/RUN/./outputs/x", "runs/RUN/outputs\\..\\..\\x", "",
        "runs/RUN/outputs/", "runs/RUN/env.json", "runs/RUN/.job/x", "runs/RUN/requests/r-1-00000000-0.json", "keyvault.json",
        "workspace.json", "runs/RUN/requests/x", "snapshots/blobs/aa/x", "objects/../x", "objects/xyz",
    ],
)  # fmt: skip
@pytest.mark.parametrize("in_manifest", [False, True])
def test_names_that_lead_elsewhere(other, exported, tmp_path, name, in_manifest):
    entries, run_id = exported
    name = name.replace("RUN", run_id)
    if in_manifest:
        manifest = json.loads(entries["manifest.json"])
        inside = name.replace(f"runs/{run_id}/", "")
        manifest["runs"][run_id]["files"][inside] = {"size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
        entries = {**entries, "manifest.json": json.dumps(manifest).encode()}
    refused(other, packed({**entries, name: b"x"}, tmp_path / "a.zip"), "Can't import")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
def test_links_devices_and_folders(other, exported, tmp_path, kind):
    entries, run_id = exported
    info = zipfile.ZipInfo(f"runs/{run_id}/outputs/one", DATE)
    info.external_attr, info.create_system = (kind | 0o777) << 16, 3
    refused(other, packed(entries, tmp_path / "a.zip", {info.filename: info}), "isn't a plain file")


def test_a_mode_by_which_a_program_runs_as_its_owner_is_not_taken(other, exported, tmp_path):
    entries, run_id = exported
    info = zipfile.ZipInfo(f"runs/{run_id}/outputs/one", DATE)
    info.external_attr, info.create_system = (stat.S_IFREG | 0o6777) << 16, 3
    other.housekeeping.import_runs(packed(entries, tmp_path / "a.zip", {info.filename: info}))
    assert stat.S_IMODE(os.stat(Path(other.runs.get(run_id).run_dir, "outputs", "one")).st_mode) == 0o644


@pytest.mark.parametrize("twin", ["outputs/one", "outputs/ONE", "outputs/one/below", "OUTPUTS/one"])
def test_names_that_are_there_twice_or_differ_in_case(other, exported, tmp_path, twin):
    entries, run_id = exported
    path = tmp_path / "a.zip"
    more = entries if twin == "outputs/one" else listed(entries, run_id, **{twin: b"x"})
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning) if twin == "outputs/one" else _nothing():
        for name, data in more.items():
            archive.writestr(name, data)
        if twin == "outputs/one":
            archive.writestr(f"runs/{run_id}/{twin}", b"x")
    refused(other, str(path), "can't lie side by side")


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_accents_that_are_written_in_two_ways(other, exported, tmp_path):
    entries, run_id = exported
    more = listed(entries, run_id, **{"outputs/\u00e9": b"x", "outputs/e\u0301": b"y"})
    refused(other, packed(more, tmp_path / "a.zip"), "can't lie side by side")


def test_encrypted_members(other, exported, tmp_path):
    path = Path(packed(exported[0], tmp_path / "a.zip"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refused(other, str(path), "is encrypted")


def test_other_ways_of_compression(other, exported, tmp_path):
    entries, run_id = exported
    name = f"runs/{run_id}/outputs/one"
    info = zipfile.ZipInfo(name, DATE)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in entries.items():
            archive.writestr(info if each == name else each, data, zipfile.ZIP_LZMA if each == name else None)
    refused(other, str(path), "compressed")


def test_bombs_by_size(other, exported, tmp_path, monkeypatch):
    entries, run_id = exported
    monkeypatch.setattr(archive_file, "_ALWAYS_BYTES", 1 << 20)
    more = listed(entries, run_id, **{"outputs/zeros": bytes(20 << 20)})
    file = packed(more, tmp_path / "a.zip")
    assert os.path.getsize(file) < 100_000
    refused(other, file, "max_size")
    with pytest.raises(EspalierError):
        other.housekeeping.import_runs(file, max_size="10 MB")
    other.housekeeping.import_runs(file, max_size="100 MB")


def test_bombs_that_are_larger_than_they_say(other, exported, tmp_path):
    """The sizes of both lists are those of the manifest; what is unpacked is more."""
    entries, run_id = exported
    name = f"runs/{run_id}/outputs/zeros"
    manifest = json.loads(entries["manifest.json"])
    manifest["runs"][run_id]["files"]["outputs/zeros"] = {"size": 5, "sha256": hashlib.sha256(bytes(5)).hexdigest()}
    path = Path(packed({**entries, name: bytes(20 << 20), "manifest.json": json.dumps(manifest).encode()}, tmp_path / "a.zip"))
    data = bytearray(path.read_bytes())
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    struct.pack_into("<L", data, at + 24, 5)
    path.write_bytes(data)
    refused(other, str(path), "")
    assert not list(Path(other.path, "runs").glob("*/*"))


def test_bombs_by_count(other, exported, tmp_path, monkeypatch):
    entries, run_id = exported
    monkeypatch.setattr(archive_file, "MOST_ENTRIES", 50)
    more = listed(entries, run_id, **{f"outputs/{number}": b"" for number in range(60)})
    refused(other, packed(more, tmp_path / "a.zip"), "more than 50 files")


def test_a_list_that_would_fill_the_memory(other, exported, tmp_path):
    path = Path(packed(exported[0], tmp_path / "a.zip"))
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    data[:0] = bytes(80 << 20)  # (before it: a list may begin anywhere)
    struct.pack_into("<L", data, (80 << 20) + end + 12, 70 << 20)
    path.write_bytes(data)
    refused(other, str(path), "")


@pytest.mark.parametrize("name", ["x" * 256, "/".join(["x" * 200] * 11), "ü" * 128, "/".join("x" * 32_000)])
def test_names_that_are_too_long(other, exported, tmp_path, name):
    entries, run_id = exported
    refused(other, packed(listed(entries, run_id, **{f"outputs/{name}": b""}), tmp_path / "a.zip"), "longer than names")


def peak_of(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_names_of_many_folders_take_little_memory(other, exported, tmp_path, monkeypatch):
    entries, run_id = exported
    more = {f"runs/{run_id}/outputs/{'/'.join([str(number)] * 300)}": b"" for number in range(100)}
    file = packed({**entries, **more}, tmp_path / "a.zip")
    assert peak_of(lambda: refused(other, file, "as the manifest lists it")) < 20_000_000
    monkeypatch.setattr(archive_file, "_MOST_NAMES", 10_000)
    refused(other, file, "files and folders")


def test_a_list_of_too_many_files_is_not_read(other, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_file, "MOST_ENTRIES", 1000)
    file = packed({**exported[0], **{f"a/{number}": b"" for number in range(20_000)}}, tmp_path / "a.zip")
    assert peak_of(lambda: refused(other, file, "more than 1,000 files")) < 4_000_000


def test_a_manifest_of_more_than_its_files(other, exported, tmp_path):
    entries, _ = exported
    manifest = {**json.loads(entries["manifest.json"]), "more": "x" * (20 << 20)}
    file = packed({**entries, "manifest.json": json.dumps(manifest).encode()}, tmp_path / "a.zip")
    assert peak_of(lambda: refused(other, file, "manifest.json is larger")) < 4_000_000


@pytest.mark.parametrize("record", ["meta.json", "spec.json", "status.json"])
def test_records_of_many_lists(other, exported, tmp_path, record):
    entries, run_id = exported
    data = entries[f"runs/{run_id}/{record}"].rstrip().rstrip(b"}") + b', "x": [[]' + b",[]" * (4 << 20) + b"]}"
    file = packed(listed(entries, run_id, **{record: data}), tmp_path / "a.zip")
    assert peak_of(lambda: refused(other, file, "lists and objects")) < 60_000_000


def test_records_are_not_held_in_memory(other, exported, tmp_path):
    entries, run_id = exported
    fewer = json.loads(entries.pop("manifest.json"))
    one = {name: data for name, data in entries.items() if name.startswith("runs/")}
    files = fewer["runs"].pop(run_id)["files"]
    for number in range(6):
        other_id = f"{run_id[:-8]}{number:08d}"
        meta = json.dumps({**json.loads(one[f"runs/{run_id}/meta.json"]), "x": [[]] * 50_000}).encode()
        spec = json.dumps({**json.loads(one[f"runs/{run_id}/spec.json"]), "id": other_id}).encode()
        content = {**one, f"runs/{run_id}/meta.json": meta, f"runs/{run_id}/spec.json": spec}
        entries.update({name.replace(run_id, other_id): data for name, data in content.items()})
        digests = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in (("meta.json", meta), ("spec.json", spec))
        }
        fewer["runs"][other_id] = {"files": {**files, **digests}}
    entries = {name: data for name, data in entries.items() if run_id not in name}
    file = packed({**entries, "manifest.json": json.dumps(fewer).encode()}, tmp_path / "a.zip")
    assert peak_of(lambda: other.housekeeping.import_runs(file)) < 20_000_000
    assert len(other.runs.list()) == 6


@pytest.mark.parametrize(
    "make",
    [
        lambda data: b"", lambda data: b"PK", lambda data: b"x" * 10_000, lambda data: data[: len(data) // 2],
        lambda data: data[:-30], lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03"),
        lambda data: data.replace(b"PK\x03\x04", b"PK\x03\x05"),
    ],
)  # fmt: skip
def test_what_is_no_zip_file(other, exported, tmp_path, make):
    path = Path(packed(exported[0], tmp_path / "a.zip"))
    path.write_bytes(make(path.read_bytes()))
    refused(other, str(path), "Can't import")


def test_a_changed_byte_anywhere(other, exported, tmp_path):
    """It is refused, or the run is what it was: some bytes of a zip file mean nothing."""
    path = Path(packed(exported[0], tmp_path / "a.zip"))
    good = path.read_bytes()
    for at in range(0, len(good), 29):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            other.housekeeping.import_runs(str(path))
        except EspalierError as error:
            assert error.code == "archive_invalid", (at, error)
            assert not list(Path(other.path, "runs").glob("*/*")), at
        else:
            assert other.runs.get(exported[1]).get_status() == "Completed" and len(other.verify()) == 0
            other.housekeeping.delete_runs([exported[1]])


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest, run: manifest.pop("runs"),
        lambda manifest, run: manifest.pop("objects"),
        lambda manifest, run: manifest.update(runs=[]),
        lambda manifest, run: manifest.update(format="1"),
        lambda manifest, run: manifest.update(workspace_id="../x"),
        lambda manifest, run: manifest.update(workspace_id=5),
        lambda manifest, run: manifest["runs"].update({"../x": {"files": {}}}),
        lambda manifest, run: manifest["runs"].update({"e_1_abcdef01": {"files": {}}}),
        lambda manifest, run: manifest["runs"][run]["files"].pop("outputs/one"),
        lambda manifest, run: manifest["runs"][run]["files"].pop("spec.json"),
        lambda manifest, run: manifest["runs"][run]["files"]["outputs/one"].update(size=3),
        lambda manifest, run: manifest["runs"][run]["files"]["outputs/one"].update(size=-1),
        lambda manifest, run: manifest["runs"][run]["files"]["outputs/one"].update(size=True),
        lambda manifest, run: manifest["runs"][run]["files"]["outputs/one"].update(sha256="0" * 64),
        lambda manifest, run: manifest["runs"][run]["files"]["outputs/one"].update(sha256="x"),
        lambda manifest, run: manifest["runs"][run]["files"].update({"outputs/two": {"size": 0, "sha256": "0" * 64}}),
        lambda manifest, run: manifest["objects"].update({"0" * 64: 1}),
        lambda manifest, run: manifest["objects"].update({"x": 1}),
        lambda manifest, run: manifest["objects"].clear(),
    ],
)
def test_a_manifest_that_does_not_agree(other, exported, tmp_path, change):
    entries, run_id = exported
    manifest = json.loads(entries["manifest.json"])
    change(manifest, run_id)
    refused(other, packed({**entries, "manifest.json": json.dumps(manifest).encode()}, tmp_path / "a.zip"), "Can't import")


def test_manifests_that_are_none(other, exported, tmp_path):
    entries, _ = exported
    for data in (b"", b"[]", b"{", b"[" * 100_000, b'{"format": 1}', b"\xff"):
        refused(other, packed({**entries, "manifest.json": data}, tmp_path / "a.zip"), "Can't import")
    newer = packed({**entries, "manifest.json": b'{"format": 2}'}, tmp_path / "a.zip")
    refused(other, newer, "newer", code="newer_format")
    refused(other, packed({"a": b"1"}, tmp_path / "a.zip"), "isn't an export")


@pytest.mark.parametrize(
    ("record", "change", "words"),
    [
        ("spec.json", lambda spec: spec.update(id="e_1_abcdef01"), "names itself"),
        ("spec.json", lambda spec: spec.update(experiment="../x"), "names itself"),
        ("spec.json", lambda spec: spec.update(parent="../../x"), "can't be one"),
        ("spec.json", lambda spec: spec.update(depends_on=["../x"]), "can't be one"),
        ("spec.json", lambda spec: spec["outputs"][0].update(path="../../../other/keyvault.json"), "isn't its own"),
        ("spec.json", lambda spec: spec["outputs"][0].update(path="/etc/passwd"), "isn't its own"),
        ("spec.json", lambda spec: spec["outputs"][0].update(path="env.json"), "isn't its own"),
        ("spec.json", lambda spec: spec.update(snapshot={"id": "sha256:" + "0" * 64}), "isn't whole"),
        ("spec.json", lambda spec: spec.update(snapshot={"id": "../../x"}), "can't be one"),
        ("spec.json", lambda spec: spec.update(format="x"), "can't be read"),
        ("status.json", lambda status: status.update(state="Running"), "hasn't ended"),
        ("status.json", lambda status: status.update(state=["Completed"]), "hasn't ended"),
        ("status.json", lambda status: status.update(scratch={"path": "/home", "directory": ""}), "another host"),
        ("status.json", lambda status: status.update(pid=1), "another host"),
        ("status.json", lambda status: status.update(collect_from="/etc"), "another host"),
        ("status.json", lambda status: status.update(logs={"../../../etc/passwd": {"bytes": 1}}), "isn't its own"),
        ("meta.json", lambda meta: meta.update(tags=[1]), "can't be read"),
        ("meta.json", lambda meta: meta.pop("format"), "can't be read"),
        ("meta.json", lambda meta: meta.update(tags={"a": ["b"]}), "can't be read"),
        ("meta.json", lambda meta: meta.update(properties={"a": 1}), "can't be read"),
        ("meta.json", lambda meta: meta.update(archived_at=5), "can't be read"),
        ("status.json", lambda status: status.update(ended_at=[1]), "can't be read"),
        ("status.json", lambda status: status.update(exit_code="0"), "can't be read"),
        ("spec.json", lambda spec: spec.update(reuse_key=[1]), "can't be read"),
    ],
)
def test_records_that_name_what_is_not_the_runs(other, exported, tmp_path, record, change, words):
    entries, run_id = exported
    refused(other, packed(changed(entries, run_id, record, change), tmp_path / "a.zip"), words)


def test_a_newer_run_and_entries_of_children(other, exported, tmp_path):
    entries, run_id = exported
    newer = changed(entries, run_id, "spec.json", lambda spec: spec.update(format=99))
    with pytest.raises(EspalierError) as caught:
        other.housekeeping.import_runs(packed(newer, tmp_path / "a.zip"))
    assert caught.value.code == "newer_format"
    for name, data in (("children/x", b""), ("children/e_1_abcdef01", b"x")):
        refused(other, packed(listed(entries, run_id, **{name: data}), tmp_path / "a.zip"), "can't be one")


def test_a_snapshot_whose_files_would_lead_outside(other, exported, tmp_path):
    entries, run_id = exported
    tree = json.dumps({"entries": [["../../x", "f", hashlib.sha256(b"x").hexdigest(), 1]], "format": 2}).encode()
    digest = hashlib.sha256(tree).hexdigest()
    more = changed(entries, run_id, "spec.json", lambda spec: spec["snapshot"].update(id="sha256:" + digest))
    manifest = json.loads(more.pop("manifest.json"))
    for data in (tree, b"x"):
        more["objects/" + hashlib.sha256(data).hexdigest()] = data
        manifest["objects"][hashlib.sha256(data).hexdigest()] = len(data)
    refused(other, packed({**more, "manifest.json": json.dumps(manifest).encode()}, tmp_path / "a.zip"), "isn't whole")
    assert len(other.snapshots.collect_garbage(dry_run=False)) > 0  # (what was stored is garbage, and can be collected)


def test_what_is_no_file(other, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, code in (("missing", "path_missing"), ("folder", "system_failed"), ("pipe", "system_failed")):
        with pytest.raises(EspalierError) as caught:
            other.housekeeping.import_runs(str(tmp_path / name))
        assert caught.value.code in (code, "archive_invalid")


def test_two_entries_that_share_their_bytes(other, exported, tmp_path):
    """A zip file in which one piece is listed many times unpacks to far more than it holds."""
    entries, run_id = exported
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in listed(entries, run_id, **{"outputs/a": b"x" * 5000, "outputs/b": b"x" * 5000}).items():
            archive.writestr(name, data)
        first = archive.getinfo(f"runs/{run_id}/outputs/a").header_offset
    data = bytearray(buffer.getvalue())
    at = data.rindex(f"runs/{run_id}/outputs/b".encode()) - 46
    struct.pack_into("<L", data, at + 42, first)
    (tmp_path / "a.zip").write_bytes(data)
    refused(other, str(tmp_path / "a.zip"), "can't be read")


def test_an_entry_that_lies_before_the_file(other, exported, tmp_path):
    """(there the system refuses to read, which is no failure of the disk)"""
    path = Path(packed(exported[0], tmp_path / "a.zip"))
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<L", data, end + 16, struct.unpack_from("<L", data, end + 16)[0] + 100_000)
    path.write_bytes(data)
    refused(other, str(path), "can't be read")
