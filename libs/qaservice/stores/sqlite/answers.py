"""The embedded read model: documents and checkpoint in one SQLite file, or in memory, changed in one transaction."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint, Document, Snapshot
from qaservice.domain.recorded import Position
from qaservice.stores.sqlite.file import in_words, open_for_writing, open_in_memory, patiently
from qaservice.stores.sqlite.handle import Handle
from qaservice.stores.sqlite.reader import Reader

T = TypeVar("T")

_MOST_CHANGES = 2_000

# NOTE: stored. The checkpoint is one row, or none before the first build.
_SCHEMA = """
CREATE TABLE answers(
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    position INTEGER NOT NULL,
    build INTEGER NOT NULL,
    value TEXT
);
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
_CHECKPOINT_COLUMNS = "c.store, c.build, c.position, c.event_position, c.event_id, c.target, c.confirmed"
_CHECKPOINT = f"SELECT {_CHECKPOINT_COLUMNS} FROM checkpoint c"
_SNAPSHOT = f"""
SELECT {_CHECKPOINT_COLUMNS}, a.revision, a.position, a.value FROM checkpoint c LEFT JOIN answers a ON a.key = ?
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
# Another projector may have completed the build, or confirmed it later.
_MOVE_UP = """
UPDATE checkpoint SET position = :position, event_position = :event_position, event_id = :event_id,
    target = CASE WHEN target IS NULL THEN NULL ELSE :target END,
    confirmed = coalesce(max(confirmed, :confirmed), confirmed, :confirmed)
WHERE build = :build AND position <= :position
"""
_CHANGED = f"SELECT key FROM answers WHERE position > ? LIMIT {_MOST_CHANGES + 1}"
_DROP_OTHER_BUILDS = "DELETE FROM answers WHERE build <> ?"


class SqliteReadModel:
    """The side that the projector writes. A file is written in a thread, one batch at a time."""

    def __init__(self, path: Path | None, timeout: float) -> None:
        """`path` None: in memory. `timeout` in seconds bounds the waiting for another writer."""
        self._path = path
        self._timeout = timeout
        # NORMAL: a power cut may take the last batches, but documents and checkpoint together.
        self._source = (
            open_in_memory(_SCHEMA)
            if path is None
            else Handle(path, partial(open_for_writing, path, _SCHEMA, synchronous="NORMAL"))
        )
        self._thread = ThreadPoolExecutor(1, "read-model-writer")

    async def checkpoint(self) -> Checkpoint | None:
        """See ReadModel.checkpoint."""
        return await self._written(_stored_checkpoint)

    async def begin(self, checkpoint: Checkpoint) -> bool:
        """See ReadModel.begin."""

        def step(connection: sqlite3.Connection) -> bool:
            stored = _stored_checkpoint(connection)
            if stored is not None and stored.build >= checkpoint.build:
                return False
            connection.execute(_BEGIN_BUILD, _row_of(checkpoint))
            return True

        return await self._written(step)

    async def apply(self, documents: Sequence[Document], checkpoint: Checkpoint) -> bool:
        """See ReadModel.apply."""
        rows = [(d.key, d.revision, d.position, checkpoint.build, d.value) for d in documents]

        def step(connection: sqlite3.Connection) -> bool:
            stored = _stored_checkpoint(connection)
            if stored is None or stored.build != checkpoint.build:
                return False
            connection.executemany(_UPSERT, rows)
            if stored.target is not None and checkpoint.target is None:
                connection.execute(_DROP_OTHER_BUILDS, (checkpoint.build,))
            connection.execute(_MOVE_UP, _row_of(checkpoint))
            return True

        return await self._written(step)

    def answers(self) -> "SqliteAnswers":
        """The reading side of a read model in memory."""
        assert isinstance(self._source, sqlite3.Connection)
        return SqliteAnswers(self._source)

    async def close(self) -> None:
        """Finish the batch under way and close the file."""
        await asyncio.to_thread(self._thread.shutdown)
        self._source.close()

    async def _written(self, step: Callable[[sqlite3.Connection], T]) -> T:
        if self._path is None:
            return self._transaction(step)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, step)

    def _transaction(self, step: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with patiently(self._begun, time.monotonic() + self._timeout) as connection:
                return step(connection)
        except sqlite3.Error as error:
            if isinstance(self._source, Handle):
                self._source.close()
            raise ReadModelUnavailable(in_words(self._path, error)) from error

    def _begun(self) -> sqlite3.Connection:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _connection(self) -> sqlite3.Connection:
        if not isinstance(self._source, Handle):
            return self._source
        if not self._source.look():
            self._source.leave(writes=True)
        return self._source.connection()


class SqliteAnswers:
    """The side that the projection service reads, on the event loop."""

    def __init__(self, source: Path | sqlite3.Connection) -> None:
        self._reader = Reader(source, ReadModelUnavailable)

    async def get(self, key: str) -> Snapshot:
        """See Answers.get."""
        row = self._reader.row(_SNAPSHOT, (key,))
        if row is None:
            return Snapshot(None, None)
        revision, position, value = row[7:]
        document = None if revision is None else Document(key, value, revision, position)
        return Snapshot(document, _checkpoint_of(row[:7]))

    async def changed(self, after: Position) -> Sequence[str] | None:
        """See Answers.changed."""
        rows, _ = self._reader.page(_CHANGED, (after,), _MOST_CHANGES + 1)
        return None if len(rows) > _MOST_CHANGES else [key for (key,) in rows]

    async def checkpoint(self) -> Checkpoint | None:
        """See Answers.checkpoint."""
        row = self._reader.row(_CHECKPOINT)
        return None if row is None else _checkpoint_of(row)

    async def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _stored_checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    row = connection.execute(_CHECKPOINT).fetchone()
    return None if row is None else _checkpoint_of(row)


def _row_of(checkpoint: Checkpoint) -> dict[str, Any]:
    confirmed = checkpoint.confirmed
    return {
        "store": str(checkpoint.store),
        "build": checkpoint.build,
        "position": checkpoint.position,
        "event_position": checkpoint.event_position,
        "event_id": checkpoint.event_id and str(checkpoint.event_id),
        "target": checkpoint.target,
        "confirmed": confirmed and confirmed.isoformat(timespec="microseconds"),  # so that text compares as time
    }


@lru_cache(maxsize=8)  # most reads find the checkpoint that the one before has found
def _checkpoint_of(row: tuple[Any, ...]) -> Checkpoint:
    store, build, position, event_position, event_id, target, confirmed = row
    return Checkpoint(
        store=UUID(store),
        build=build,
        position=position,
        event_position=event_position,
        event_id=event_id and UUID(event_id),
        target=target,
        confirmed=confirmed and datetime.fromisoformat(confirmed),
    )
