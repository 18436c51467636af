"""Export: every event of a log up to now, as lines."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from hashlib import sha256

from qaservice.domain.recorded import START, Position, Recorded, Undecodable
from services.backup.lines import Seal, line_of
from services.backup.ports import EventFeed


async def export(
    feed: EventFeed, write: Callable[[bytes], object], reached: Callable[[Position, Position, int], None]
) -> int:
    """Write all events that the log holds now, and the seal. How many there are. `reached` is told position, end and
    number of events from time to time. Raises LogUnavailable, LogReplaced; UndecodableEvent, where what was written has
    no seal."""
    checksum, count = sha256(), 0
    await feed.store_id()  # asks for less than the end does, so that a log that is not there is noticed soon
    end = await feed.end()
    async with aclosing(events_up_to(feed, end)) as pages:
        async for page in pages:
            data = b"".join(map(line_of, page))
            checksum.update(data)
            write(data)
            count += len(page)
            reached(page[-1].position, end, count)
    write(Seal(count, checksum.hexdigest()).line())
    return count


async def events_up_to(feed: EventFeed, end: Position) -> AsyncGenerator[Sequence[Recorded], None]:
    """All events up to a position, in pages of at least one. Raises LogUnavailable, LogReplaced, UndecodableEvent."""
    if end == START:
        return
    async with aclosing(feed.follow(START)) as batches:
        async for batch in batches:
            page = [_readable(event) for event in batch.events if event.position <= end]
            if page:
                yield page
                await asyncio.sleep(0)  # a file is read without waiting for it: let Ctrl-C be heard
            if batch.end >= end or (batch.events and batch.events[-1].position >= end):
                return


def _readable(event: Recorded | Undecodable) -> Recorded:
    if isinstance(event, Undecodable):
        raise event.error()
    return event
