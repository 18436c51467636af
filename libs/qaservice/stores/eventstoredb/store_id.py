"""The store id of a log in EventStoreDB: the id of the first event of a stream of its own, outside the prefix."""

import asyncio
from uuid import UUID, uuid4

from esdbclient import NewEvent

from qaservice.domain.errors import OutcomeUnknown
from qaservice.stores.eventstoredb.calls import EventStoreDb, pauses
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
