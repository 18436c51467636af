"""The embedded read model as the projection service reads it, on the event loop."""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.listing import KeyRange, Listing
from qaservice.domain.readmodel import Checkpoint, Document, Snapshot
from qaservice.domain.recorded import Position
from qaservice.stores.checkpoint_row import checkpoint_of
from qaservice.stores.sqlite.checkpoint import CHECKPOINT, CHECKPOINT_COLUMNS, CHECKPOINT_WIDTH
from qaservice.stores.sqlite.reader import PAGE_BYTES, Reader, Row

_MOST_CHANGES = 2_000
_STRETCH = 500  # rows
_SNAPSHOT = f"""
SELECT {CHECKPOINT_COLUMNS}, a.revision, a.position, a.value FROM checkpoint c LEFT JOIN answers a ON a.key = ?
"""
# Deleted answers are read too and left out afterwards: left out by SQL, a million in a row would be one step that
# nobody can interrupt.
_LIST_TO_THE_END = "SELECT key, value FROM answers WHERE key >= :first ORDER BY key"
_LIST = _LIST_TO_THE_END.replace(":first", ":first AND key < :beyond")
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
        found: list[tuple[str, str]] = []
        first, most = keys.first, limit + 1
        checkpoint: Checkpoint | None = None
        while True:
            row, (rows, is_all) = self._reader.row_and_page(
                CHECKPOINT, sql, {"first": first, "beyond": keys.beyond}, most
            )
            checkpoint = _same_build(checkpoint, row)
            found += [(key, value) for key, value in rows if value is not None]
            if len(found) > limit or (len(found) > 1 and not is_all and _is_large(found)):
                return Listing(found[: min(limit, len(found) - 1)], True, checkpoint)  # the last one proves `more`
            if is_all:
                return Listing(found, False, checkpoint)
            first, most = f"{rows[-1][0]}\0", _STRETCH
            await asyncio.sleep(0)  # others take their turn

    async def changed(self, since: Checkpoint) -> Sequence[str] | None:
        """See Answers.changed."""
        rows, complete = self._reader.page(_CHANGED, (since.position,), _MOST_CHANGES + 1)
        return [key for (key,) in rows] if complete else None

    async def progress(self, keys: Iterable[str]) -> tuple[Checkpoint | None, Mapping[str, Position]]:
        """See Answers.progress. Documents and checkpoint change in one transaction."""
        return await self.checkpoint(), {}

    async def checkpoint(self) -> Checkpoint | None:
        """See Answers.checkpoint."""
        row = self._reader.row(CHECKPOINT)
        return None if row is None else checkpoint_of(row)

    async def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _is_large(answers: Sequence[tuple[str, str]]) -> bool:
    return sum(len(value) for _, value in answers) > PAGE_BYTES


def _same_build(before: Checkpoint | None, row: Row | None) -> Checkpoint | None:
    """The checkpoint of a page's first stretch. Raises ReadModelUnavailable where a later one is of another build: what
    that has not reached yet would be missing."""
    now = None if row is None else checkpoint_of(row)
    if before is None:
        return now
    if now is None or (now.store, now.build, now.target) != (before.store, before.build, before.target):
        raise ReadModelUnavailable("the read model was begun anew meanwhile")
    return before
