"""A backup is read only as it was written."""

import io
import json
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaservice.domain.answers import AnswerCreated, AnswerDeleted, AnswerUpdated
from qaservice.domain.recorded import START, Recorded
from services.backup.file import BadBackup, checked
from services.backup.lines import Seal, event_on, line_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
METADATA = st.dictionaries(
    st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), max_size=3
)
EVENTS = st.builds(
    Recorded,
    st.builds(AnswerCreated, TEXT, TEXT) | st.builds(AnswerUpdated, TEXT, TEXT) | st.builds(AnswerDeleted, TEXT),
    st.integers(0, 2**53),
    st.just(START),
    st.uuids(),
    st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),
    METADATA,
)
EVENT = Recorded(
    AnswerCreated("näme", "two\nlines"),
    0,
    START,
    UUID("0f0e0d0c-0b0a-4908-8706-050403020100"),
    datetime(2026, 1, 31, 12, 0, 0, 5, UTC),
    {"idempotency": {"key": "a"}},
)


def sealed(*lines: bytes) -> bytes:
    """A file of these lines."""
    data = b"".join(lines)
    return data + Seal(len(lines), sha256(data).hexdigest()).line()


def read(data: bytes) -> list[Recorded]:
    """All events of a file."""
    return list(checked(io.BytesIO(data), lambda done, whole: None).events())


def test_a_line_is_a_contract() -> None:
    assert line_of(EVENT).decode() == (
        '{"key":"näme","revision":0,"id":"0f0e0d0c-0b0a-4908-8706-050403020100","time":"2026-01-31T12:00:00.000005Z",'
        '"type":"AnswerCreatedEvent","value":"two\\nlines","metadata":{"idempotency":{"key":"a"}}}\n'
    )
    assert Seal(1, "ab").line() == b'{"count":1,"sha256":"ab"}\n'


@given(EVENTS)
def test_every_event_is_one_line_and_comes_back(event: Recorded) -> None:
    line = line_of(event)
    assert line.count(b"\n") == 1
    assert json.loads(line)["key"] == event.event.key
    assert event_on(line) == event
    assert event_on(line).time == event.time


def test_a_file_gives_its_events_in_order() -> None:
    events = [Recorded(AnswerUpdated("k", str(n)), n, START, uuid4(), EVENT.time, {}) for n in range(5)]
    assert read(sealed(*map(line_of, events))) == events
    assert read(sealed()) == []


def test_a_line_may_be_as_long_as_a_value_may_be() -> None:
    event = Recorded(AnswerUpdated("k", "x" * (65 << 20)), 0, START, uuid4(), EVENT.time, {})
    assert read(sealed(line_of(event))) == [event]


def test_a_file_that_was_cut_anywhere_is_refused() -> None:
    whole = sealed(line_of(EVENT), line_of(EVENT))
    for length in range(len(whole)):
        with pytest.raises(BadBackup):
            read(whole[:length])


def test_a_file_of_which_any_byte_was_changed_is_refused() -> None:
    whole = sealed(line_of(EVENT))
    for place in range(len(whole)):
        with pytest.raises(BadBackup):
            read(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


def test_a_file_to_which_something_was_added_is_refused() -> None:
    whole = sealed(line_of(EVENT))
    for added in (b"\n", b" ", line_of(EVENT), whole):
        with pytest.raises(BadBackup):
            read(whole + added)


@pytest.mark.parametrize(
    "change",
    [
        {"revision": -1},
        {"revision": "0"},
        {"revision": True},
        {"id": "no uuid"},
        {"time": "yesterday"},
        {"type": "Other"},
        {"key": ""},
        {"value": ""},
        {"value": "\ud800"},
        {"metadata": []},
        {"more": 1},
    ],
)
def test_a_line_that_is_no_event_is_named(change: dict[str, object]) -> None:
    line = json.dumps(json.loads(line_of(EVENT)) | change).encode() + b"\n"
    with pytest.raises(BadBackup, match=r"^line 2 is not an event: "):
        read(sealed(line_of(EVENT), line))
