import json

import pytest
from espalier.base.canonical import canonical_json, digest, digest_bytes
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


def test_known_digests() -> None:
    """These are ids on disk: they must never change."""
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'.encode()
    assert digest_bytes(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_order_of_keys_does_not_matter(value: dict) -> None:  # type: ignore[type-arg]
    turned = dict(reversed(list(value.items())))
    assert digest(turned) == digest(value)


@given(JSON)
def test_it_is_json(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(JSON, JSON)
def test_different_values_differ(one: object, other: object) -> None:
    if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
        assert canonical_json(one) != canonical_json(other)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_not_finite(bad: float) -> None:
    with pytest.raises(ValueError):
        canonical_json([bad])


def test_broken_unicode_has_a_digest() -> None:
    assert digest("\ud800") != digest("\ud801")
