from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaservice.domain.errors import InputNotValid
from qaservice.domain.tokens import Token, parse_token

POSITIONS = st.integers(min_value=-1, max_value=2**63 - 1)


@given(st.uuids(), POSITIONS)
def test_a_token_comes_back_as_it_was(store: UUID, position: int) -> None:
    assert parse_token(str(Token(store, position))) == Token(store, position)


@given(st.uuids(), POSITIONS)
def test_a_token_needs_no_escaping_in_a_header_or_a_query(store: UUID, position: int) -> None:
    assert str(Token(store, position)).replace("-", "").replace("_", "").isalnum()


@given(st.text())
def test_text_that_is_no_token_is_refused_and_nothing_worse(text: str) -> None:
    with suppress(InputNotValid):
        assert str(parse_token(text)) == text


@pytest.mark.parametrize(
    "spoil", [lambda t: t + "=", lambda t: t[:-1], lambda t: "B" + t[1:], lambda t: " " + t, lambda t: t * 9]
)
def test_a_spoilt_token_is_refused(spoil) -> None:
    token = str(Token(uuid4(), 2**40))
    with pytest.raises(InputNotValid):
        parse_token(spoil(token))
