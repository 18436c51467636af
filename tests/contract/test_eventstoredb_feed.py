"""How the feed reads EventStoreDB's log: its name, its end, its checkpoints, and what others store in it."""

import asyncio
from contextlib import aclosing, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from qaservice.domain.codec import UPDATED
from qaservice.domain.errors import LogReplaced, LogUnavailable
from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import START, Recorded, Undecodable
from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
from qaservice.stores.eventstoredb.log import EventStoreDbLog
from tests.contract.eventstoredb_given import PREFIX, Given, a_server, following, handed_out, stored, stream_of
from tests.given import a_key, created, eventually, updated
from tests.standins.eventstoredb import EventStoreDB

pytestmark = pytest.mark.anyio


def checkpoint_at(recorded: Recorded) -> Checkpoint:
    return Checkpoint(uuid4(), 1, recorded.position, recorded.position, recorded.id)


async def test_those_who_ask_first_at_once_get_one_name(given: Given) -> None:
    given.server.faults.queue("append", "lost-and-cut")
    given.server.faults.queue("append", "not-ready")
    feeds = [EventStoreDbFeed(given.server.uri, PREFIX, 5.0) for _ in range(8)]
    names = await asyncio.gather(*(feed.store_id() for feed in feeds))
    assert len(set(names)) == 1
    await asyncio.gather(*(feed.close() for feed in feeds))


async def test_logs_with_other_prefixes_have_other_names(given: Given) -> None:
    other = EventStoreDbFeed(given.server.uri, "another-", 5.0)
    assert await other.store_id() != await given.feed.store_id()
    await created(given.log, a_key())
    assert (await handed_out(other))[0] == []
    await other.close()


async def test_a_checkpoint_goes_on_through_what_others_store(given: Given) -> None:
    recorded = await created(given.log, a_key())
    await stored(given.others, "other", 400)
    _, end = await handed_out(given.feed)
    assert end > recorded.position
    assert await given.feed.end() == recorded.position
    assert await given.feed.holds(Checkpoint(uuid4(), 1, end, recorded.position, recorded.id))


async def test_a_checkpoint_goes_on_while_only_others_store(given: Given) -> None:
    recorded = await created(given.log, a_key())
    async with asyncio.timeout(10), aclosing(given.feed.follow(START)) as batches:
        while not (await anext(batches)).at_end:
            continue
        await stored(given.others, "other", 400)
        while (batch := await anext(batches)).end == recorded.position:
            assert not batch.events


async def test_an_event_that_can_not_be_read_is_handed_out_in_its_place(given: Given) -> None:
    first = await created(given.log, "key")
    await stored(given.others, stream_of("key"), data=b"?", type_=UPDATED)
    last = await created(given.log, a_key())
    events: list[Recorded | Undecodable] = []
    async with asyncio.timeout(10), aclosing(given.feed.follow(START)) as batches:
        while len(events) < 3:
            events += (await anext(batches)).events
    assert isinstance(events[1], Undecodable)
    assert events[1].key == "key"
    assert first.position < events[1].position < last.position


async def test_an_older_copy_of_a_log_is_told_from_it(tmp_path: Path) -> None:
    file = tmp_path / "log"
    async with EventStoreDB(file) as server:
        log, feed = EventStoreDbLog(server.uri, PREFIX, 5.0), EventStoreDbFeed(server.uri, PREFIX, 5.0)
        key = a_key()
        old, name = await created(log, key), await feed.store_id()
        copy = file.read_bytes()
        new = await updated(log, key)
        file.write_bytes(copy)
        await server.restart()
        assert await feed.store_id() == name
        assert await feed.holds(checkpoint_at(old))
        assert not await feed.holds(checkpoint_at(new))
        await updated(log, key, "another value in the place of the lost one")
        assert not await feed.holds(checkpoint_at(new))
        await asyncio.gather(log.close(), feed.close())


async def test_a_place_where_no_event_begins_is_of_another_log(given: Given) -> None:
    recorded = await created(given.log, a_key())
    await stored(given.others, "other", 3)
    between = recorded.position + 1
    assert not await given.feed.holds(Checkpoint(uuid4(), 1, between))
    assert not await given.feed.holds(Checkpoint(uuid4(), 1, recorded.position, between, recorded.id))
    with pytest.raises(LogReplaced):
        await handed_out(given.feed, between)


async def test_followers_of_a_server_that_is_down_hear_of_it_and_begin_again() -> None:
    async with a_server(timeout=0.5) as given:
        follower = await following(given.feed)
        await given.server.stop()
        with pytest.raises(LogUnavailable):
            await asyncio.wait_for(follower, 3)
        with pytest.raises(LogUnavailable):
            await handed_out(given.feed)
        await given.server.start()
        async with given.another_log() as log:
            recorded = await created(log, a_key())

        async def begins_again() -> bool:
            with suppress(LogUnavailable):  # gRPC connects once in a second, which is longer than this feed waits
                return (await handed_out(given.feed))[0] == [recorded.event.key]
            return False

        await eventually(begins_again, within=3)


async def test_followers_end_when_the_feed_is_closed(given: Given) -> None:
    follower = await following(given.feed)
    await given.feed.close()
    with pytest.raises(LogUnavailable):
        await asyncio.wait_for(follower, 3)


async def test_a_slow_follower_gets_everything_and_knows_that_it_is_behind(given: Given) -> None:
    keys = [a_key() for _ in range(2_000)]
    got: list[str] = []
    async with asyncio.timeout(30), aclosing(given.feed.follow(START)) as batches:
        while not (await anext(batches)).at_end:
            continue
        for chunk in range(0, len(keys), 100):
            await asyncio.gather(*(created(given.log, key) for key in keys[chunk : chunk + 100]))
        await eventually(lambda: batches.ag_frame.f_locals["subscription"].was_full)
        while len(got) < len(keys):
            batch = await anext(batches)
            got += [event.event.key for event in batch.events if isinstance(event, Recorded)]
            assert len(batch.events) <= 500
            assert not batch.at_end or len(got) == len(keys)
    assert sorted(got) == sorted(keys)


async def test_a_follower_that_was_slow_once_is_at_the_end_again_though_events_keep_coming(given: Given) -> None:
    async def write() -> None:
        while True:
            await created(given.log, a_key())

    async with asyncio.timeout(20), aclosing(given.feed.follow(START)) as batches:
        await anext(batches)
        for _ in range(15):
            await asyncio.gather(*(created(given.log, a_key()) for _ in range(100)))
        writer = asyncio.create_task(write())
        while not (await anext(batches)).at_end:
            continue
        writer.cancel()
        await asyncio.wait({writer})
