"""The embedded log: every event of every answer in one SQLite file, or in memory."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from uuid import UUID

from qaservice.domain.errors import LogUnavailable, OutcomeUnknown
from qaservice.domain.recent import Decide
from qaservice.domain.recorded import Appended, Metadata, Recorded
from qaservice.stores.sqlite.bell import Bell
from qaservice.stores.sqlite.commit import Command
from qaservice.stores.sqlite.events import COLUMNS, LAST, REVISION, recorded, schema
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.file import open_in_memory
from qaservice.stores.sqlite.reader import Reader
from qaservice.stores.sqlite.store_id import store_id
from qaservice.stores.sqlite.writer import LoopWriter, ThreadWriter

_AT = f"SELECT {COLUMNS} FROM events WHERE key = ? AND revision = ?"
_HISTORY = f"SELECT {COLUMNS} FROM events WHERE key = ? AND revision BETWEEN ? AND ? ORDER BY revision"
_HISTORY_PAGE = 512
_GRACE = 1.0  # seconds, for the commit that an append got into at the last moment
_NOBODY = UUID(int=0)


class SqliteLog:
    """Appends and reads of answers. Writes go to a group commit, point reads run on the event loop."""

    def __init__(self, path: Path | None, timeout: float) -> None:
        """`path` None: in memory. `timeout` in seconds bounds every append."""
        self._timeout = timeout
        self._bell = Bell(None if path is None else path.parent / "wake")
        self._writer: ThreadWriter | LoopWriter
        if path is None:
            connection = open_in_memory(schema(), text=bytes)
            self._reader = Reader(connection, LogUnavailable)
            self._writer = LoopWriter(connection, self._bell.ring_here)
        else:
            self._reader = Reader(path, LogUnavailable, text=bytes)
            self._writer = ThreadWriter(
                path,
                opened=self._reader.look_again,
                committed=self._bell.ring_here,
                committed_in_thread=self._bell.ring_elsewhere,
            )

    async def append(self, key: str, decide: Decide, *, id: UUID, metadata: Metadata) -> Appended:
        """See AnswerLog.append."""
        appended = await self._submit(key, decide, id, metadata)
        assert appended is not None
        return appended

    async def last(self, key: str) -> Recorded | None:
        """See AnswerLog.last."""
        row = self._reader.row(LAST, (key,))
        return None if row is None else recorded(row)

    async def at(self, key: str, revision: int) -> Recorded | None:
        """See AnswerLog.at."""
        row = self._reader.row(_AT, (key, revision))
        return None if row is None else recorded(row)

    async def history(self, key: str, revisions: range) -> AsyncGenerator[Sequence[Recorded], None]:
        """See AnswerLog.history."""
        sql = _HISTORY if revisions.step > 0 else f"{_HISTORY} DESC"
        while revisions:
            bounds = sorted((revisions[0], revisions[-1]))
            rows, _ = self._reader.page(sql, (key, *bounds), _HISTORY_PAGE)
            if not rows or rows[0][REVISION] != revisions[0]:
                raise LogUnavailable(f"the log holds no revision {revisions[0]} of {key!r} any more")
            yield [recorded(row) for row in rows]
            revisions = revisions[len(rows) :]

    async def store_id(self) -> UUID:
        """See AnswerLog.store_id."""
        return store_id(self._reader)

    async def check(self) -> None:
        """See AnswerLog.check. Makes the file where there is none."""
        try:
            await self._submit("", None, _NOBODY, {})
        except OutcomeUnknown as error:  # nothing was to be stored: the disk is slow
            raise LogUnavailable(str(error)) from None

    def feed(self) -> SqliteFeed:
        """The feed of this log, for followers in this process."""
        return SqliteFeed(self._reader, self._bell)

    async def close(self) -> None:
        """Store what is waiting, then close the file."""
        await self._writer.close()
        self._reader.close()
        self._bell.close()

    async def _submit(self, key: str, decide: Decide | None, id: UUID, metadata: Metadata) -> Appended | None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Appended | None] = loop.create_future()
        self._writer.submit(Command(key, decide, id, metadata, time.monotonic() + self._timeout, done))
        patience = loop.call_later(self._timeout + _GRACE, _give_up, done)
        try:
            return await done
        finally:
            patience.cancel()


def _give_up(done: asyncio.Future[Appended | None]) -> None:
    """The command may be in a commit that hangs."""
    if not done.done():
        done.set_exception(OutcomeUnknown("the disk has not confirmed the write in time"))
