"""The log of answers in EventStoreDB: a stream for each answer."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID
from weakref import WeakValueDictionary

from qaservice.domain.codec import stream_name
from qaservice.domain.errors import LogUnavailable
from qaservice.domain.recent import Decide
from qaservice.domain.recorded import Appended, Metadata, Recorded
from qaservice.stores.eventstoredb.calls import PAGE_EVENTS, EventStoreDb, deadline_after
from qaservice.stores.eventstoredb.events import checked_prefix, recorded, store_stream
from qaservice.stores.eventstoredb.hints import Hints
from qaservice.stores.eventstoredb.rounds import Command, Rounds
from qaservice.stores.eventstoredb.store_id import SharedStoreId, StoreId

_LONGEST_CHECK = 2.0  # seconds


class EventStoreDbLog:
    """Appends and reads of answers. To be used in one event loop, which may be started after this was made."""

    def __init__(self, uri: str, prefix: str, timeout: float) -> None:
        """`prefix`: how the streams of answers begin. `timeout` in seconds bounds every append and every read, and
        waiting one's turn. Raises ValueError, without what is secret in the URI."""
        self._database = EventStoreDb(uri)
        self._prefix = checked_prefix(prefix)
        self._rounds = Rounds(self._database, prefix)
        self._timeout = timeout
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._hints = Hints()
        self._store_id = SharedStoreId(StoreId(self._database, prefix), timeout)
        self._losses = -1

    async def append(self, key: str, decide: Decide, *, id: UUID, metadata: Metadata) -> Appended:
        """See AnswerLog.append. The time of what it returns is this machine's; reads tell the server's."""
        command = Command(key, stream_name(self._prefix, key), decide, id, metadata, deadline_after(self._timeout))
        try:
            async with asyncio.timeout_at(command.deadline), self._turn(key):
                hint = self._known().get(key)
                appended = await self._rounds.append(command, hint, await self._store_id.get(command.deadline))
                if not appended.replayed:
                    self._hints.put(key, appended.recorded)
                return appended
        except TimeoutError:
            raise command.failed() from None

    async def last(self, key: str) -> Recorded | None:
        """See AnswerLog.last."""
        event = await self._database.last_event(stream_name(self._prefix, key), deadline_after(self._timeout))
        return None if event is None else recorded(self._prefix, event)

    async def at(self, key: str, revision: int) -> Recorded | None:
        """See AnswerLog.at. Backwards: what is read from beyond the stream's end is its last event, not nothing, which
        could also be a read that was cut off."""
        found = await self._database.events(
            stream_name(self._prefix, key), deadline_after(self._timeout), start=revision, backwards=True, limit=1
        )
        return recorded(self._prefix, found[0]) if found and found[0].stream_position == revision else None

    async def history(self, key: str, revisions: range) -> AsyncGenerator[Sequence[Recorded], None]:
        """See AnswerLog.history."""
        stream = stream_name(self._prefix, key)
        while revisions:
            first, limit = revisions[0], min(len(revisions), PAGE_EVENTS)
            page = await self._database.events(
                stream, deadline_after(self._timeout), start=first, backwards=revisions.step < 0, limit=limit
            )
            if not page or page[0].stream_position != first:
                raise LogUnavailable(f"stream {stream!r} holds no event {first} any more")
            yield [recorded(self._prefix, event) for event in page]
            revisions = revisions[len(page) :]

    async def store_id(self) -> UUID:
        """See AnswerLog.store_id."""
        self._known()
        return await self._store_id.get(deadline_after(self._timeout))

    async def check(self) -> None:
        """Return if the log can be read, from the node that takes the writes. Raises LogUnavailable within 2 s."""
        deadline = deadline_after(min(self._timeout, _LONGEST_CHECK))
        await self._database.last_event(store_stream(self._prefix), deadline)

    async def close(self) -> None:
        """Leave appends under way 5 s to finish, then disconnect."""
        await self._database.connection.close()

    def _turn(self, key: str) -> asyncio.Lock:
        """Commands on one key take turns, or each would cost the others a round. A lock that nobody holds or waits for
        is forgotten."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn

    def _known(self) -> Hints:
        """What is remembered; nothing after the connection was lost, for another log may stand there since."""
        losses = self._database.connection.losses()
        if losses != self._losses:
            self._hints.clear()
            self._store_id.forget()
            self._losses = losses
        return self._hints
