"""Stored names and bytes. NOTE: what stands here is what the logs hold; a change makes stored events unreadable."""

import json
from collections.abc import Iterable
from urllib.parse import quote, unquote

from qaservice.domain.answers import AnswerCreated, AnswerDeleted, AnswerUpdated, Event

CREATED = "AnswerCreatedEvent"
UPDATED = "AnswerUpdatedEvent"
DELETED = "AnswerDeletedEvent"

_NAMES: dict[type[Event], str] = {AnswerCreated: CREATED, AnswerUpdated: UPDATED, AnswerDeleted: DELETED}

_string = json.encoder.encode_basestring


def type_of(event: Event) -> str:
    """The stored name of the event's type."""
    return _NAMES[type(event)]


def value_of(event: Event) -> str:
    """The event's value; a delete has none and gives the empty text."""
    return "" if isinstance(event, AnswerDeleted) else event.value


def event_of(type_: str, key: str, value: str | None) -> Event:
    """The event stored under the name `type_`. Raises ValueError where no such event can have been stored."""
    if not key:
        raise ValueError(f"{type_} without a key")
    if type_ == CREATED and value:
        return AnswerCreated(key, value)
    if type_ == UPDATED and value:
        return AnswerUpdated(key, value)
    if type_ == DELETED:
        return AnswerDeleted(key)
    raise ValueError(f"{type_} without a value" if type_ in (CREATED, UPDATED) else f"unknown event type {type_!r}")


def answer_json(key: str, value: str) -> str:
    """`{"key":…,"value":…}` as compact JSON."""
    return f'{{"key":{_string(key)},"value":{_string(value)}}}'


def answers_json(answers: Iterable[tuple[str, str]]) -> str:
    """`[{"key":…,"value":…},…]` as compact JSON: `answer_json` of each, without a call for each."""
    return "[" + ",".join([f'{{"key":{_string(key)},"value":{_string(value)}}}' for key, value in answers]) + "]"


def event_json(event: Event) -> str:
    """`{"type":…,"data":{"key":…,"value":…}}` as compact JSON: an event as clients see it."""
    return f'{{"type":"{type_of(event)}","data":{answer_json(event.key, value_of(event))}}}'


def encode(event: Event) -> tuple[str, bytes]:
    """Type name and data for a log that stores bytes."""
    return type_of(event), answer_json(event.key, value_of(event)).encode()


def decode(type_: str, data: bytes) -> Event:
    """The inverse of `encode`. Raises ValueError."""
    try:
        fields = json.loads(data.decode())
    except RecursionError:
        raise ValueError("the data is nested too deep") from None
    match fields:
        case {"key": str(key), "value": str(value)}:
            (key + value).encode()  # JSON's escapes allow lone surrogates; a UnicodeEncodeError is a ValueError
            return event_of(type_, key, value)
        case _:
            raise ValueError("the data is not an object with the texts key and value")


def stream_name(prefix: str, key: str) -> str:
    """The stream of an answer, for a log that has named streams."""
    return prefix + quote(key, safe="")


def key_of_stream(prefix: str, stream: str) -> str:
    """The inverse of `stream_name`. Raises ValueError for a stream that is not an answer's."""
    key = unquote(stream.removeprefix(prefix), errors="strict")
    if not key or stream_name(prefix, key) != stream:
        raise ValueError(f"stream {stream!r} is not {prefix!r} and a percent-encoded key")
    return key
