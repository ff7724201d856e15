import pytest
from espalier_bridge.arrow import build, export, layout


def test_metadata_comes_back_whatever_its_letters() -> None:
    import ctypes

    pairs = {"espalier.r": "0 0 raw", "ä": "é\n", "": ""}
    data = ctypes.create_string_buffer(layout.write_metadata(pairs))
    assert layout.read_metadata(ctypes.addressof(data)) == pairs
    assert layout.read_metadata(0) == {}


def test_a_struct_is_moved_once() -> None:
    struct = export.export_array(build.doubles([1.0]))
    mine = layout.moved_array(struct.address)
    assert mine.live and not struct.live
    with pytest.raises(ValueError, match="released or handed over before"):
        layout.moved_array(struct.address)


def test_dropping_a_struct_releases_it() -> None:
    struct = export.export_array(build.doubles([1.0]))
    mine = layout.moved_array(struct.address)
    assert export.pending() == 1
    del struct
    assert export.pending() == 1
    del mine
    assert export.pending() == 0
