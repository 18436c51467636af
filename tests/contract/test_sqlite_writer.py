"""What a log in a file does with commands that fail, hang, or come too late, and with events that can't be read."""

import asyncio
import re
import sqlite3
import time
from contextlib import aclosing, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from qaservice.domain.answers import AnswerCreated, Event, create
from qaservice.domain.errors import LogUnavailable, OutcomeUnknown, UndecodableEvent
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import START, Appended, Recorded, Undecodable
from qaservice.stores.sqlite import feed as sqlite_feed
from qaservice.stores.sqlite.commit import Command
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.writer import ThreadWriter
from tests.contract.sqlite_given import disk_with, hanging, largest_file, outcomes_of, query, stored_keys
from tests.given import a_key, appended, created, eventually, history_of, updated

pytestmark = pytest.mark.anyio


async def works(log: SqliteLog) -> bool:
    """Whether a write went through, and in time."""
    with suppress(LogUnavailable):
        await log.check()
        return True
    return False


async def test_a_locked_file_is_waited_for_no_longer_than_the_timeout(path: Path) -> None:
    log = SqliteLog(path, timeout=0.2)
    await log.check()
    began = time.monotonic()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(*(created(log, a_key()) for _ in range(10)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LogUnavailable}
    assert "another process holds it locked" in str(outcomes[0])
    assert time.monotonic() - began < 2
    await eventually(lambda: works(log))
    await log.close()


async def test_a_write_that_hangs_has_an_unknown_outcome(path: Path) -> None:
    log = SqliteLog(path, timeout=0.05)
    key, waiting = a_key(), a_key()
    async with hanging(log, key, lambda recent: create(recent.answer, key, "john")) as one:
        other = asyncio.create_task(created(log, waiting))
        for task in (one, other):
            with pytest.raises(OutcomeUnknown, match="not confirmed the write in time"):
                await task
    await eventually(lambda: works(log))
    assert len(await history_of(log, key)) == 1
    assert await history_of(log, waiting) == []
    await log.close()


async def test_a_check_that_a_slow_disk_keeps_waiting_says_that_the_log_is_not_available(path: Path) -> None:
    log = SqliteLog(path, timeout=0.05)
    async with hanging(log, "name", lambda recent: create(recent.answer, "name", "john")) as writing:
        with pytest.raises(LogUnavailable, match="not confirmed the write in time"):
            await log.check()
        with pytest.raises(OutcomeUnknown):
            await writing
    await eventually(lambda: works(log))
    await log.close()


@pytest.mark.parametrize("key", ["\ud800", "a" * 10], ids=["key", "metadata"])
async def test_a_command_that_cannot_be_stored_fails_alone(log: SqliteLog, key: str) -> None:
    keys = [a_key() for _ in range(20)]

    def decide(recent: Recent) -> Event:
        return AnswerCreated(key, "john")

    broken = appended(log, key, decide, unstorable=object())
    outcomes = await asyncio.gather(broken, *(created(log, one) for one in keys), return_exceptions=True)
    assert isinstance(outcomes[0], UnicodeEncodeError | TypeError)
    assert [type(outcome) for outcome in outcomes[1:]] == [Recorded] * 20


async def test_a_key_whose_last_event_is_unreadable_takes_no_other_along(log: SqliteLog, path: Path) -> None:
    broken, sound = a_key(), a_key()
    await created(log, broken)
    await created(log, sound)
    query(path, f"UPDATE events SET type = 'AnswerMovedEvent' WHERE key = '{broken}'")
    outcomes = await asyncio.gather(updated(log, broken), updated(log, sound), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UndecodableEvent, Recorded]
    with pytest.raises(UndecodableEvent, match=f"position 1 of key {broken} can't be read: unknown event type"):
        await log.last(broken)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("type = 'AnswerMovedEvent'", "unknown event type 'AnswerMovedEvent'"),
        ("value = ''", "AnswerCreatedEvent without a value"),
        ("value = CAST(x'ff' AS TEXT)", "can't decode byte 0xff"),
        ("key = CAST(x'6b657920ff' AS TEXT)", "can't decode byte 0xff"),
        ("key = ''", "without a key"),
        ("type = CAST(x'ff' AS TEXT)", "can't decode byte 0xff"),
        ("id = x'00'", "an id of 1 bytes"),
        ("id = 'text'", "an id of 4 bytes"),
        ("time = 9223372036854775807", "."),
        ("time = 'noon'", "."),
        ("metadata = '{'", "Expecting property name"),
        ("metadata = CAST(zeroblob(3) AS TEXT)", "."),
    ],
)
async def test_an_event_that_cannot_be_read_is_handed_out_as_such(
    log: SqliteLog, path: Path, damage: str, reason: str
) -> None:
    first, second, third = [await created(log, a_key()) for _ in range(3)]
    query(path, f"UPDATE events SET {damage} WHERE position = {second.position}")
    batch = await anext(log.feed().follow(START))
    assert [batch.events[0], batch.events[2]] == [first, third]
    unreadable = batch.events[1]
    assert isinstance(unreadable, Undecodable)
    assert unreadable.position == second.position
    assert re.search(reason, unreadable.reason)
    assert unreadable.key in (second.event.key, "key \\xff", "")


