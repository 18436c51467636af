"""What a log in a file does when disk, folder or file fail it."""

import asyncio
import hashlib
import os
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from qaservice.domain.answers import create
from qaservice.domain.errors import LogUnavailable, OutcomeUnknown, UndecodableEvent
from qaservice.domain.recorded import Appended, Recorded
from qaservice.stores.sqlite.commit import Command
from qaservice.stores.sqlite.events import schema
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.file import open_for_reading, open_in_memory
from qaservice.stores.sqlite.handle import Handle
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.writer import LoopWriter
from tests.contract.sqlite_given import (
    after_a_crash,
    disk_with,
    largest_file,
    outcomes_of,
    query,
    read_only,
    stored_keys,
)
from tests.given import a_key, created, eventually, history_of

pytestmark = pytest.mark.anyio


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 4096 * 4)


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def ends_at(feed: SqliteFeed, position: int) -> bool:
    return await feed.end() == position


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("value", "fault"),
    [("v" * 1000, OutcomeUnknown), ("v" * 100_000, LogUnavailable)],
    ids=["at the commit", "in the middle of the batch"],
)
async def test_a_full_disk_fails_every_command_of_the_batch(
    log: SqliteLog, path: Path, tmp_path: Path, value: str, fault: type[Exception]
) -> None:
    taken = [a_key() for _ in range(20)]
    before = [await created(log, key) for key in taken]
    keys = [a_key() for _ in range(64)]
    with disk_with(largest_file(path.parent) + 50_000):
        outcomes = await outcomes_of(log, keys + taken, value)
        assert await log.last(taken[0]) == before[0]
    assert {type(outcome) for outcome in outcomes} == {fault}
    assert all("free space" in str(outcome) for outcome in outcomes)
    assert stored_keys(after_a_crash(path, tmp_path / "crashed")) == taken
    healed = await outcomes_of(log, keys, value)
    assert all(isinstance(outcome, Recorded) for outcome in healed)
    assert stored_keys(after_a_crash(path, tmp_path / "after")) == taken + keys


async def test_a_full_memory_fails_every_command_of_the_batch() -> None:
    connection = open_in_memory(schema(), text=bytes)
    connection.execute("PRAGMA max_page_count=30")
    writer = LoopWriter(connection, lambda: None)

    def submitted(key: str, value: str) -> "asyncio.Future[Appended | None]":
        done = asyncio.get_running_loop().create_future()
        writer.submit(Command(key, lambda recent: create(recent.answer, key, value), uuid4(), {}, 0, done))
        return done

    assert await submitted("taken", "john")
    together = [submitted("taken", "jane"), *(submitted(a_key(), "v" * 20_000) for _ in range(10))]
    outcomes = await asyncio.gather(*together, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LogUnavailable}
    assert "memory: the disk is full: free some space" in str(outcomes[0])
    assert await submitted(a_key(), "john")
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (2,)
    await writer.close()


async def test_a_folder_that_became_read_only_is_still_read(path: Path) -> None:
    log, reading = SqliteLog(path, timeout=5), SqliteFeed.of_file(path)
    recorded = await created(log, a_key())
    await log.close()
    assert await reading.end() == recorded.position
    with read_only(path.parent):
        for question in (created(log := SqliteLog(path, timeout=5), a_key()), log.check()):
            with pytest.raises(LogUnavailable, match="read-only: give this user the right to write"):
                await question
        assert await log.last(recorded.event.key) == recorded
        assert await reading.end() == recorded.position
    await log.check()
    assert (await created(log, a_key())).position == recorded.position + 1
    await reading.close()
    await log.close()


@pytest.mark.usefixtures("looking_often")
async def test_a_folder_that_was_always_read_only_is_read_until_somebody_writes(path: Path) -> None:
    log = SqliteLog(path, timeout=5)
    recorded = await created(log, a_key())
    await log.close()
    reading = SqliteFeed.of_file(path)
    with read_only(path.parent):
        assert await reading.end() == recorded.position
    log = SqliteLog(path, timeout=5)
    batches = reading.follow(recorded.position)
    other = await created(log, a_key())
    async with asyncio.timeout(10):
        while not (batch := await anext(batches)).events:
            continue
    assert batch.events == [other]
    await batches.aclose()
    await reading.close()
    await log.close()


@pytest.mark.usefixtures("looking_often")
async def test_a_writer_who_comes_and_goes_unseen_does_not_leave_readers_of_a_read_only_folder_behind(
    path: Path,
) -> None:
    reading = SqliteFeed.of_file(path)
    for position in range(1, 4):
        log = SqliteLog(path, timeout=5)
        await created(log, a_key())
        await log.close()
        with read_only(path.parent):
            await eventually(partial(ends_at, reading, position))
    await reading.close()


async def test_a_change_within_a_tick_of_the_clock_is_seen_in_a_read_only_folder(path: Path) -> None:
    tick = time.time_ns() + 10**12
    handle = Handle(path, partial(open_for_reading, path))
    for count in range(1, 3):
        log = SqliteLog(path, timeout=5)
        await created(log, a_key())
        await log.close()
        os.utime(path, ns=(tick, tick))
        with read_only(path.parent):
            assert handle.current().execute("SELECT count(*) FROM events").fetchone() == (count,)
    handle.close()


async def test_a_folder_that_cannot_be_made_is_said(path: Path) -> None:
    log = SqliteLog(path.parent / "new" / "events.sqlite", timeout=5)
    with read_only(path.parent), pytest.raises(LogUnavailable, match="new can't be made: Permission denied"):
        await log.check()
    await log.check()
    await log.close()


async def test_a_file_that_is_no_database_is_said(log: SqliteLog, path: Path) -> None:
    write(path, b"not a database" * 1000)
    for question in (created(log, a_key()), log.check(), log.last(a_key()), log.feed().store_id()):
        with pytest.raises(LogUnavailable, match=r"events.sqlite: the file .*damaged: restore it from a backup"):
            await question


async def test_a_damaged_file_is_said_and_what_is_whole_is_read(log: SqliteLog, path: Path) -> None:
    keys = [a_key() for _ in range(200)]
    await asyncio.gather(*(created(log, key, "v" * 2000) for key in keys))
    await log.close()
    damage(path)
    log = SqliteLog(path, timeout=5)
    outcomes = await asyncio.gather(*(history_of(log, key) for key in keys), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {list, LogUnavailable, UndecodableEvent}
    assert 100 < sum(isinstance(outcome, list) for outcome in outcomes) < 200
    assert any("damaged: restore it from a backup" in str(outcome) for outcome in outcomes)
    await log.close()


async def test_a_file_of_a_newer_program_is_refused_and_left_as_it_is(log: SqliteLog, path: Path) -> None:
    query(path, "PRAGMA user_version=2")
    before = digest(path)
    for question in (created(log, a_key()), log.check(), log.last(a_key()), log.feed().end()):
        with pytest.raises(LogUnavailable, match=r"newer version \(schema 2, known 1\): upgrade"):
            await question
    assert digest(path) == before


async def test_a_log_that_nobody_has_made_yet_is_said_and_followed_once_it_is_there(path: Path) -> None:
    feed = SqliteFeed.of_file(path)
    with pytest.raises(LogUnavailable, match="check that the folder exists"):
        await feed.store_id()
    write(path, b"")
    with pytest.raises(LogUnavailable, match="still empty"):
        await feed.store_id()
    log = SqliteLog(path, timeout=5)
    recorded = await created(log, a_key())
    assert await feed.end() == recorded.position
    await feed.close()
    await log.close()
