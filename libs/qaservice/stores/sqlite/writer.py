"""Who runs the group commits: a thread for a file, the event loop for a database in memory."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from qaservice.domain.errors import LogUnavailable, OutcomeUnknown
from qaservice.stores.sqlite.commit import Command, Outcome, decide_and_insert, resolve
from qaservice.stores.sqlite.events import open_log
from qaservice.stores.sqlite.file import in_words, patiently
from qaservice.stores.sqlite.handle import Handle
from qaservice.stores.sqlite.same_folder import InSameFolder

_LARGEST_BATCH = 512


class ThreadWriter:
    """Writes a file in a thread, which opens it when the first command comes and anew after every failure.

    The thread outlives whatever goes wrong: each command gets its outcome.
    """

    def __init__(
        self,
        path: Path,
        *,
        opened: Callable[[], None],
        committed: Callable[[], None],
        committed_in_thread: Callable[[], None],
    ) -> None:
        """Called after each batch, none may raise: on the event loop `opened`, only where the file was opened for the
        batch and before its commands get their outcomes, then `committed`; in the thread `committed_in_thread`."""
        self._path = path
        self._told_of_opening = opened
        self._committed = committed
        self._committed_in_thread = committed_in_thread
        self._commands: SimpleQueue[Command | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False
        self._handle = Handle(path, InSameFolder(path, partial(open_log, path)), writes=True)
        self._openings_told = 0

    def submit(self, command: Command) -> None:
        """Hand over a command; its future gets the outcome on its own event loop. Raises LogUnavailable."""
        if self._closed:
            raise LogUnavailable(f"{self._path} was closed")
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log-writer", daemon=True)
            self._thread.start()
        self._commands.put(command)

    async def close(self) -> None:
        """Write what is waiting, then stop."""
        self._closed = True
        if self._thread is not None:
            self._commands.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._commands.get()) is not None:
            batch = self._with_all_that_wait(first)
            outcomes = self._write(batch)
            try:
                first.done.get_loop().call_soon_threadsafe(self._tell, batch, outcomes)
            except RuntimeError:
                break  # the event loop is closed: nobody waits any more
            self._committed_in_thread()
        self._handle.close()

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
        if self._openings_told != self._handle.openings:
            self._openings_told = self._handle.openings
            self._told_of_opening()
        resolve(batch, outcomes)
        self._committed()

    def _write(self, batch: Sequence[Command]) -> Sequence[Outcome]:
        unclear = False
        try:
            connection = patiently(self._begun, batch[0].deadline)
            outcomes = decide_and_insert(connection, batch)
            unclear = True
            connection.execute("COMMIT")
            if not self._handle.look():
                self._handle.leave()
                raise sqlite3.OperationalError("the file was deleted or replaced while it was being written")
        except Exception as error:  # noqa: BLE001  the thread goes on, each command hears of it
            self._handle.drop()
            kind = OutcomeUnknown if unclear else LogUnavailable
            return [kind(in_words(self._path, error)) for _ in batch]
        return outcomes

    def _begun(self) -> sqlite3.Connection:
        connection = self._handle.current()
        connection.execute("BEGIN IMMEDIATE")
        return connection


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

    async def close(self) -> None:
        """Write what is waiting, then drop the database."""
        self._write()
        self._connection.close()

    def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        outcomes: Sequence[Outcome]
        try:
            with self._connection:
                self._connection.execute("BEGIN")
                outcomes = decide_and_insert(self._connection, batch)
        except Exception as error:  # noqa: BLE001  each command hears of it
            outcomes = [LogUnavailable(in_words(None, error)) for _ in batch]
        resolve(batch, outcomes)
        self._committed()
