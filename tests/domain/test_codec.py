"""Stored names and bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaservice.domain.answers import AnswerCreated, AnswerDeleted, AnswerUpdated, Event
from qaservice.domain.codec import (
    answer_json,
    decode,
    encode,
    event_json,
    event_of,
    key_of_stream,
    stream_name,
    type_of,
    value_of,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
EVENTS = st.one_of(
    st.builds(AnswerCreated, TEXT, TEXT), st.builds(AnswerUpdated, TEXT, TEXT), st.builds(AnswerDeleted, TEXT)
)
PREFIX = "qaservice.answer-"


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (AnswerCreated("name", "john"), "AnswerCreatedEvent"),
        (AnswerUpdated("name", "john"), "AnswerUpdatedEvent"),
        (AnswerDeleted("name"), "AnswerDeletedEvent"),
    ],
)
def test_the_stored_names_are_a_contract(event: Event, name: str) -> None:
    value = "" if isinstance(event, AnswerDeleted) else "john"
    assert encode(event) == (name, b'{"key":"name","value":"%s"}' % value.encode())
    assert event_json(event) == f'{{"type":"{name}","data":{{"key":"name","value":"{value}"}}}}'


@given(EVENTS)
def test_every_event_survives_its_bytes(event: Event) -> None:
    assert decode(*encode(event)) == event


@given(EVENTS)
def test_every_event_survives_its_columns(event: Event) -> None:
    assert event_of(type_of(event), event.key, value_of(event)) == event


@given(TEXT, TEXT)
def test_an_answer_is_the_json_of_its_key_and_value(key: str, value: str) -> None:
    compact = json.dumps({"key": key, "value": value}, ensure_ascii=False, separators=(",", ":"))
    assert answer_json(key, value) == compact


@given(TEXT)
def test_every_key_survives_its_streams_name(key: str) -> None:
    stream = stream_name(PREFIX, key)
    assert stream.isascii()
    assert stream.startswith(PREFIX)
    assert key_of_stream(PREFIX, stream) == key


@given(TEXT, TEXT)
def test_two_keys_have_two_streams(one: str, other: str) -> None:
    assert (stream_name(PREFIX, one) == stream_name(PREFIX, other)) == (one == other)


@pytest.mark.parametrize(
    "stream", ["other-name", PREFIX, PREFIX + "%ff", PREFIX + "a b", PREFIX + "%61", PREFIX + "%c3%a9", PREFIX + "%zz"]
)
def test_a_stream_that_no_key_has_is_not_an_answers(stream: str) -> None:
    with pytest.raises(ValueError, match=r"stream|decode"):
        key_of_stream(PREFIX, stream)


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("AnswerMovedEvent", b'{"key":"name","value":"john"}'),
        ("AnswerCreatedEvent", b'{"key":"name","value":""}'),
        ("AnswerUpdatedEvent", b'{"key":"name","value":""}'),
        ("AnswerCreatedEvent", b'{"key":"","value":"john"}'),
        ("AnswerDeletedEvent", b'{"key":"","value":""}'),
        ("AnswerCreatedEvent", b'{"key":"name"}'),
        ("AnswerCreatedEvent", b'{"key":1,"value":"john"}'),
        ("AnswerCreatedEvent", b'{"key":"name","value":null}'),
        ("AnswerCreatedEvent", b'["name","john"]'),
        ("AnswerCreatedEvent", b'{"key":"name","value":"\\ud800"}'),
        ("AnswerCreatedEvent", b'{"key":"\\udfff","value":"john"}'),
        ("AnswerCreatedEvent", b'{"key":"name","value":"\xed\xa0\x80"}'),
        ("AnswerCreatedEvent", b'{"key":"name","value":"\xff"}'),
        ("AnswerCreatedEvent", b"[" * 100_000),
        ("AnswerCreatedEvent", b""),
    ],
)
def test_what_is_not_an_event_of_ours_is_a_value_error(type_: str, data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the callers care for the type alone
        decode(type_, data)


@pytest.mark.parametrize("type_", ["AnswerCreatedEvent", "AnswerUpdatedEvent"])
def test_a_stored_value_is_never_missing(type_: str) -> None:
    with pytest.raises(ValueError, match="without a value"):
        event_of(type_, "name", None)


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(ValueError, match="unknown event type 'AnswerMovedEvent'"):
        event_of("AnswerMovedEvent", "name", "")
