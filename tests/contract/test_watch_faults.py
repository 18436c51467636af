"""Watches while the log is down, comes back, is another one; and how little they ask of it."""

import asyncio
import os
from pathlib import Path
from uuid import uuid4

import pytest

from qaservice.domain.codec import UPDATED
from qaservice.domain.cursor import Cursor
from qaservice.domain.errors import InputNotValid, LogReplaced, LogUnavailable, UndecodableEvent
from qaservice.domain.recorded import START, Recorded, Undecodable
from qaservice.stores.sqlite.log import SqliteLog
from services.eventstore import changes, hub
from services.eventstore.changes import Wanted
from services.eventstore.watch import Watch
from tests.contract.eventstoredb_given import Given, a_server, stored, stream_of
from tests.contract.sqlite_given import query
from tests.contract.watched import ALL, a_hub, cursor, seen, taken
from tests.given import a_key, created, eventually, updated

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fault", ["cut", "error", "end"])
async def test_a_subscription_that_breaks_is_resumed_and_nobody_notices(given: Given, fault: str) -> None:
    async with a_hub(given.log, given.feed) as hub:
        key = a_key()
        watching = await hub.watch(ALL, "now")
        written = [await created(given.log, key)]
        assert await taken(watching, 1) == written
        assert given.server.disturb(fault) == 1
        written = [await updated(given.log, key, f"{number}") for number in range(5)]
        assert await taken(watching, 5) == written


async def test_while_the_log_is_down_watches_stay_and_new_ones_are_refused() -> None:
    async with a_server(timeout=0.5) as given, a_hub(given.log, given.feed, heartbeat=0.2) as hub:
        first = await created(given.log, a_key())
        store = await given.feed.store_id()
        watching = await hub.watch(ALL, "now")
        async with a_hub(given.log, given.feed, heartbeat=0.2) as fresh:
            resuming = await fresh.watch(Wanted(first.event.key), Cursor(store, START))
            await given.server.stop()
            with pytest.raises(LogUnavailable):
                await hub.watch(ALL, "now")
            assert [await watching.take(), await resuming.take()] == [(), ()]
            await given.server.start()
            async with given.another_log() as log:
                recorded = await created(log, a_key())
            assert await taken(watching, 1) == [recorded]
            assert await taken(resuming, 1) == [first]


async def test_who_watches_a_log_that_is_replaced_is_cut_off_and_refused_with_his_cursor(given: Given) -> None:
    async with a_hub(given.log, given.feed) as hub:
        recorded = await created(given.log, a_key())
        store = await given.feed.store_id()
        watching = await hub.watch(ALL, "now")
        await given.server.restart(wiped=True)
        await eventually(watching.over.done)
        assert isinstance(watching.over.exception(), LogReplaced)
        hub.leave(watching)
        with pytest.raises(InputNotValid, match="another store"):
            await hub.watch(ALL, cursor(store, recorded))


async def test_a_file_that_is_replaced_is_noticed(
    log: SqliteLog, path: Path, tmp_path: Path, looking_often: None
) -> None:
    other = SqliteLog(tmp_path / "other.sqlite", timeout=5)
    for each in (log, other):
        await created(each, a_key())
    await other.close()
    async with a_hub(log, log.feed()) as hub:
        watching = await hub.watch(ALL, "now")
        os.replace(tmp_path / "other.sqlite", path)
        await eventually(watching.over.done)
        assert isinstance(watching.over.exception(), LogReplaced)


async def test_who_watches_a_log_that_comes_back_as_an_older_copy_which_went_on_differently_is_cut_off(
    log: SqliteLog, path: Path, tmp_path: Path, looking_often: None, caplog: pytest.LogCaptureFixture
) -> None:
    await created(log, a_key())
    query(path, f"VACUUM INTO '{tmp_path / 'copy.sqlite'}'")
    copy = SqliteLog(tmp_path / "copy.sqlite", timeout=5)
    for each in (log, copy, copy):
        await created(each, a_key())
    await copy.close()
    async with a_hub(log, log.feed()) as hub:
        watching = await hub.watch(ALL, "now")
        recorded = await created(log, a_key())
        assert await taken(watching, 1) == [recorded]
        os.unlink(path)
        await eventually(lambda: "stopped following the log" in caplog.text)
        os.replace(tmp_path / "copy.sqlite", path)
        await eventually(watching.over.done)
        assert isinstance(watching.over.exception(), LogReplaced)


async def test_nobody_who_watches_costs_nothing_and_many_one_subscription(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_LINGER_SECONDS", 0.05)
    async with a_hub(given.log, given.feed) as made:
        assert given.server.calls["subscribe"] == 0
        watching = await asyncio.gather(*(made.watch(Wanted(a_key()), "now") for _ in range(100)))
        await eventually(lambda: given.server.calls["subscribe"] == 1)
        assert given.server.calls["read"] < 20
        for watch in watching:
            made.leave(watch)
        await eventually(lambda: not given.server.faults.running)
        again = await made.watch(ALL, "now")
        recorded = await created(given.log, a_key())
        assert await taken(again, 1) == [recorded]


async def test_who_is_refused_leaves_no_subscription_behind(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_LINGER_SECONDS", 0.05)
    async with a_hub(given.log, given.feed) as made:
        with pytest.raises(InputNotValid):
            await made.watch(ALL, Cursor(uuid4(), START))
        await eventually(lambda: given.server.calls["subscribe"] == 1)
        await eventually(lambda: not given.server.faults.running)


async def test_a_thousand_who_come_back_at_once_do_not_meet_the_limit_of_calls(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_RING_CHANGES", 10)
    keys = [a_key() for _ in range(50)]
    first = [await created(given.log, key) for key in keys]
    second = [await updated(given.log, key) for key in keys]
    store = await given.feed.store_id()
    most = 0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, len(given.server.faults.running))
            await asyncio.sleep(0.001)

    async with a_hub(given.log, given.feed) as hub:
        looking = asyncio.create_task(look())
        came_back = [
            hub.watch(Wanted(keys[number % 50], is_prefix=number % 5 == 0), cursor(store, first[number % 50]))
            for number in range(1000)
        ]
        watching = await asyncio.gather(*came_back)
        got = await asyncio.gather(*(taken(watch, 1, within=60) for watch in watching))
        looking.cancel()
    assert got == [[second[number % 50]] for number in range(1000)]
    assert most <= 20


async def until_unreadable(watch: Watch) -> list[Recorded]:
    """What comes before the event that can't be read."""
    got: list[Recorded] = []
    async with asyncio.timeout(10):
        while True:
            try:
                for change in await watch.take():
                    if isinstance(change.event, Undecodable):
                        return got
                    got.append(change.event)
            except UndecodableEvent:
                return got


async def test_an_event_that_can_not_be_read_is_never_skipped(given: Given) -> None:
    key = a_key()
    first = await created(given.log, key)
    async with a_hub(given.log, given.feed) as hub:
        live = await hub.watch(ALL, "now")
        await stored(given.others, stream_of(key), data=b"?", type_=UPDATED)
        last = await created(given.log, a_key())
        assert await until_unreadable(live) == []
        assert await until_unreadable(await hub.watch(ALL, "start")) == [first]
        assert await until_unreadable(await hub.watch(Wanted(key), "start")) == []
        assert await seen(hub, Wanted(last.event.key), "start", 1) == [last]
