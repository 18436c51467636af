"""Our events as EventStoreDB's: one stream for each answer, one event in each append."""

import json
from collections.abc import Mapping
from uuid import UUID

from esdbclient import NewEvent, RecordedEvent

from qaservice.domain.answers import Event
from qaservice.domain.codec import decode, encode, key_of_stream, stream_name
from qaservice.domain.errors import UndecodableEvent
from qaservice.domain.recorded import Recorded, Undecodable
from qaservice.domain.times import parse_time, time_text

# NOTE: stored. The stream whose first event's id is the log's store id; one for each prefix.
_STORE_STREAMS = "qaservice.store-"
STORE_TYPE = "StoreCreated"

# NOTE: stored. The member of an event's metadata that tells when it was recorded, where the server does not know.
_TIME = "time"


def checked_prefix(prefix: str) -> str:
    """`prefix` if streams of answers may begin with it: not the server's own, and not those of the store id.

    Raises ValueError.
    """
    if not prefix or prefix.startswith("$"):
        raise ValueError(f"streams can't begin with {prefix!r}: give a text that does not begin with '$'")
    if prefix.startswith(_STORE_STREAMS) or _STORE_STREAMS.startswith(prefix):
        raise ValueError(f"streams can't begin with {prefix!r}: that would mix them with those of {_STORE_STREAMS!r}")
    return prefix


def store_stream(prefix: str) -> str:
    """The stream that holds the store id of the answers under `prefix`."""
    return _STORE_STREAMS + prefix


def new_event(event: Event, id: UUID, metadata: Mapping[str, object]) -> NewEvent:
    """An event to be appended; made once, so that every try carries the same id."""
    type_, data = encode(event)
    return NewEvent(type=type_, data=data, metadata=json.dumps(metadata).encode() if metadata else b"", id=id)


def brought_over(recorded: Recorded) -> NewEvent:
    """An event of another log, to be appended with the time at which it was recorded there."""
    return new_event(recorded.event, recorded.id, {**recorded.metadata, _TIME: time_text(recorded.time)})


def recorded(prefix: str, event: RecordedEvent) -> Recorded:
    """A stored event of ours. Raises UndecodableEvent."""
    try:
        ours = decode(event.type, event.data)
        if stream_name(prefix, ours.key) != event.stream_name:
            raise ValueError(f"the key in the data, {ours.key!r}, is not the stream's")
        if event.recorded_at is None:
            raise ValueError("it has no time")
        metadata = json.loads(event.metadata) if event.metadata else {}
        if not isinstance(metadata, dict):
            raise ValueError("the metadata is not an object")  # noqa: TRY004  caught below
        # What was brought over from another log was recorded there.
        time = parse_time(str(metadata.pop(_TIME))) if _TIME in metadata else event.recorded_at
        return Recorded(ours, event.stream_position, position_of(event), event.id, time, metadata)
    except (ValueError, RecursionError) as error:
        place = f"event {event.stream_position} of stream {event.stream_name!r}"
        raise UndecodableEvent(f"{place} can't be read: {error}") from error


def recorded_or_not(prefix: str, event: RecordedEvent) -> Recorded | Undecodable:
    """A stored event of ours, or the place of one that can't be read."""
    try:
        return recorded(prefix, event)
    except UndecodableEvent as error:
        return Undecodable(_key_or_stream(prefix, event.stream_name), position_of(event), str(error.__cause__))


def position_of(event: RecordedEvent) -> int:
    """The event's place in the whole log. Servers before 22.10 told none in some reads; we ask for later ones."""
    assert event.commit_position is not None
    return event.commit_position


def _key_or_stream(prefix: str, stream: str) -> str:
    try:
        return key_of_stream(prefix, stream)
    except ValueError:
        return stream
