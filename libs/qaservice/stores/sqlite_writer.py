"""Group commit: all waiting commands in one transaction, each with its own decision.

For each command: read the answer's last event, decide, insert. A refusal is that command's alone; an error of the
database is every command's. Nobody hears of anything before the commit returned.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from uuid import UUID

from qaservice.domain.answers import Event
from qaservice.domain.codec import type_of, value_of
from qaservice.domain.errors import LogUnavailable, OutcomeUnknown
from qaservice.domain.recorded import Metadata, Recent, Recorded
from qaservice.stores.sqlite_events import LAST, moment, recorded, schema
from qaservice.stores.sqlite_file import Inode, in_words, inode_of, open_for_writing, patiently

_LAST_TIME = "SELECT time FROM events ORDER BY position DESC LIMIT 1"
_INSERT = "INSERT INTO events(key, revision, id, time, type, metadata, value) VALUES(?, ?, ?, ?, ?, ?, ?)"
_LARGEST_BATCH = 512

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


class ThreadWriter:
    """Writes a file in a thread, which opens it when the first command comes and anew after every failure."""

    def __init__(self, path: Path, committed: Callable[[], None], committed_in_thread: Callable[[], None]) -> None:
        self._path = path
        self._committed = committed
        self._committed_in_thread = committed_in_thread
        self._commands: SimpleQueue[Command | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode: Inode | None = None

    def submit(self, command: Command) -> None:
        """Hand over a command; its future gets the outcome on its own event loop."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log-writer", daemon=True)
            self._thread.start()
        self._commands.put(command)

    def close(self) -> None:
        """Write what is waiting, then stop. Blocks until done."""
        if self._thread is not None:
            self._commands.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (first := self._commands.get()) is not None:
            batch = self._with_all_that_wait(first)
            outcomes = self._write(batch)
            batch[0].done.get_loop().call_soon_threadsafe(self._tell, batch, outcomes)
            self._committed_in_thread()
        self._disconnect()

    def _with_all_that_wait(self, first: Command) -> list[Command]:
        batch = [first]
        try:
            while len(batch) < _LARGEST_BATCH:
                command = self._commands.get_nowait()
                if command is None:
                    self._commands.put(None)  # closing: after this batch
                    break
                batch.append(command)
        except Empty:
            pass
        return batch

    def _tell(self, batch: Sequence[Command], outcomes: Sequence[Outcome]) -> None:
        resolve(batch, outcomes)
        self._committed()

    def _write(self, batch: Sequence[Command]) -> Sequence[Outcome]:
        try:
            connection = patiently(self._begun, batch[0].deadline)
            outcomes = decide_and_insert(connection, batch)
        except sqlite3.Error as error:
            self._disconnect()
            return [LogUnavailable(in_words(self._path, error))] * len(batch)
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._disconnect()
            return [OutcomeUnknown(in_words(self._path, error))] * len(batch)
        return outcomes

    def _begun(self) -> sqlite3.Connection:
        if self._connection is not None and inode_of(self._path) != self._inode:
            self._disconnect()  # the file was replaced: what went to the old one would be lost
        if self._connection is None:
            self._connection = open_for_writing(self._path, schema(), synchronous="FULL")
            self._inode = inode_of(self._path)
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class LoopWriter:
    """Writes a database in memory: each batch whole, on the event loop, without a thread."""

    def __init__(self, connection: sqlite3.Connection, committed: Callable[[], None]) -> None:
        self._connection = connection
        self._committed = committed
        self._waiting: list[Command] = []

    def submit(self, command: Command) -> None:
        """Hand over a command; it is written before the event loop's next turn ends."""
        if not self._waiting:
            command.done.get_loop().call_soon(self._write)
        self._waiting.append(command)

    def close(self) -> None:
        """Drop the database."""
        self._connection.close()

    def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            with self._connection:
                self._connection.execute("BEGIN")
                outcomes: Sequence[Outcome] = decide_and_insert(self._connection, batch)
        except sqlite3.Error as error:
            outcomes = [LogUnavailable(in_words(None, error))] * len(batch)
        resolve(batch, outcomes)
        self._committed()


def decide_and_insert(connection: sqlite3.Connection, batch: Sequence[Command]) -> list[Outcome]:
    """The outcome of each command of an open transaction. Raises sqlite3.Error."""
    row = connection.execute(_LAST_TIME).fetchone()
    now = max(time.time_ns() // 1000, row[0] if row else 0)  # recorded time never runs backwards
    return [_outcome(connection, command, now) for command in batch]


def _outcome(connection: sqlite3.Connection, command: Command, now: int) -> Outcome:
    if command.decide is None or command.done.done():
        return None
    row = connection.execute(LAST, (command.key,)).fetchone()
    try:
        last = None if row is None else recorded(row)
        event = command.decide(Recent(last))
    except Exception as refusal:  # the command's own; the others of the batch go on
        return refusal
    revision = 0 if last is None else last.revision + 1
    metadata = json.dumps(command.metadata) if command.metadata else None
    values = (command.key, revision, command.id.bytes, now, type_of(event), metadata, value_of(event))
    position = connection.execute(_INSERT, values).lastrowid
    assert position is not None
    return Recorded(event, revision, position, command.id, moment(now), command.metadata)


def resolve(batch: Sequence[Command], outcomes: Sequence[Outcome]) -> None:
    """Tell each command that is still waited for its outcome; on the event loop."""
    for command, outcome in zip(batch, outcomes, strict=True):
        if command.done.done():
            continue
        if isinstance(outcome, Exception):
            command.done.set_exception(outcome)
        else:
            command.done.set_result(outcome)
