"""The embedded log as its followers read it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

from qaservice.domain.errors import LogReplaced, LogUnavailable
from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import START, Batch, Position
from qaservice.stores.sqlite.bell import Bell
from qaservice.stores.sqlite.events import COLUMNS, ID, POSITION, recorded_or_not
from qaservice.stores.sqlite.reader import Reader
from qaservice.stores.sqlite.store_id import store_id

_FEED = f"SELECT {COLUMNS} FROM events WHERE position > ? ORDER BY position"
_END = "SELECT max(position) FROM events"
_ID_AT = "SELECT id FROM events WHERE position = ?"
_FEED_PAGE = 500
_LOOK_AGAIN_AFTER = 1.0  # seconds


class SqliteFeed:
    """The events of a log in commit order, for any number of followers."""

    def __init__(self, reader: Reader, bell: Bell) -> None:
        self._reader = reader
        self._bell = bell

    @classmethod
    def of_file(cls, path: Path) -> "SqliteFeed":
        """The feed of a log that another process writes."""
        return cls(Reader(path, LogUnavailable, text=bytes), Bell(path.parent / "wake"))

    async def store_id(self) -> UUID:
        """See EventFeed.store_id."""
        return store_id(self._reader)

    async def end(self) -> Position:
        """See EventFeed.end."""
        row = self._reader.row(_END)
        return START if row is None or row[0] is None else row[0]

    async def now(self) -> Position:
        """See EventFeed.now."""
        return await self.end()

    async def holds(self, checkpoint: Checkpoint) -> bool:
        """See EventFeed.holds."""
        if checkpoint.event_position is None or checkpoint.event_id is None:
            return checkpoint.position <= await self.end()
        return self._id_at(checkpoint.event_position) == checkpoint.event_id.bytes

    async def follow(self, after: Position) -> AsyncGenerator[Batch]:
        """See EventFeed.follow."""
        replacements = self._reader.replacements
        last_id = self._id_at(after)
        while True:
            heard = self._bell.rings
            rows, complete = self._reader.page(_FEED, (after,), _FEED_PAGE)
            if self._reader.replacements != replacements:
                raise LogReplaced("the log's file is another one than before")
            if self._id_at(after) != last_id:  # as when a backup was restored into the open file
                raise LogReplaced(f"the log no longer holds the event at position {after}")
            if rows:
                after, last_id = rows[-1][POSITION], rows[-1][ID]
            yield Batch([recorded_or_not(row) for row in rows], after, at_end=complete)
            if complete:
                await self._bell.wait(_LOOK_AGAIN_AFTER, heard)

    async def close(self) -> None:
        """Stop listening, close the file."""
        self._bell.close()
        self._reader.close()

    def _id_at(self, position: Position) -> bytes | None:
        row = self._reader.row(_ID_AT, (position,))
        return None if row is None else row[0]
