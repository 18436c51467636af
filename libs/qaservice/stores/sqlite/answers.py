"""The embedded read model as the projection service reads it, on the event loop."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.listing import KeyRange, Listing
from qaservice.domain.readmodel import Checkpoint, Document, Snapshot
from qaservice.domain.recorded import Position
from qaservice.stores.sqlite.checkpoint import CHECKPOINT, CHECKPOINT_COLUMNS, CHECKPOINT_WIDTH, checkpoint_of
from qaservice.stores.sqlite.reader import Reader

_MOST_CHANGES = 2_000
_SNAPSHOT = f"""
SELECT {CHECKPOINT_COLUMNS}, a.revision, a.position, a.value FROM checkpoint c LEFT JOIN answers a ON a.key = ?
"""
# One statement, so that checkpoint and answers are of one moment.
_LIST = f"""
SELECT {CHECKPOINT_COLUMNS}, a.key, a.value FROM checkpoint c
LEFT JOIN answers a ON a.key >= :first AND a.key < :beyond AND a.value IS NOT NULL
WHERE c.one = 1 ORDER BY a.key LIMIT :limit
"""
_LIST_TO_THE_END = _LIST.replace("AND a.key < :beyond ", "")
_CHANGED = f"SELECT key FROM answers WHERE position > ? LIMIT {_MOST_CHANGES + 1}"


class SqliteAnswers:
    """Point reads, and pages of a list."""

    def __init__(self, source: Path | sqlite3.Connection) -> None:
        self._reader = Reader(source, ReadModelUnavailable)

    async def get(self, key: str) -> Snapshot:
        """See Answers.get."""
        row = self._reader.row(_SNAPSHOT, (key,))
        if row is None:
            return Snapshot(None, None)
        revision, position, value = row[CHECKPOINT_WIDTH:]
        document = None if revision is None else Document(key, value, revision, position)
        return Snapshot(document, checkpoint_of(row[:CHECKPOINT_WIDTH]))

    async def page(self, keys: KeyRange, limit: int) -> Listing:
        """See Answers.page."""
        sql = _LIST_TO_THE_END if keys.beyond is None else _LIST
        asked = {"first": keys.first, "beyond": keys.beyond, "limit": limit + 1}
        rows, is_all = self._reader.page(sql, asked, limit + 1)
        if not rows:
            return Listing((), more=False, checkpoint=None)
        found = [(row[-2], row[-1]) for row in rows if row[-2] is not None]
        if not is_all:
            found.pop()
        return Listing(found, more=not is_all, checkpoint=checkpoint_of(rows[0][:CHECKPOINT_WIDTH]))

    async def changed(self, after: Position) -> Sequence[str] | None:
        """See Answers.changed."""
        rows, _ = self._reader.page(_CHANGED, (after,), _MOST_CHANGES + 1)
        return None if len(rows) > _MOST_CHANGES else [key for (key,) in rows]

    async def checkpoint(self) -> Checkpoint | None:
        """See Answers.checkpoint."""
        row = self._reader.row(CHECKPOINT)
        return None if row is None else checkpoint_of(row)

    async def close(self) -> None:
        """Close the file."""
        self._reader.close()
