"""Ranges of keys in the order of their bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaservice.domain.listing import KeyRange

KEYS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=4)
FEW = st.text("a\ud7ff\ue000\U0010ffff", max_size=3)


def is_in(keys: KeyRange, key: str) -> bool:
    return keys.first.encode() <= key.encode() and (keys.beyond is None or key.encode() < keys.beyond.encode())


@given(prefix=FEW | KEYS, key=KEYS | FEW.filter(bool))
def test_a_range_holds_the_keys_that_begin_with_its_prefix(prefix: str, key: str) -> None:
    assert is_in(KeyRange.of(prefix, None), key) == key.startswith(prefix)


@given(prefix=FEW, after=FEW | KEYS, key=FEW.filter(bool) | KEYS)
def test_a_range_holds_only_what_comes_after(prefix: str, after: str, key: str) -> None:
    is_after = key.encode() > after.encode()
    assert is_in(KeyRange.of(prefix, after), key) == (key.startswith(prefix) and is_after)


@pytest.mark.parametrize("prefix", ["", "\U0010ffff"])
def test_behind_the_last_of_all_texts_there_is_no_bound(prefix: str) -> None:
    assert KeyRange.of(prefix, None).beyond is None
