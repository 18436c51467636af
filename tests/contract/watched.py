"""What the tests of watches start from: hubs over a log, random histories, and what somebody gets to see."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from qaservice.domain.cursor import Cursor
from qaservice.domain.recorded import Recorded
from services.eventstore.changes import Wanted
from services.eventstore.hub import Hub, Since
from services.eventstore.ports import AnswerLog, EventFeed
from services.eventstore.watch import Watch
from tests.given import created, deleted, updated

ALL = Wanted("", is_prefix=True)


@asynccontextmanager
async def a_hub(log: AnswerLog, feed: EventFeed, *, most: int = 2000, heartbeat: float = 5) -> AsyncIterator[Hub]:
    """As in a process of its own that has just started."""
    hub = Hub(log, feed, most=most, heartbeat=heartbeat)
    try:
        yield hub
    finally:
        await hub.close()


async def taken(watch: Watch, count: int, within: float = 20) -> list[Recorded]:
    """The next changes, at least so many."""
    got: list[Recorded] = []
    async with asyncio.timeout(within):
        while len(got) < count:
            got += [change.event for change in await watch.take() if isinstance(change.event, Recorded)]
    return got


async def seen(hub: Hub, wanted: Wanted, since: Since, count: int) -> list[Recorded]:
    """What somebody sees who watches until he has seen so many changes."""
    watch = await hub.watch(wanted, since)
    try:
        return await taken(watch, count)
    finally:
        hub.leave(watch)


def cursor(store: UUID, recorded: Recorded) -> Cursor:
    """What stands in the event's `id`."""
    return Cursor(store, recorded.position, recorded.revision)


async def a_history(log: AnswerLog, keys: Sequence[str], length: int) -> list[Recorded]:
    """Random changes of some answers, one after the other."""
    events: list[Recorded] = []
    exists = dict.fromkeys(keys, False)
    for number in range(length):
        key = random.choice(keys)
        if not exists[key]:
            events.append(await created(log, key, f"{number}"))
        elif random.random() < 0.2:
            events.append(await deleted(log, key))
        else:
            events.append(await updated(log, key, f"{number}"))
        exists[key] = not events[-1].event.__class__.__name__.endswith("Deleted")
    return events
