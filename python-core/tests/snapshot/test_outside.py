"""Links that lead out of the folder: refused, kept, copied."""

import os

import pytest
from espalier.base.errors import EspalierError
from espalier.runner.workdir import materialise
from espalier.snapshot import outside, statcache
from espalier.snapshot.native import NativeWalk
from espalier.snapshot.take import scan_source, store_scan, take_snapshot
from espalier.store.trees import read_tree
from hanging import not_hanging


@pytest.fixture
def source(tmp_path):
    """A folder with a file and, beside it, what lies outside."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.R").write_text("1")
    return folder


@pytest.fixture
def ext(tmp_path):
    folder = tmp_path / "ext"
    (folder / "d").mkdir(parents=True)
    (folder / "x.csv").write_text("x")
    (folder / "d" / "y.sh").write_text("y")
    (folder / "d" / "y.sh").chmod(0o755)
    return folder


def found(source, how, **options):
    return scan_source(str(source), outside_links=how, **options)


def listed(source, how, **options):
    return [(e.path, e.target or e.size) for e in found(source, how, **options).files]


def refusal(source, how):
    with pytest.raises(EspalierError) as caught:
        found(source, how)
    assert caught.value.code == "source_unreadable"
    return caught.value


def test_refused_unless_told_otherwise_and_the_hint_tells_how(source, ext):
    os.symlink(ext, source / "e")
    error = refusal(source, "refuse")
    assert ": e links to " in error.message and str(ext) in error.message
    assert 'outside_links = "copy"' in error.hint and 'outside_links = "keep"' in error.hint
    assert "/e in .espalierignore" in error.hint
    with pytest.raises(EspalierError, match="outside_links must be one of refuse, keep, copy, not 'follow'") as caught:
        found(source, "follow")
    assert caught.value.code == "bad_argument"


def test_kept_as_they_are_with_a_note_about_those_that_lead_astray(paths, source, ext, tmp_path):
    os.symlink(ext, source / "abs")
    os.symlink("../ext/x.csv", source / "rel")
    os.symlink("/nowhere", source / "gone")
    snapshot = take_snapshot(paths, str(source), outside_links="keep")
    (note,) = snapshot.excluded_notes
    assert note == "Links that lead elsewhere from the job's own copy of the folder: rel (to ../ext/x.csv)."
    materialise(paths.root, snapshot.id, str(tmp_path / "copy"))
    assert {name: os.readlink(tmp_path / "copy" / name) for name in ("abs", "rel", "gone")} == {
        "abs": str(ext), "rel": "../ext/x.csv", "gone": "/nowhere",
    }  # fmt: skip
    os.symlink(b"\xff", os.fsencode(source) + b"/raw")
    assert "not UTF-8" in refusal(source, "keep").message


def test_copied_as_if_it_lay_there(paths, source, ext, tmp_path, scanner):
    os.symlink(ext, source / "e")
    os.symlink("../ext/x.csv", source / "f")
    os.symlink("a.R", source / "inside")
    os.symlink("d/y.sh", ext / "own")
    scan = found(source, "copy")
    assert isinstance(scan.walked, NativeWalk) == (scanner == "native")
    assert [(e.path, e.kind, e.target, e.origin) for e in scan.files] == [
        ("a.R", "file", "", ""),
        ("e/d/y.sh", "file", "", str(ext / "d" / "y.sh")),
        ("e/own", "link", "d/y.sh", ""),
        ("e/x.csv", "file", "", str(ext / "x.csv")),
        ("f", "file", "", str(ext / "x.csv")),
        ("inside", "link", "a.R", ""),
    ]
    snapshot = store_scan(paths, scan)
    plain = tmp_path / "plain"
    (plain / "e" / "d").mkdir(parents=True)
    for path, text in (("a.R", "1"), ("e/x.csv", "x"), ("e/d/y.sh", "y"), ("f", "x")):
        (plain / path).write_text(text)
    (plain / "e" / "d" / "y.sh").chmod(0o755)
    os.symlink("d/y.sh", plain / "e" / "own")
    os.symlink("a.R", plain / "inside")
    assert take_snapshot(paths, str(plain)).id == snapshot.id  # the id is of the content alone
    materialise(paths.root, snapshot.id, str(tmp_path / "copy"))
    (tmp_path / "copy" / "e" / "x.csv").write_text("the job's")
    assert (ext / "x.csv").read_text() == "x"


def test_many_and_large_files_are_copied(paths, source, ext):
    for number in range(200):
        (ext / f"{number}.txt").write_text(f"number {number}")
    (ext / "large").write_bytes(os.urandom(9 << 20))
    os.symlink(ext / "large", source / "large")
    os.symlink(ext, source / "e")
    snapshot = take_snapshot(paths, str(source), outside_links="copy")
    sizes = {path: size for path, _, _, size in read_tree(paths, snapshot.id)["entries"]}
    assert len(sizes) == 205 and sizes["large"] == sizes["e/large"] == 9 << 20 and sizes["e/7.txt"] == 8


def test_what_has_not_changed_is_not_read_again_and_what_has_is(paths, source, ext, monkeypatch):
    monkeypatch.setattr(statcache, "RACY_NS", -(10**15))
    os.symlink(ext, source / "e")
    os.symlink(ext / "x.csv", source / "f")
    first = take_snapshot(paths, str(source), outside_links="copy")
    with monkeypatch.context() as patched:
        patched.setattr("espalier.snapshot.take.ObjectWriter", None)
        assert take_snapshot(paths, str(source), outside_links="copy") == first
    (ext / "x.csv").write_text("longer")
    second = take_snapshot(paths, str(source), outside_links="copy")
    assert second.bytes == first.bytes + 10
    (source / "f").unlink()
    os.symlink(ext / "d" / "y.sh", source / "f")
    assert ["f", "x"] in [entry[:2] for entry in read_tree(paths, take_snapshot(paths, str(source), outside_links="copy").id)["entries"]]
    kept = take_snapshot(paths, str(source), outside_links="keep")
    assert [entry[:2] for entry in read_tree(paths, kept.id)["entries"]] == [["a.R", "f"], ["e", "l"], ["f", "l"]]


def test_the_rules_are_about_where_it_would_lie(source, ext, tmp_path):
    (source / ".gitignore").write_text("*.csv\n/e/d/\n/v/\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    for name, target in (("e", ext), ("v", ext), ("env", tmp_path / "venv"), ("t", ext / "x.csv")):
        os.symlink(target, source / name)
    (ext / "z").write_text("z")
    scan = found(source, "copy")
    assert [e.path for e in scan.files] == [".gitignore", "a.R", "e/z", "t"]
    assert [(e.path, e.is_dir, e.decision.rule) for e in scan.excluded] == [
        ("e/d", True, "/e/d/"),
        ("e/x.csv", False, "*.csv"),
        ("env", True, "a folder with pyvenv.cfg"),
        ("v", True, "/v/"),
    ]


def test_secrets_are_known_by_the_names_they_have(paths, source, ext):
    for name in (".Renviron", "id_rsa", "cert.pem"):
        (ext / name).write_text("secret")
    os.symlink(ext / ".Renviron", source / "settings")
    os.symlink(ext, source / "e")
    snapshot = take_snapshot(paths, str(source), outside_links="copy")
    assert [entry[0] for entry in read_tree(paths, snapshot.id)["entries"]] == ["a.R", "e/d/y.sh", "e/x.csv"]
    (note,) = snapshot.excluded_notes
    assert "e/.Renviron, e/cert.pem, e/id_rsa, settings." in note
    (source / ".gitignore").write_text("!/settings\n")
    assert ("settings", 6) in listed(source, "copy")
    (source / ".gitignore").unlink()
    assert ("settings", 6) in listed(source, "copy", default_excludes=False)


def test_loops_are_refused_by_name(source, ext):
    os.symlink(source, ext / "back")
    os.symlink(ext, source / "e")
    error = refusal(source, "copy")
    assert ": e/back links to " in error.message and "in which the link itself lies" in error.message
    (ext / "back").unlink()
    os.symlink(os.path.join(str(source), "..", "source"), source / "self")
    assert refusal(source, "copy").message.find(": self links to ") > 0
    (source / "self").unlink()
    os.symlink("..", source / "up")
    assert refusal(source, "copy").message.find(": up links to ..,") > 0
    (source / "up").unlink()
    os.symlink("/", source / "root")
    assert refusal(source, "copy").message.find(": root links to /,") > 0


@pytest.mark.parametrize("target", ["/nowhere/at/all", "../source/a.R/x", "../ring", "/dev/null"])
def test_what_leads_to_nothing_that_can_be_copied_is_refused(source, target):
    os.symlink("ring", source.parent / "ring")
    os.symlink(target, source / "l")
    error = refusal(source, "copy")
    assert ": l links to " in error.message and target in error.message and "can't be copied" in error.message
    assert "/l in .espalierignore" in error.hint


def test_a_folder_that_cannot_be_opened(source, ext, as_user, scanner):
    os.symlink(ext, source / "e")
    ext.chmod(0)
    code = (
        "import sys; from espalier.snapshot.take import scan_source\nfrom espalier.base.errors import EspalierError\n"
        "try: scan_source(sys.argv[1], outside_links='copy')\nexcept EspalierError as error: print(error.message)"
    )
    try:
        assert "can't be opened: Permission denied" in as_user(code, str(source))
    finally:
        ext.chmod(0o755)


def test_folders_that_link_to_each_other_end_in_bounded_time(source, tmp_path, monkeypatch):
    monkeypatch.setattr(outside, "_MOST_COPIES", 20)
    for number in range(12):
        (tmp_path / "web" / str(number)).mkdir(parents=True)
    for one in range(12):
        for other in range(12):
            if one != other:
                os.symlink(tmp_path / "web" / str(other), tmp_path / "web" / str(one) / f"to{other}")
    os.symlink(tmp_path / "web" / "0", source / "e")
    with not_hanging():
        refusal(source, "copy")


def test_a_chain_of_folders_is_followed(source, tmp_path):
    for number in range(60):
        (tmp_path / f"c{number}").mkdir()
        (tmp_path / f"c{number}" / "f").write_text("f")
        os.symlink(tmp_path / f"c{number + 1}", tmp_path / f"c{number}" / "n")
    (tmp_path / "c60").mkdir()
    os.symlink(tmp_path / "c0", source / "n")
    assert len(listed(source, "copy")) == 61


@pytest.mark.parametrize("change", ["gone", "link"])
def test_what_is_replaced_between_walk_and_reading_is_never_followed(paths, source, ext, change):
    os.symlink(ext / "d" / "y.sh", source / "f")
    scan = found(source, "copy")
    os.rename(ext / "d", ext / "old")
    if change == "link":
        os.symlink("old", ext / "d")
    with pytest.raises(EspalierError) as caught:
        store_scan(paths, scan)
    assert caught.value.code == "source_changed"


@pytest.mark.parametrize("outside_links", ["refuse", "keep", "copy"])
def test_a_job_submits_its_own_working_copy(tmp_path, outside_links):
    source = tmp_path / "run" / "work"
    source.mkdir(parents=True)
    (source / "a.R").write_text("1")
    for name in ("outputs", "logs"):
        (source / name).mkdir()
        (source / name / "large").write_text("x")
    scanned = found(source, outside_links)
    assert [entry.path for entry in scanned.files] == ["a.R"]
    assert sorted(item.path for item in scanned.excluded) == ["logs", "outputs"]
