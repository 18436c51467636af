"""Group commit: many commands in one transaction, each with its own decision.

For each command: read the answer's last event, decide, insert. A refusal is that command's alone; an error of the
database is every command's. Nobody hears of anything before the commit returned.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from qaservice.domain.answers import Event
from qaservice.domain.codec import type_of, value_of
from qaservice.domain.recorded import Metadata, Recent, Recorded
from qaservice.stores.sqlite_events import LAST, moment, recorded

_LAST_TIME = "SELECT time FROM events ORDER BY position DESC LIMIT 1"
_INSERT = "INSERT INTO events(key, revision, id, time, type, metadata, value) VALUES(?, ?, ?, ?, ?, ?, ?)"

Outcome = Recorded | Exception | None


@dataclass(slots=True)
class Command:
    """An append that waits for its turn until `deadline` (`time.monotonic`). Without a decision it only asks whether
    the log can be written."""

    key: str
    decide: Callable[[Recent], Event] | None
    id: UUID
    metadata: Metadata
    deadline: float
    done: asyncio.Future[Recorded | None]


def decide_and_insert(connection: sqlite3.Connection, batch: Sequence[Command]) -> list[Outcome]:
    """The outcome of each command of an open transaction. Raises sqlite3.Error."""
    row = connection.execute(_LAST_TIME).fetchone()
    now = max(time.time_ns() // 1000, row[0] if row else 0)  # recorded time never runs backwards
    return [_outcome(connection, command, now) for command in batch]


def resolve(batch: Sequence[Command], outcomes: Sequence[Outcome]) -> None:
    """Tell each command that is still waited for its outcome; on the event loop."""
    for command, outcome in zip(batch, outcomes, strict=True):
        if command.done.done():
            continue
        if isinstance(outcome, Exception):
            command.done.set_exception(outcome)
        else:
            command.done.set_result(outcome)


def _outcome(connection: sqlite3.Connection, command: Command, now: int) -> Outcome:
    if command.decide is None or command.done.done():
        return None
    try:
        return _append(connection, command, command.decide, now)
    except sqlite3.Error:
        raise
    except Exception as refusal:  # noqa: BLE001  the command's own, and nothing was inserted: the others go on
        return refusal


def _append(connection: sqlite3.Connection, command: Command, decide: Callable[[Recent], Event], now: int) -> Recorded:
    row = connection.execute(LAST, (command.key,)).fetchone()
    last = None if row is None else recorded(row)
    event = decide(Recent(last))
    revision = 0 if last is None else last.revision + 1
    metadata = json.dumps(command.metadata) if command.metadata else None
    values = (command.key, revision, command.id.bytes, now, type_of(event), metadata, value_of(event))
    position = connection.execute(_INSERT, values).lastrowid
    assert position is not None
    return Recorded(event, revision, position, command.id, moment(now), command.metadata)