async def test_appends_after_the_close_are_refused_and_those_before_are_stored(path: Path) -> None:
    log = SqliteLog(path, timeout=5)
    keys = [a_key() for _ in range(100)]
    writing = asyncio.gather(*(created(log, key) for key in keys))
    await asyncio.sleep(0)
    await log.close()
    assert len(await writing) == 100
    assert sorted(stored_keys(path)) == sorted(keys)
    with pytest.raises(LogUnavailable, match="was closed"):
        await created(log, a_key())


async def test_after_a_burst_the_write_ahead_log_is_small_again(log: SqliteLog, path: Path) -> None:
    await outcomes_of(log, [a_key() for _ in range(100)], "v" * 500_000)
    assert largest_file(path.parent) > 32 << 20
    for _ in range(3):
        await created(log, a_key())
    assert largest_file(path.parent, "*-wal") <= 16 << 20


async def test_readers_do_not_keep_the_write_ahead_log_growing(log: SqliteLog, path: Path) -> None:
    key = a_key()
    await created(log, key)
    await asyncio.gather(*(updated(log, key) for _ in range(600)))
    pages, batches = log.history(key, range(601)), log.feed().follow(START)
    await anext(pages)
    await anext(batches)
    for _ in range(120):
        await updated(log, key, "v" * 300_000)
    assert largest_file(path.parent, "*-wal") < 20 << 20
    await pages.aclose()
    await batches.aclose()


async def test_after_a_failed_commit_the_file_is_opened_anew(path: Path) -> None:
    openings: list[None] = []
    writer = ThreadWriter(
        path, opened=lambda: openings.append(None), committed=lambda: None, committed_in_thread=lambda: None
    )

    def submitted(value: str) -> "asyncio.Future[Appended | None]":
        done = asyncio.get_running_loop().create_future()
        key, deadline = a_key(), time.monotonic() + 5
        writer.submit(Command(key, lambda recent: create(recent.answer, key, value), uuid4(), {}, deadline, done))
        return done

    await submitted("john")
    with disk_with(largest_file(path.parent) + 10_000), pytest.raises(OutcomeUnknown):
        await submitted("v" * 50_000)
    assert len(openings) == 1
    await submitted("v" * 50_000)
    await submitted("john")
    assert len(openings) == 2
    await writer.close()


async def test_recorded_time_does_not_run_backwards_with_the_clock(log: SqliteLog, path: Path) -> None:
    await created(log, a_key())
    query(path, "UPDATE events SET time = time + 3600 * 1000000")
    first = await log.last((await created(log, a_key())).event.key)
    assert first is not None
    assert (first.time - datetime.now(UTC)).total_seconds() > 3000


async def test_the_writer_survives_what_nobody_expected(path: Path) -> None:
    log = SqliteLog(path.with_name("a\0b"), timeout=5)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="unexpected ValueError"):
            await created(log, a_key())
    await log.close()


@pytest.mark.parametrize("process", ["same", "another"])
async def test_what_is_appended_while_a_follower_is_busy_wakes_it(
    log: SqliteLog, path: Path, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = await created(log, a_key())
    feed = log.feed() if process == "same" else SqliteFeed.of_file(path)
    async with aclosing(feed.follow(last.position)) as batches:
        for _ in range(3):
            await anext(batches)  # listens
        monkeypatch.setattr(sqlite_feed, "_LOOK_AGAIN_AFTER", 60)
        for _ in range(3):
            recorded = await created(log, a_key())
            async with asyncio.timeout(10):
                while not (batch := await anext(batches)).events:
                    continue
            assert batch.events == [recorded]
    await feed.close()
