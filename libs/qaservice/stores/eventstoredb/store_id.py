"""The store id of a log in EventStoreDB: the id of the first event of a stream of its own, outside the prefix."""

import asyncio
from uuid import UUID, uuid4

from esdbclient import NewEvent

from qaservice.domain.errors import LogUnavailable, OutcomeUnknown
from qaservice.stores.eventstoredb.calls import EventStoreDb, deadline_after, pauses
from qaservice.stores.eventstoredb.errors import NotStored, WrongRevision
from qaservice.stores.eventstoredb.events import STORE_TYPE, store_stream


class StoreId:
    """Where the id stands. Deadlines are in `loop.time()`; every method raises LogUnavailable."""

    def __init__(self, database: EventStoreDb, prefix: str) -> None:
        self._database = database
        self._stream = store_stream(prefix)

    async def stored(self, deadline: float) -> UUID | None:
        """The id; None: nobody has made one."""
        first = await self._database.events(self._stream, deadline, limit=1)
        return first[0].id if first else None

    async def made(self, deadline: float) -> UUID:
        """The id, made now where there is none: whoever comes first makes it for all."""
        event = NewEvent(type=STORE_TYPE, data=b"{}", id=uuid4())
        pause = pauses()
        while (found := await self.stored(deadline)) is None:
            try:
                await self._database.append(self._stream, None, [event], deadline)
            except (WrongRevision, NotStored, OutcomeUnknown):
                await asyncio.sleep(next(pause))
        return found


class SharedStoreId:
    """The id, read once for all who want to know it, and kept until it is forgotten."""

    def __init__(self, store_id: StoreId, timeout: float) -> None:
        self._store_id = store_id
        self._timeout = timeout
        self._known: UUID | None = None
        self._forgotten = 0
        self._reading: asyncio.Task[UUID] | None = None

    def forget(self) -> None:
        """Another log may stand there: only a read that begins after this counts."""
        self._known = None
        self._forgotten += 1

    async def get(self, deadline: float) -> UUID:
        """The id, made now where there is none. Raises LogUnavailable."""
        if self._known is not None:
            return self._known
        try:
            async with asyncio.timeout_at(deadline):
                return await self._read()
        except TimeoutError:
            raise LogUnavailable("the log's store id was not read in time") from None

    async def _read(self) -> UUID:
        """What the read under way finds; where it fails, our time is not over, and the next one may find it."""
        if self._reading is not None and not self._reading.done():
            await asyncio.wait({self._reading})
            if self._known is not None:
                return self._known
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_for_all())
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait
        reading = self._reading
        await asyncio.wait({reading})  # it goes on when whoever began it has gone
        return reading.result()

    async def _read_for_all(self) -> UUID:
        while True:
            forgotten = self._forgotten
            found = await self._store_id.made(deadline_after(self._timeout))
            if forgotten == self._forgotten:
                self._known = found
                return found
