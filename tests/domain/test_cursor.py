from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaservice.domain.cursor import Cursor, parse_cursor
from qaservice.domain.errors import InputNotValid
from qaservice.domain.tokens import Token

NUMBERS = st.integers(min_value=-1, max_value=2**63 - 1)


@given(st.uuids(), NUMBERS, NUMBERS)
def test_a_cursor_comes_back_as_it_was(store: UUID, position: int, revision: int) -> None:
    assert parse_cursor(str(Cursor(store, position, revision))) == Cursor(store, position, revision)


@given(st.uuids(), NUMBERS, NUMBERS)
def test_a_cursor_needs_no_escaping_in_a_header_or_a_query(store: UUID, position: int, revision: int) -> None:
    assert str(Cursor(store, position, revision)).replace("-", "").replace("_", "").isalnum()


@given(st.text())
def test_text_that_is_no_cursor_is_refused_and_nothing_worse(text: str) -> None:
    with suppress(InputNotValid):
        assert str(parse_cursor(text)) == text


@pytest.mark.parametrize(
    "spoil", [lambda t: t + "=", lambda t: t[:-1], lambda t: "B" + t[1:], lambda t: " " + t, lambda t: t * 9]
)
def test_a_spoilt_cursor_is_refused(spoil) -> None:
    with pytest.raises(InputNotValid):
        parse_cursor(spoil(str(Cursor(uuid4(), 2**40, 3))))


def test_a_consistency_token_is_no_cursor() -> None:
    with pytest.raises(InputNotValid):
        parse_cursor(str(Token(uuid4(), 2**40)))


def test_a_cursor_counts_only_in_its_own_log_and_up_to_its_end() -> None:
    cursor = Cursor(uuid4(), 7, 0)
    cursor.require(cursor.store, 7)
    with pytest.raises(InputNotValid, match="another store"):
        cursor.require(uuid4(), 7)
    with pytest.raises(InputNotValid, match="past the end"):
        cursor.require(cursor.store, 6)
