"""The table of events, and its rows as events."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID, SafeUUID, uuid4

from qaservice.domain.answers import Event
from qaservice.domain.codec import event_of, type_of, value_of
from qaservice.domain.errors import UndecodableEvent
from qaservice.domain.recorded import Metadata, Recorded, Undecodable
from qaservice.stores.sqlite.file import open_for_writing

_INDEXED_FROM = 16
"""The first revision in the index by idempotency key. A new answer's events are few enough to be read one by one, and
not to be in the index spares its create, the commonest command, the writing of a page."""

# NOTE: stored. `value` stands last, so that a row's other columns are read without its overflow pages. There is no
# unique index on the id: it would cost a third of the appends, and no question is asked by it.
_TABLES = f"""
CREATE TABLE events(
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    id BLOB NOT NULL,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    metadata TEXT,
    value TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_key ON events(key, revision);
CREATE INDEX events_by_idempotency ON events(key, json_extract(metadata, '$.idempotency.key'), revision)
    WHERE json_valid(metadata) AND revision >= {_INDEXED_FROM};
CREATE TABLE store(id TEXT NOT NULL);
"""

COLUMNS = "position, key, revision, id, time, type, metadata, value"
POSITION, KEY, REVISION, ID = range(4)
"""Where these stand in a row of COLUMNS."""

_REMEMBERED = f"""
SELECT {COLUMNS} FROM events
WHERE key = ? AND json_valid(metadata) AND json_extract(metadata, '$.idempotency.key') = ? AND revision > ?
"""
_WITH_INDEX = f"{_REMEMBERED} AND revision >= {_INDEXED_FROM} ORDER BY revision DESC"
_WITHOUT_INDEX = f"{_REMEMBERED} AND revision < {_INDEXED_FROM} ORDER BY revision DESC"
INSERT = "INSERT INTO events(key, revision, id, time, type, metadata, value) VALUES(?, ?, ?, ?, ?, ?, ?)"
LAST = f"SELECT {COLUMNS} FROM events WHERE key = ? ORDER BY revision DESC LIMIT 1"

Row = Sequence[Any]

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


def schema() -> str:
    """The statements that make an empty log with a store id of its own."""
    return f"{_TABLES} INSERT INTO store VALUES('{uuid4()}');"


def open_log(path: Path) -> sqlite3.Connection:
    """A connection that may write a log, to the disk at each commit; makes the log where there is none. Raises
    sqlite3.Error."""
    # The schema anew each time: a file that takes the place of a deleted one is another log and has another store id.
    return open_for_writing(path, schema(), synchronous="FULL", text=bytes)


def inserted(event: Event, revision: int, id: UUID, microseconds: int, metadata: Metadata) -> Row:
    """An event as the parameters of INSERT."""
    data = json.dumps(metadata) if metadata else None
    return event.key, revision, id.bytes, microseconds, type_of(event), data, value_of(event)


def remembering(before: int) -> tuple[str, ...]:
    """The queries that together give an answer's events that remember an idempotency key, the last one first. Their
    parameters: the answer's key, the idempotency key, and `before`, the revision after which they look."""
    return (_WITH_INDEX, _WITHOUT_INDEX) if before < _INDEXED_FROM else (_WITH_INDEX,)


def recorded(row: Row) -> Recorded:
    """A row of COLUMNS, its texts as bytes, as an event. Raises UndecodableEvent."""
    position, key, revision, id_, microseconds, type_, metadata, value = row
    try:
        event = event_of(type_.decode(), key.decode(), value.decode())
        data = json.loads(metadata) if metadata else {}
        return Recorded(event, revision, position, _id(id_), moment(microseconds), data)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UndecodableEvent(
            f"the event at position {position} of key {_legible(key)} can't be read: {error}"
        ) from error


def recorded_or_not(row: Row) -> Recorded | Undecodable:
    """A row of COLUMNS as an event, or as the place of one that can't be read."""
    try:
        return recorded(row)
    except UndecodableEvent as error:
        return Undecodable(key=_legible(row[KEY]), position=row[POSITION], reason=str(error.__cause__))


def _id(stored: bytes) -> UUID:
    """`UUID(bytes=stored)`, for half the time: its weighing of six forms was half of what reading an event costs.
    Raises ValueError."""
    if len(stored) != 16:
        raise ValueError(f"an id of {len(stored)} bytes")
    id = UUID.__new__(UUID)
    object.__setattr__(id, "int", int.from_bytes(stored))
    object.__setattr__(id, "is_safe", SafeUUID.unknown)
    return id


def _legible(key: bytes) -> str:
    return key.decode(errors="backslashreplace")


@lru_cache(maxsize=64)
def moment(microseconds: int) -> datetime:
    """The stored form of a time is microseconds since 1970-01-01T00:00:00Z. The events of one commit have one."""
    return _ZERO + timedelta(0, 0, microseconds)


def microseconds(moment: datetime) -> int:
    """The inverse of `moment`."""
    return (moment - _ZERO) // timedelta(microseconds=1)
