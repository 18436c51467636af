"""The embedded read model as the projector writes it: documents and checkpoint in one SQLite file, or in memory, and
changed in one transaction."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.stores.checkpoint_row import row_of
from qaservice.stores.sqlite.answers import SqliteAnswers
from qaservice.stores.sqlite.checkpoint import stored_checkpoint
from qaservice.stores.sqlite.file import in_words, open_for_writing, open_in_memory, patiently
from qaservice.stores.sqlite.handle import Handle
from qaservice.stores.sqlite.same_folder import InSameFolder

T = TypeVar("T")

# NOTE: stored. The checkpoint is one row, or none before the first build. WITHOUT ROWID: answers stand in the order of
# their keys, so that a page of a list is a few pages of the file, however many answers there are.
_SCHEMA = """
CREATE TABLE answers(
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    position INTEGER NOT NULL,
    build INTEGER NOT NULL,
    value TEXT
) WITHOUT ROWID;
CREATE INDEX answers_by_position ON answers(position);
CREATE TABLE checkpoint(
    one INTEGER PRIMARY KEY CHECK(one = 1),
    store TEXT NOT NULL,
    build INTEGER NOT NULL,
    position INTEGER NOT NULL,
    event_position INTEGER,
    event_id TEXT,
    target INTEGER,
    confirmed TEXT
)
"""
_UPSERT = """
INSERT INTO answers(key, revision, position, build, value) VALUES(?, ?, ?, ?, ?)
ON CONFLICT(key) DO UPDATE
SET revision = excluded.revision, position = excluded.position, build = excluded.build, value = excluded.value
WHERE (build, revision) < (excluded.build, excluded.revision)
"""
_BEGIN_BUILD = """
REPLACE INTO checkpoint VALUES(1, :store, :build, :position, :event_position, :event_id, :target, :confirmed)
"""
# Another projector may have completed the build. `confirmed` may go back: a clock that was ahead once would otherwise
# make the lag 0 until it is as late again.
_MOVE_UP = """
UPDATE checkpoint SET position = :position, event_position = :event_position, event_id = :event_id,
    target = CASE WHEN target IS NULL THEN NULL ELSE :target END,
    confirmed = coalesce(:confirmed, confirmed)
WHERE build = :build AND position <= :position
"""
_DROP_OTHER_BUILDS = "DELETE FROM answers WHERE build <> ?"


class SqliteReadModel:
    """A file is written in a thread, one batch at a time."""

    def __init__(self, path: Path | None, timeout: float) -> None:
        """`path` None: in memory. `timeout` in seconds bounds the waiting for another writer."""
        self._path = path
        self._timeout = timeout
        self._source: sqlite3.Connection | Handle
        if path is None:
            self._source = open_in_memory(_SCHEMA)
        else:
            # NORMAL: a power cut may take the last batches, but documents and checkpoint together.
            opened = partial(open_for_writing, path, _SCHEMA, synchronous="NORMAL")
            self._source = Handle(path, InSameFolder(path, opened), writes=True)
        self._thread = ThreadPoolExecutor(1, "read-model-writer")
        self._closing = threading.Event()

    async def checkpoint(self) -> Checkpoint | None:
        """See ReadModel.checkpoint."""
        return await self._written(stored_checkpoint)

    async def begin(self, checkpoint: Checkpoint) -> bool:
        """See ReadModel.begin."""

        def step(connection: sqlite3.Connection) -> bool:
            stored = stored_checkpoint(connection)
            if stored is not None and stored.build >= checkpoint.build:
                return False
            connection.execute(_BEGIN_BUILD, row_of(checkpoint))
            return True

        return await self._written(step)

    async def apply(self, documents: Sequence[Document], checkpoint: Checkpoint) -> bool:
        """See ReadModel.apply."""
        rows = [(d.key, d.revision, d.position, checkpoint.build, d.value) for d in documents]

        def step(connection: sqlite3.Connection) -> bool:
            stored = stored_checkpoint(connection)
            if stored is None or stored.build != checkpoint.build:
                return False
            connection.executemany(_UPSERT, rows)
            if stored.target is not None and checkpoint.target is None:
                connection.execute(_DROP_OTHER_BUILDS, (checkpoint.build,))
            connection.execute(_MOVE_UP, row_of(checkpoint))
            return True

        return await self._written(step)

    def answers(self) -> SqliteAnswers:
        """The reading side of a read model in memory."""
        assert isinstance(self._source, sqlite3.Connection)
        return SqliteAnswers(self._source)

    async def close(self) -> None:
        """Finish the batch under way and close the file; a batch that waits for another writer fails instead, since a
        process that is told to stop has no time for it, and it can be repeated."""
        self._closing.set()
        await asyncio.to_thread(self._thread.shutdown)
        self._source.close()

    async def _written(self, step: Callable[[sqlite3.Connection], T]) -> T:
        if self._path is None:
            return self._transaction(step)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, step)

    def _transaction(self, step: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with patiently(self._begun, time.monotonic() + self._timeout, self._closing.is_set) as connection:
                return step(connection)
        except sqlite3.Error as error:
            if isinstance(self._source, Handle):
                self._source.drop()
            raise ReadModelUnavailable(in_words(self._path, error)) from error

    def _begun(self) -> sqlite3.Connection:
        connection = self._source.current() if isinstance(self._source, Handle) else self._source
        connection.execute("BEGIN IMMEDIATE")
        return connection
