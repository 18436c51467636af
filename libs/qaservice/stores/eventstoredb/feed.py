"""The events of all answers in the order of EventStoreDB's log, whatever else the database holds."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from esdbclient import RecordedEvent
from esdbclient.exceptions import EventStoreDBClientException

from qaservice.domain.errors import LogReplaced, LogUnavailable
from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import START, Batch, Position
from qaservice.stores.eventstoredb.calls import EventStoreDb, deadline_after, gathered, not_empty
from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.errors import is_invalid_position
from qaservice.stores.eventstoredb.events import checked_prefix, position_of, recorded_or_not
from qaservice.stores.eventstoredb.store_id import StoreId
from qaservice.stores.eventstoredb.subscription import Subscription, subscribed

_QUIET_SECONDS = 1.0
_SCAN_SECONDS = 20.0


class EventStoreDbFeed:
    """The events of all answers, for any number of followers. To be used in one event loop, which may be started after
    this was made.

    A follower's subscription that breaks, or ends, ends the follower too: whoever resumes must first ask whether it is
    still the same log (`store_id`, `holds`), and that is the follower's to do. What a subscription does not tell —
    that it is frozen, that another log stands there now — is asked for once in every second without events.
    """

    def __init__(self, uri: str, prefix: str, timeout: float) -> None:
        """`prefix`: how the streams of answers begin. `timeout` in seconds bounds every question; `end` may take
        20. Raises ValueError, without what is secret in the URI."""
        self._database = EventStoreDb(uri)
        self._prefix = checked_prefix(prefix)
        self._store_id = StoreId(self._database, prefix)
        self._timeout = timeout
        self._store: UUID | None = None
        # One pattern, escaped: the client joins several without a group, so that they would match more than they say.
        self._pattern = f"{re.escape(prefix)}.*"

    async def store_id(self) -> UUID:
        """See EventFeed.store_id."""
        self._store = await self._store_id.made(deadline_after(self._timeout))
        return self._store

    async def end(self) -> Position:
        """See EventFeed.end. The server looks for it from its end backwards, through what others have stored too."""
        # That there is no event is believed only at the second reply: a read that was cut off says so too.
        for _ in range(2):
            last = await self._read_all(_SCAN_SECONDS, backwards=True)
            if last:
                return position_of(last[0])
        return START

    async def now(self) -> Position:
        """See EventFeed.now: behind the last event of all, whosever."""
        return position_of((await self._read_all(self._timeout, backwards=True, everybody=True))[0])

    async def holds(self, checkpoint: Checkpoint) -> bool:
        """See EventFeed.holds."""
        try:
            if not await self._reaches(checkpoint.position):
                return False
            if checkpoint.event_position is None or checkpoint.event_id is None:
                return True
            event = await self._first_from(checkpoint.event_position)
        except LogReplaced:
            return False
        return position_of(event) == checkpoint.event_position and event.id == checkpoint.event_id

    async def follow(self, after: Position) -> AsyncGenerator[Batch, None]:
        """See EventFeed.follow. Raises LogUnavailable also where the subscription ends without an error."""
        store = self._store or await self.store_id()
        await self._check(store, after)
        clock = asyncio.get_running_loop().time
        missing_since: float | None = None
        looked = clock()
        async with subscribed(self._database, self._pattern, after) as subscription:
            while True:
                events = await subscription.take(_QUIET_SECONDS)
                if events is None:
                    await self._check(store)
                    missing_since = await self._missing_since(subscription, missing_since)
                else:
                    missing_since = None
                    # The server may have said long ago that all had come: the log itself says so again.
                    if subscription.was_full and subscription.is_empty and clock() - looked > _QUIET_SECONDS:
                        subscription.confirm(await self.end())
                        looked = clock()
                handed_out = [recorded_or_not(self._prefix, event) for event in events or ()]
                yield Batch(handed_out, subscription.end, at_end=subscription.is_live and subscription.is_empty)

    async def close(self) -> None:
        """End all followers and disconnect."""
        await self._database.connection.close()

    async def _check(self, store: UUID, after: Position = START) -> None:
        """Raises LogReplaced where the log is another one than `store`, or ends before `after`: a subscription from
        beyond the end is accepted and delivers nothing."""
        found = await self._store_id.stored(deadline_after(self._timeout))
        if found != store:
            raise LogReplaced(f"the log was replaced: store {store} became {found}")
        if not await self._reaches(after):
            raise LogReplaced(f"the log was replaced: it ends before position {after}")

    async def _reaches(self, position: Position) -> bool:
        """Whether a follower can begin behind `position`. Raises LogReplaced where it is no place of this log's."""
        if position == START:
            return True
        if await self.now() < position:
            return False
        await self._first_from(position)
        return True

    async def _missing_since(self, subscription: Subscription, before: float | None) -> float | None:
        """Since when the log has held an event that the subscription does not deliver; None: it holds none.

        Raises LogUnavailable where that is too long.
        """
        end, now = subscription.end, asyncio.get_running_loop().time()
        if not await self._goes_on(end):
            subscription.confirm(end)
            return None
        since = now if before is None else before
        if now - since > self._timeout:
            raise LogUnavailable(f"the subscription has delivered nothing for {self._timeout} s")
        return since

    async def _goes_on(self, end: Position) -> bool:
        """Whether an event of ours lies behind `end`. That there is none is believed as in `end`."""
        for _ in range(2):
            found = await self._read_all(self._timeout, start=end, limit=1 if end == START else 2)
            if any(position_of(event) > end for event in found):
                return True
        return False

    async def _first_from(self, position: Position) -> RecordedEvent:
        """The event that begins at a position, or the next; whosever it is."""
        return (await self._read_all(self._timeout, start=position, everybody=True))[0]

    async def _read_all(
        self,
        seconds: float,
        *,
        start: Position = START,
        backwards: bool = False,
        limit: int = 1,
        everybody: bool = False,
    ) -> Sequence[RecordedEvent]:
        """Events of ours; or `everybody`'s, where there must be some. Raises LogReplaced where `start` is no place."""

        async def call(client: Client, timeout: float) -> Sequence[RecordedEvent]:
            reading = client.read_all(
                commit_position=None if start == START else start,
                backwards=backwards,
                filter_exclude=(),
                filter_include=() if everybody else (self._pattern,),
                filter_by_stream_name=True,
                limit=limit,
                timeout=timeout,
            )
            try:
                found = await gathered(await reading)
            except EventStoreDBClientException as error:
                if is_invalid_position(error):
                    raise LogReplaced(f"the log was replaced: no event begins at position {start}") from None
                raise
            return not_empty(found) if everybody else found

        return await self._database.read(call, deadline_after(seconds), enough=limit)
