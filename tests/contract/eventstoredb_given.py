"""What the tests of EventStoreDB's adapter start from: a stand-in server, a log, a feed, another application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from esdbclient import NewEvent, StreamState

from qaservice.domain.codec import UPDATED, answer_json, stream_name
from qaservice.domain.errors import KeyNotFound
from qaservice.domain.recorded import START, Position, Recorded
from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
from qaservice.stores.eventstoredb.log import EventStoreDbLog
from tests.given import a_key, updated
from tests.standins.eventstoredb import EventStoreDB
from tests.standins.eventstoredb_log import Proposed
from tests.standins.eventstoredb_writes import ANY

PREFIX = "qa+test.answer-"


@dataclass
class Given:
    """A server in the state that a test gives it, and what is under test. `others`: another application's client."""

    server: EventStoreDB
    log: EventStoreDbLog
    feed: EventStoreDbFeed
    others: Client

    @asynccontextmanager
    async def another_log(self, timeout: float = 5.0) -> AsyncIterator[EventStoreDbLog]:
        """As in another process, or of another patience."""
        log = EventStoreDbLog(self.server.uri, PREFIX, timeout)
        yield log
        await log.close()


@asynccontextmanager
async def a_server(timeout: float = 5.0, *, nodes: int = 1) -> AsyncIterator[Given]:
    """One without answers, at which the log has already asked for its name."""
    async with EventStoreDB(nodes=nodes) as server:
        others = Client(server.uri)
        await others.connect()
        log, feed = EventStoreDbLog(server.uri, PREFIX, timeout), EventStoreDbFeed(server.uri, PREFIX, timeout)
        for _ in range(2):  # the first call of all finds no connection, so that the second asks again
            with suppress(KeyNotFound):
                await updated(log, a_key())
        server.calls.clear()
        yield Given(server, log, feed, others)
        await asyncio.gather(log.close(), feed.close(), others.close())


def overtaken(given: Given, key: str) -> None:
    """Another process's update of the answer, at once: to be called where nothing can be awaited."""
    event = Proposed(str(uuid4()), UPDATED, True, answer_json(key, "overtaken").encode(), b"")
    given.server._database.writes.append(stream_of(key), ANY, [event])


async def stored(client: Client, stream: str, number: int = 1, data: bytes = b"{}", type_: str = "Other") -> None:
    """Events that the adapter did not write."""
    events = [NewEvent(type=type_, data=data) for _ in range(number)]
    await client.append_to_stream(stream, current_version=StreamState.ANY, events=events, timeout=5)


def stream_of(key: str) -> str:
    """Where the events of an answer are."""
    return stream_name(PREFIX, key)


async def handed_out(feed: EventStoreDbFeed, after: Position = START) -> tuple[list[str], Position]:
    """The keys of what a follower gets until it is at the end, and where that is."""
    keys: list[str] = []
    async with asyncio.timeout(10), aclosing(feed.follow(after)) as batches:
        async for batch in batches:
            keys += [event.event.key if isinstance(event, Recorded) else event.key for event in batch.events]
            if batch.at_end:
                return keys, batch.end
    raise AssertionError("the feed ended")


async def following(feed: EventStoreDbFeed, after: Position = START) -> asyncio.Task[None]:
    """A task that follows until that fails. It has got its first batch."""
    has_begun = asyncio.Event()

    async def follow() -> None:
        async with aclosing(feed.follow(after)) as batches:
            async for _ in batches:
                has_begun.set()
        raise AssertionError("the feed ended")

    task = asyncio.create_task(follow())
    await asyncio.wait_for(has_begun.wait(), 5)
    return task


async def seconds(call: Awaitable[object]) -> float:
    """How long a call takes, whatever comes of it."""
    clock = asyncio.get_running_loop().time
    began = clock()
    await asyncio.gather(call, return_exceptions=True)
    return clock() - began
