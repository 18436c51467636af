"""The calls to EventStoreDB that the log and the feed are made of: each with its deadline and its tries."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence

from esdbclient import NewEvent, RecordedEvent
from esdbclient.common import AbstractAsyncReadResponse
from esdbclient.exceptions import EventStoreDBClientException, NotFound, StreamIsDeleted

from qaservice.domain.errors import LogUnavailable
from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.connection import Connection
from qaservice.stores.eventstoredb.errors import in_words, is_refused, outcome_of

_LONGEST_APPEND = 2.0  # seconds: the server's own time limit for a write
_MOST_READS = 80  # at once; the server takes 100 calls on a connection (Kestrel's default)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds
_PAGE_BYTES = 1024 * 1024

PAGE_EVENTS = 256
"""What a read of many events asks for at a time."""


class EventStoreDb:
    """What can be asked of one database. To be used in one event loop.

    Deadlines are in `loop.time()`.
    """

    def __init__(self, uri: str) -> None:
        """Raises ValueError, without what is secret in the URI."""
        self.connection = Connection(uri)
        self._room = asyncio.Semaphore(_MOST_READS)

    async def append(
        self,
        stream: str,
        expected: int | None,
        events: Sequence[NewEvent],
        deadline: float,
        sending: Callable[[], None] = lambda: None,
    ) -> int:
        """Append events, all or none, behind the event number `expected` (None: to a new stream); the last one's
        position, 0 where the server told none. One try; `sending` is called when it goes out.

        Raises WrongRevision, NotStored, LogUnavailable (for good), TooLarge, OutcomeUnknown.
        """

        async def call(client: Client) -> int:
            sending()
            return await client.append(stream, expected, events, patience(deadline, _LONGEST_APPEND))

        try:
            return (await self.connection.tried(call))[0]
        except EventStoreDBClientException as error:
            raise outcome_of(error) from None

    async def read(
        self, call: Callable[[Client, float], Awaitable[Sequence[RecordedEvent]]], deadline: float, *, enough: int = 1
    ) -> Sequence[RecordedEvent]:
        """What `call` gives with the client and a time limit in seconds, tried until the deadline. Less than `enough`
        events count only if the channel stayed the same: a replaced one cuts reads off as if there were no more.

        Raises LogUnavailable.
        """
        reason, tried = "no answer", self.connection.tried
        try:
            async with asyncio.timeout_at(deadline):
                for pause in pauses():
                    try:
                        async with self._room:
                            found, is_whole = await tried(lambda client: call(client, patience(deadline)))
                        if is_whole or len(found) >= enough:
                            return found
                        reason = "the channel was replaced"
                    except EventStoreDBClientException as error:
                        reason = in_words(error)
                        if is_refused(error):
                            break
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        raise LogUnavailable(reason)

    async def last_event(self, stream: str, deadline: float) -> RecordedEvent | None:
        """The stream's last event; None: there is no such stream. Raises LogUnavailable."""
        found = await self.events(stream, deadline, backwards=True, limit=1)
        return found[0] if found else None

    async def events(
        self,
        stream: str,
        deadline: float,
        *,
        start: int | None = None,
        backwards: bool = False,
        limit: int = PAGE_EVENTS,
    ) -> Sequence[RecordedEvent]:
        """Some of the stream's events, at least one, from the number `start` on, by default from the first, backwards
        from the last. Forwards it must exist; backwards a higher one than the last means the last. Empty: there is no
        such stream. Raises LogUnavailable."""

        async def call(client: Client, timeout: float) -> Sequence[RecordedEvent]:
            reading = client.read_stream(
                stream, stream_position=start, backwards=backwards, limit=limit, timeout=timeout
            )
            try:
                found = await gathered(await reading)
            except StreamIsDeleted:
                return ()
            except NotFound as error:
                if error.args:  # the server's answer to this read; a bare one is gRPC's status, from whomever
                    return ()
                raise
            return not_empty(found)

        return await self.read(call, deadline)


def deadline_after(seconds: float) -> float:
    """So many seconds from now, in `loop.time()`."""
    return asyncio.get_running_loop().time() + seconds


def patience(deadline: float, most: float = math.inf) -> float:
    """How long one try may take, in seconds: half of what is left, so that there is time for another."""
    left = deadline - asyncio.get_running_loop().time()
    return min(most, max(_FIRST_PAUSE, (left - 0.1) / 2))


def pauses() -> Iterator[float]:
    """Seconds to wait between tries, for ever; they grow, and have jitter."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def gathered(reading: AbstractAsyncReadResponse) -> list[RecordedEvent]:
    """What a read gives, up to about 1 MiB."""
    found, size = [], 0
    async with reading:
        async for event in reading:
            found.append(event)
            size += len(event.data)
            if size > _PAGE_BYTES:
                break
    return found


def not_empty(found: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
    """`found`, where there must be something. Raises EventStoreDBClientException: the read was cut off."""
    if not found:
        raise EventStoreDBClientException("a read of what exists found nothing")
    return found
