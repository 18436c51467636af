"""Group commit: many commands in one transaction, each with its own decision.

For each command: read the answer's last event, decide, insert. A refusal is that command's alone; an error of the
database is every command's. Nobody hears of anything before the commit returned.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from qaservice.domain.idempotency import WINDOW
from qaservice.domain.recent import Decide, Recent
from qaservice.domain.recorded import Appended, Metadata, Recorded
from qaservice.stores.sqlite.events import INSERT, LAST, inserted, moment, recorded, remembering

_STORE_AND_LAST_TIME = "SELECT id, (SELECT time FROM events ORDER BY position DESC LIMIT 1) FROM store"

Outcome = Appended | Exception | None


@dataclass(slots=True)
class Command:
    """An append that waits for its turn until `deadline` (`time.monotonic`). Without a decision it only asks whether
    the log can be written."""

    key: str
    decide: Decide | None
    id: UUID
    metadata: Metadata
    deadline: float
    done: asyncio.Future[Appended | None]


def decide_and_insert(connection: sqlite3.Connection, batch: Sequence[Command]) -> list[Outcome]:
    """The outcome of each command of an open transaction. Raises sqlite3.Error."""
    store, last_time = connection.execute(_STORE_AND_LAST_TIME).fetchone()
    now = max(time.time_ns() // 1000, last_time or 0)  # recorded time never runs backwards
    store_id = UUID(store.decode())
    return [_outcome(connection, command, store_id, now) for command in batch]


def resolve(batch: Sequence[Command], outcomes: Sequence[Outcome]) -> None:
    """Give each command that somebody still waits for its outcome. To be called on the event loop."""
    for command, outcome in zip(batch, outcomes, strict=True):
        if command.done.done():
            continue
        if isinstance(outcome, Exception):
            command.done.set_exception(outcome)
        else:
            command.done.set_result(outcome)


def _outcome(connection: sqlite3.Connection, command: Command, store: UUID, now: int) -> Outcome:
    if command.decide is None or command.done.done():
        return None
    try:
        return _append(connection, command, command.decide, store, now)
    except sqlite3.Error:
        raise
    except Exception as refusal:  # noqa: BLE001  the command's own, and nothing was inserted: the others go on
        return refusal


def _append(connection: sqlite3.Connection, command: Command, decide: Decide, store: UUID, now: int) -> Appended:
    row = connection.execute(LAST, (command.key,)).fetchone()
    last = None if row is None else recorded(row)
    revision = 0 if last is None else last.revision + 1

    def remembered(idempotency_key: str) -> Iterable[Recorded]:
        before = revision - 1 - WINDOW
        for sql in remembering(before):
            yield from map(recorded, connection.execute(sql, (command.key, idempotency_key, before)))

    event = decide(Recent(last, remembered))
    if isinstance(event, Recorded):
        return Appended(event, store, replayed=True)
    row = inserted(event, revision, command.id, now, command.metadata)
    position = connection.execute(INSERT, row).lastrowid
    assert position is not None
    return Appended(Recorded(event, revision, position, command.id, moment(now), command.metadata), store)
