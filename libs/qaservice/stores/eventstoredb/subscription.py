"""A catch-up subscription to our events, gathered by a task of its own.

Whoever takes from it may wait with a time limit: a read of the client itself would be cut off by one, and look like
one that has ended.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from esdbclient import RecordedEvent
from esdbclient.exceptions import EventStoreDBClientException

from qaservice.domain.errors import LogUnavailable
from qaservice.domain.recorded import START, Position
from qaservice.stores.eventstoredb.calls import EventStoreDb
from qaservice.stores.eventstoredb.client import uncut
from qaservice.stores.eventstoredb.errors import in_words
from qaservice.stores.eventstoredb.events import position_of

_BATCH_EVENTS, _BATCH_BYTES = 500, 1024 * 1024
_MOST_EVENTS, _MOST_BYTES = 1_000, 4 * 1024 * 1024
_GATHER_SECONDS = 0.02


class Subscription:
    """What a subscription has delivered and nobody has taken yet.

    `is_live`: what has come is all there is, as the server said or the log was found (`confirm`). `was_full`: since
    then it had to wait for room, so that the server may have said so long ago, or may be reading the log again, which
    the client keeps to itself. `end`: all of ours up to here have been taken.
    """

    def __init__(self, database: EventStoreDb, pattern: str, after: Position) -> None:
        self.is_live = self.was_full = False
        self.end = after
        self._goal: Position | None = None  # where the log was found to end
        self._reached = after  # the last place seen, be it safe to resume behind it or not yet
        self._database = database
        self._pattern = pattern
        self._waiting: list[RecordedEvent] = []
        self._bytes = 0
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._gather(after))

    @property
    def is_empty(self) -> bool:
        """Whether everything that came has been taken."""
        return not self._waiting

    def confirm(self, end: Position) -> None:
        """The log was found to end there, a moment ago: once that is taken, all is here."""
        self._goal = end
        self._compare()

    async def take(self, seconds: float) -> Sequence[RecordedEvent] | None:
        """Events of ours that have come, in order, at most 500 or about 1 MiB; None: nothing at all came for so many
        seconds. While there is much to come it waits a moment, so that there is more to take.

        Raises LogUnavailable where the subscription has ended.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return None
        if not (self.is_live or self._task.done() or _is_batch(len(self._waiting), self._bytes)):
            await asyncio.sleep(_GATHER_SECONDS)
        taken = self._taken()
        if not taken and self._task.done():
            raise self._task.result()
        if not self._waiting and not self._task.done():
            self._news.clear()
        for event in taken:
            self._reach(event)
        return [event for event in taken if not event.is_checkpoint]

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.wait({self._task})

    def _taken(self) -> list[RecordedEvent]:
        count = size = 0
        for event in self._waiting:
            if _is_batch(count, size):
                break
            count += 1
            size += len(event.data)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= size
        self._room.set()
        return taken

    def _reach(self, event: RecordedEvent) -> None:
        """Move `end` up, as far as it is safe to resume behind it.

        A checkpoint of the part that catches up is where a page of the server's begins, and has a prepare position of 0
        (EventStoreDB 24.10 source, AllReader and Enumerator.AllSubscriptionFiltered). At the log's end nothing stands
        there yet, and since the client resumes with both positions the same, it would miss what is written there next.
        So such a checkpoint counts as soon as something beyond it was seen.
        """
        position = position_of(event)
        if position > self._reached:
            self.end = max(self.end, self._reached)
        self._reached = max(position, self._reached)
        if event.prepare_position == position:
            self.end = self._reached
        self._compare()

    def _compare(self) -> None:
        if self._goal is not None and self.end >= self._goal:
            self.is_live, self.was_full, self._goal = True, False, None

    async def _gather(self, after: Position) -> LogUnavailable:
        """Receive until it ends; returns why."""
        try:
            client = await self._database.connection.connected()
            subscribing = client.subscribe_to_all(
                commit_position=None if after == START else after,
                filter_include=(self._pattern,),
                filter_by_stream_name=True,
                include_checkpoints=True,
                include_caught_up=True,
            )
            async with await uncut(subscribing) as events:
                async for event in events:
                    await self._keep(event)
        except EventStoreDBClientException as error:
            return LogUnavailable(f"the subscription broke: {in_words(error)}")
        except LogUnavailable as error:
            return error
        except StopAsyncIteration:  # before it was confirmed
            pass
        finally:
            self._news.set()
        return LogUnavailable("the subscription ended")

    async def _keep(self, event: RecordedEvent) -> None:
        if event.is_caught_up:
            self.is_live = not self.was_full
        else:
            self._waiting.append(event)
            self._bytes += len(event.data)
        self._news.set()
        if len(self._waiting) >= _MOST_EVENTS or self._bytes > _MOST_BYTES:
            self.is_live, self.was_full, self._goal = False, True, None
            self._room.clear()
            await self._room.wait()


@asynccontextmanager
async def subscribed(database: EventStoreDb, pattern: str, after: Position) -> AsyncGenerator[Subscription]:
    """A subscription to the events after a position whose stream's name matches `pattern`, a regular expression."""
    subscription = Subscription(database, pattern, after)
    try:
        yield subscription
    finally:
        await subscription.stop()


def _is_batch(events: int, size: int) -> bool:
    return events >= _BATCH_EVENTS or size >= _BATCH_BYTES
