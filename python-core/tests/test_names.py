import string

import pytest
from espalier.base.errors import EspalierError
from espalier.base.names import check_label, check_name
from hypothesis import given
from hypothesis import strategies as st

FIRST = string.ascii_letters + string.digits


@given(st.text(FIRST, min_size=1, max_size=1), st.text(FIRST + "_-.", max_size=127))
def test_good_names(first: str, rest: str) -> None:
    assert check_name("workspace", first + rest) == first + rest


@pytest.mark.parametrize(
    "name",
    ["", "a" * 129, "a" * 300, ".", "..", "../x", "a/b", "a\\b", "a\n", "a b", "'", '"', "é", "😀", "-a", "_a", ".a", "a\0",
     None, 1, b"a", ["a"]],
)  # fmt: skip
def test_bad_names(name: object) -> None:
    with pytest.raises(EspalierError) as caught:
        check_name("experiment", name)
    assert caught.value.code == "bad_name"
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 150
    assert "an experiment" in caught.value.message


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=255))
def test_good_labels(name: str) -> None:
    assert check_label("metric", name) == name


@given(st.text(max_size=20), st.sampled_from("\n\t\0\x1f\x7f\x85\ud800"), st.text(max_size=20))
def test_labels_with_control_characters(before: str, bad: str, after: str) -> None:
    with pytest.raises(EspalierError):
        check_label("metric", before + bad + after)


@pytest.mark.parametrize("name", ["", "x" * 256, None, 1.5])
def test_bad_labels(name: object) -> None:
    with pytest.raises(EspalierError):
        check_label("tag", name)
