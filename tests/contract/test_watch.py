"""What every log does for those who watch."""

import asyncio
import random
from itertools import chain
from uuid import uuid4

import pytest

from qaservice.domain.cursor import Cursor
from qaservice.domain.errors import InputNotValid, TooManyWatchers, WatcherTooSlow
from qaservice.domain.recorded import START, Recorded
from services.eventstore import catch_up, changes, watch
from services.eventstore.changes import Wanted
from services.eventstore.ports import AnswerLog, EventFeed
from tests.contract.watched import ALL, a_history, a_hub, cursor, seen, taken
from tests.given import a_key, created, updated

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[10_000, 7], ids=["in-the-ring", "partly-out-of-the-ring"])
def ring(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_RING_CHANGES", request.param)
    monkeypatch.setattr(changes, "PAGE_CHANGES", 3)


@pytest.mark.parametrize("fresh", [False, True], ids=["the-same-process", "after-a-restart"])
async def test_from_every_place_of_a_history_on_comes_the_rest_of_it(
    answer_log: AnswerLog, feed: EventFeed, ring: None, fresh: bool
) -> None:
    before = a_key()
    keys = [f"{before}-{letter}" for letter in "aäb"]
    async with a_hub(answer_log, feed) as first:
        await first.watch(ALL, "now")
        history = await a_history(answer_log, keys, 16)
        await seen(first, ALL, "start", len(history))
        store = await feed.store_id()
        async with a_hub(answer_log, feed) as second:
            hub = second if fresh else first
            for wanted in (ALL, *map(Wanted, keys), Wanted(f"{before}-a", is_prefix=True)):
                whole = [recorded for recorded in history if wanted.has(recorded.event.key)]
                assert await seen(hub, wanted, "start", len(whole)) == whole
                for recorded in history:
                    rest = [later for later in whole if later.position > recorded.position]
                    assert await seen(hub, wanted, cursor(store, recorded), len(rest)) == rest
                    assert await seen(hub, wanted, Cursor(store, recorded.position), len(rest)) == rest


async def test_who_watches_from_now_on_sees_what_is_written_from_now_on(answer_log: AnswerLog, feed: EventFeed) -> None:
    key = a_key()
    await created(answer_log, key)
    async with a_hub(answer_log, feed) as hub:
        for _ in range(20):
            watching = await hub.watch(Wanted(key), "now")
            recorded = await updated(answer_log, key)
            assert await taken(watching, 1) == [recorded]


async def test_who_has_read_what_he_missed_goes_on_with_what_comes(answer_log: AnswerLog, feed: EventFeed) -> None:
    key = a_key()
    written = [await created(answer_log, key), await updated(answer_log, key)]
    await created(answer_log, a_key())
    for wanted in (Wanted(key), Wanted(key, is_prefix=True)):
        async with a_hub(answer_log, feed) as hub:
            watching = await hub.watch(wanted, "start")
            assert await taken(watching, len(written)) == written
            for _ in range(3):
                taking = asyncio.create_task(taken(watching, 1))
                await asyncio.sleep(0)
                written.append(await updated(answer_log, key))
                assert await taking == written[-1:]


async def test_an_answer_that_does_not_exist_yet_can_be_watched(answer_log: AnswerLog, feed: EventFeed) -> None:
    key = a_key()
    async with a_hub(answer_log, feed) as hub:
        for since in ("start", "now"):
            watching = await hub.watch(Wanted(key), since)  # type: ignore[arg-type]
            taking = asyncio.create_task(taken(watching, 1))
            await asyncio.sleep(0)
            if since == "start":
                await created(answer_log, a_key())
                continue
            recorded = await created(answer_log, key)
            assert await taking == [recorded]
        taking.cancel()


async def test_others_changes_are_not_seen(answer_log: AnswerLog, feed: EventFeed) -> None:
    key = a_key()
    async with a_hub(answer_log, feed, heartbeat=0.3) as hub:
        watching = await hub.watch(Wanted(key), "now")
        await created(answer_log, key + "x")
        assert await watching.take() == ()
        recorded = await created(answer_log, key)
        await created(answer_log, a_key())
        assert await taken(watching, 1) == [recorded]


async def test_who_waits_for_a_prefix_comes_along_with_the_log(
    answer_log: AnswerLog, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "_MOST_BATCHES", 1)
    prefix, store = a_key(), await feed.store_id()
    others = [await created(answer_log, a_key()) for _ in range(3)]
    async with a_hub(answer_log, feed, heartbeat=0.1) as hub:
        watching = await hub.watch(Wanted(prefix, is_prefix=True), "start")
        assert await watching.take() == ()
        assert watching.reached >= others[-1].position
        others += [await created(answer_log, a_key()) for _ in range(3)]
        while watching.reached < others[-1].position:
            assert await watching.take() == ()
        recorded = await created(answer_log, prefix)
        assert await seen(hub, ALL, Cursor(store, watching.reached), 1) == [recorded]


async def test_racing_writers_and_watchers_that_come_and_go_leave_no_gap_and_no_repeat(
    answer_log: AnswerLog, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_RING_CHANGES", 20)
    keys = [a_key() for _ in range(6)]
    store = await feed.store_id()

    async def write(key: str) -> list[Recorded]:
        return [await created(answer_log, key), *[await updated(answer_log, key, f"{n}") for n in range(30)]]

    async with a_hub(answer_log, feed) as hub:

        async def watch_in_parts(wanted: Wanted, count: int) -> list[Recorded]:
            got: list[Recorded] = []
            while len(got) < count:
                since = cursor(store, got[-1]) if got else Cursor(store, START)
                got += await seen(hub, wanted, since, random.randint(1, min(12, count - len(got))))
            return got

        wanted = [*map(Wanted, keys), ALL, ALL]
        counts = [31] * len(keys) + [31 * len(keys)] * 2
        watching = asyncio.gather(*map(watch_in_parts, wanted, counts))
        written = await asyncio.gather(*map(write, keys))
        got = await watching
    assert got[: len(keys)] == written
    everything = sorted(chain.from_iterable(written), key=lambda recorded: recorded.position)
    assert got[-2:] == [everything, everything]


async def test_a_cursor_of_another_log_or_past_the_end_is_refused(answer_log: AnswerLog, feed: EventFeed) -> None:
    recorded = await created(answer_log, a_key())
    store = await feed.store_id()
    async with a_hub(answer_log, feed) as hub:
        for wrong in (Cursor(uuid4(), recorded.position, 0), Cursor(store, recorded.position + 1, 0)):
            with pytest.raises(InputNotValid):
                await hub.watch(ALL, wrong)
        assert hub.watchers == 0


async def test_only_so_many_may_watch_at_a_time(answer_log: AnswerLog, feed: EventFeed) -> None:
    async with a_hub(answer_log, feed, most=3) as hub:
        watching = await asyncio.gather(*(hub.watch(ALL, "now") for _ in range(3)))
        with pytest.raises(TooManyWatchers):
            await hub.watch(ALL, "now")
        hub.leave(watching[0])
        await hub.watch(ALL, "now")
        assert hub.watchers == 3


async def test_who_does_not_take_what_comes_is_cut_off_and_the_others_are_not(
    answer_log: AnswerLog, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_QUEUE_CHANGES", 10)
    key, store = a_key(), await feed.store_id()
    first = await created(answer_log, key)
    async with a_hub(answer_log, feed) as hub:
        slow, quick = [await hub.watch(Wanted(key), cursor(store, first)) for _ in range(2)]
        written = [await updated(answer_log, key)]
        got = await taken(slow, 1)
        taking = asyncio.create_task(taken(quick, 41))
        written += [await updated(answer_log, key) for _ in range(40)]
        assert await taking == written
        assert isinstance(slow.over.exception(), WatcherTooSlow)
        assert not quick.over.done()
        assert got + await seen(hub, Wanted(key), cursor(store, got[-1]), 41 - len(got)) == written


async def test_who_takes_what_comes_is_not_cut_off_however_much_comes_at_once(
    answer_log: AnswerLog, feed: EventFeed
) -> None:
    async with a_hub(answer_log, feed) as hub:
        watching = await hub.watch(ALL, "now")
        taking = asyncio.create_task(taken(watching, 400))
        written = await asyncio.gather(*(created(answer_log, a_key()) for _ in range(400)))
        assert await taking == sorted(written, key=lambda recorded: recorded.position)
        assert not watching.over.done()


async def test_what_waits_is_counted_in_the_bytes_that_will_be_sent(
    answer_log: AnswerLog, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_QUEUE_BYTES", 10_000)
    key, value = a_key(), "x" * 9_000 + "\N{GRINNING FACE}"
    async with a_hub(answer_log, feed, heartbeat=0.1) as hub:
        slow, quick = [await hub.watch(Wanted(key), "now") for _ in range(2)]
        assert await slow.take() == ()
        await created(answer_log, key, value)
        await taken(quick, 1)
        assert not slow.over.done()
        await updated(answer_log, key, value)
        await taken(quick, 1)
        assert isinstance(slow.over.exception(), WatcherTooSlow)


async def test_all_watches_end_when_the_process_does(answer_log: AnswerLog, feed: EventFeed) -> None:
    async with a_hub(answer_log, feed) as hub:
        watching = [await hub.watch(ALL, since) for since in ("start", "now")]  # type: ignore[arg-type]
        hub.end()
        assert [one.over.done() and one.over.exception() is None for one in watching] == [True, True]


async def test_a_value_of_any_size_comes(answer_log: AnswerLog, feed: EventFeed) -> None:
    key = a_key()
    async with a_hub(answer_log, feed) as hub:
        watching = await hub.watch(Wanted(key), "now")
        taking = asyncio.create_task(taken(watching, 12))
        written = [await created(answer_log, key, "x" * 500_000)]
        written += [await updated(answer_log, key, "y" * 500_000) for _ in range(11)]
        assert await taking == written
        assert await seen(hub, Wanted(key), "start", 12) == written
        assert await seen(hub, ALL, "start", 12) == written
