"""What every log does for its followers."""

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from uuid import uuid4

import pytest

from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import START, Batch, Position, Recorded
from services.eventstore.ports import AnswerLog
from services.projector.ports import EventFeed
from tests.given import a_key, created, deleted, updated

pytestmark = pytest.mark.anyio


async def followed(feed: EventFeed, after: Position, count: int) -> list[Recorded]:
    """The next `count` events after a position."""
    events: list[Recorded] = []
    async with asyncio.timeout(10), aclosing(feed.follow(after)) as batches:
        while len(events) < count:
            batch = await anext(batches)
            assert all(isinstance(event, Recorded) for event in batch.events)
            events += batch.events  # type: ignore[arg-type]  # asserted above
    assert len(events) == count
    return events


async def at_end(feed: EventFeed, after: Position) -> Batch:
    """The first batch that says that it reaches to the end."""
    async with asyncio.timeout(10), aclosing(feed.follow(after)) as batches:
        async for batch in batches:
            if batch.at_end:
                return batch
    raise AssertionError("the feed ended")


def of(keys: Collection[str], events: Collection[Recorded]) -> list[Recorded]:
    return [event for event in events if event.event.key in keys]


async def test_a_log_has_one_name(feed: EventFeed) -> None:
    assert await feed.store_id() == await feed.store_id()


async def test_an_empty_log_ends_at_its_start(feed: EventFeed) -> None:
    assert await feed.end() == START
    batch = await at_end(feed, START)
    assert not batch.events


async def test_the_end_is_the_last_events_position(answer_log: AnswerLog, feed: EventFeed) -> None:
    await created(answer_log, a_key())
    last = await created(answer_log, a_key())
    assert await feed.end() == last.position


async def test_positions_grow_in_the_order_of_the_appends(answer_log: AnswerLog, feed: EventFeed) -> None:
    appended = [await created(answer_log, a_key()) for _ in range(10)]
    positions = [recorded.position for recorded in appended]
    assert positions == sorted(set(positions))
    assert await followed(feed, START, 10) == appended


async def test_a_feed_goes_on_after_any_position_without_gap_or_repeat(answer_log: AnswerLog, feed: EventFeed) -> None:
    key = a_key()
    appended = [await created(answer_log, key), *[await updated(answer_log, key) for _ in range(5)]]
    appended += [await deleted(answer_log, key), await created(answer_log, key)]
    for number, recorded in enumerate(appended):
        rest = appended[number + 1 :]
        assert await followed(feed, recorded.position, len(rest)) == rest


async def test_a_feed_of_many_events_comes_in_several_batches(answer_log: AnswerLog, feed: EventFeed) -> None:
    for _ in range(12):
        await asyncio.gather(*(created(answer_log, a_key(), "v" * 4000) for _ in range(100)))
    events: list[Recorded] = []
    sizes = []
    async with asyncio.timeout(30), aclosing(feed.follow(START)) as batches:
        while len(events) < 1200:
            batch = await anext(batches)
            sizes.append(len(batch.events))
            events += batch.events  # type: ignore[arg-type]  # asserted above
            assert not batch.events or batch.events[-1].position <= batch.end
    assert max(sizes) < 1200
    positions = [event.position for event in events]
    assert positions == sorted(set(positions))
    assert len({event.event.key for event in events}) == 1200


async def test_large_values_come_in_small_batches(answer_log: AnswerLog, feed: EventFeed) -> None:
    values = [letter * 400_000 for letter in "abcdefgh"]
    for value in values:
        await created(answer_log, a_key(), value)
    async with asyncio.timeout(10), aclosing(feed.follow(START)) as batches:
        got: list[str] = []
        while len(got) < len(values):
            batch = await anext(batches)
            assert len(batch.events) <= 4
            got += [event.event.value for event in batch.events]  # type: ignore[union-attr]
    assert got == values


async def test_what_is_appended_while_one_follows_arrives(answer_log: AnswerLog, feed: EventFeed) -> None:
    async with asyncio.timeout(10), aclosing(feed.follow(START)) as batches:
        while not (await anext(batches)).at_end:
            continue
        for _ in range(20):
            recorded = await created(answer_log, a_key())
            while not (batch := await anext(batches)).events:
                continue
            assert batch.events == [recorded]


async def test_an_idle_feed_gives_signs_of_life(answer_log: AnswerLog, feed: EventFeed) -> None:
    last = await created(answer_log, a_key())
    async with asyncio.timeout(10), aclosing(feed.follow(last.position)) as batches:
        signs = [await anext(batches) for _ in range(2)]
    assert all(not batch.events and batch.at_end and batch.end == last.position for batch in signs)


async def test_many_followers_get_the_same(answer_log: AnswerLog, feed: EventFeed) -> None:
    following = [asyncio.create_task(followed(feed, START, 50)) for _ in range(8)]
    appended = [await created(answer_log, a_key()) for _ in range(50)]
    assert await asyncio.gather(*following) == [appended] * 8


async def test_a_follower_of_racing_writers_misses_nothing(answer_log: AnswerLog, feed: EventFeed) -> None:
    keys = [a_key() for _ in range(16)]

    async def write(key: str) -> list[Recorded]:
        return [await created(answer_log, key), *[await updated(answer_log, key) for _ in range(24)]]

    following = asyncio.create_task(followed(feed, START, 16 * 25))
    appended = await asyncio.gather(*(write(key) for key in keys))
    events = await following
    positions = [event.position for event in events]
    assert positions == sorted(set(positions))
    assert [event.time for event in events] == sorted(event.time for event in events)
    for key, own in zip(keys, appended, strict=True):
        assert of([key], events) == own


async def test_a_follower_that_leaves_disturbs_nobody(answer_log: AnswerLog, feed: EventFeed) -> None:
    staying = asyncio.create_task(followed(feed, START, 2))
    leaving = asyncio.create_task(followed(feed, START, 2))
    first = await created(answer_log, a_key())
    leaving.cancel()
    second = await created(answer_log, a_key())
    assert await staying == [first, second]


def checkpoint_at(recorded: Recorded, **changes: object) -> Checkpoint:
    at: dict[str, object] = {
        "position": recorded.position,
        "event_position": recorded.position,
        "event_id": recorded.id,
    }
    return Checkpoint(uuid4(), 1, **(at | changes))  # type: ignore[arg-type]  # asserted above


async def test_a_log_holds_the_checkpoints_of_its_events(answer_log: AnswerLog, feed: EventFeed) -> None:
    assert await feed.holds(Checkpoint(uuid4(), 1, START))
    recorded = [await created(answer_log, a_key()) for _ in range(3)]
    assert await feed.holds(Checkpoint(uuid4(), 1, START))
    for one in recorded:
        assert await feed.holds(checkpoint_at(one))


async def test_a_log_does_not_hold_a_checkpoint_of_another_event(answer_log: AnswerLog, feed: EventFeed) -> None:
    recorded = await created(answer_log, a_key())
    assert not await feed.holds(checkpoint_at(recorded, event_id=uuid4()))


async def test_a_log_does_not_hold_a_checkpoint_past_its_end(answer_log: AnswerLog, feed: EventFeed) -> None:
    recorded = await created(answer_log, a_key())
    past = recorded.position + 1_000_000
    assert not await feed.holds(checkpoint_at(recorded, position=past, event_position=past))
