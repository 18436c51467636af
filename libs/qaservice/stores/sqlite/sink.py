"""Takes over the events of another log into a file: each batch in one transaction, all or nothing."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from qaservice.domain.errors import DoesNotFollow, LogUnavailable
from qaservice.domain.recorded import Recorded, runs_by_key
from qaservice.stores.sqlite.bell import Bell
from qaservice.stores.sqlite.events import INSERT, Row, inserted, microseconds, open_log
from qaservice.stores.sqlite.file import in_words, patiently
from qaservice.stores.sqlite.handle import Handle

_LAST_ID = "SELECT id FROM events ORDER BY position DESC LIMIT 1"
_LAST_REVISION = "SELECT max(revision) FROM events WHERE key = ?"


class SqliteSink:
    """Writes on the thread that calls it: nobody else is to be served meanwhile. Another process may have the file
    open: it sees each batch when that is committed, and what it writes itself ends the taking over."""

    disorder = 0

    def __init__(self, path: Path, timeout: float) -> None:
        """`timeout` in seconds bounds the waiting for another writer."""
        self._path = path
        self._timeout = timeout
        self._handle = Handle(path, partial(open_log, path), writes=True)
        self._bell = Bell(path.parent / "wake")

    async def open(self) -> None:
        """Make the file where there is none. Raises LogUnavailable."""
        self._translated(lambda: patiently(self._handle.connection, time.monotonic() + self._timeout))

    async def add(self, events: Sequence[Recorded], previous: Recorded | None) -> None:
        """See EventSink.add."""
        runs = runs_by_key(events)
        rows = [inserted(one.event, one.revision, one.id, microseconds(one.time), one.metadata) for one in events]
        self._translated(lambda: self._add(runs.values(), rows, previous))
        self._bell.ring_elsewhere()

    async def close(self) -> None:
        """Close the file."""
        self._handle.close()
        self._bell.close()

    def _add(self, runs: Iterable[Sequence[Recorded]], rows: Sequence[Row], previous: Recorded | None) -> None:
        with patiently(self._begun, time.monotonic() + self._timeout) as connection:
            found = connection.execute(_LAST_ID).fetchone()
            if (found and found[0]) != (previous and previous.id.bytes):
                raise DoesNotFollow(f"{self._path}: another process writes to it: stop that first")
            for run in runs:
                _check_follows(connection, run[0])
            connection.executemany(INSERT, rows)
        if not self._handle.look():
            raise sqlite3.OperationalError("the file was deleted or replaced while it was being written")

    def _begun(self) -> sqlite3.Connection:
        connection = self._handle.connection()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _translated(self, step: Callable[[], object]) -> None:
        try:
            step()
        except sqlite3.Error as error:
            raise LogUnavailable(in_words(self._path, error)) from error


def _check_follows(connection: sqlite3.Connection, event: Recorded) -> None:
    """Raises DoesNotFollow where the revision before the event's is not the last one here."""
    last = connection.execute(_LAST_REVISION, (event.event.key,)).fetchone()[0]
    if last != (event.revision - 1 if event.revision else None):
        raise DoesNotFollow(f"revision {event.revision} of {event.event.key!r} follows {last}")
