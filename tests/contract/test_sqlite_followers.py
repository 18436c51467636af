"""Who follows a log in a file that is deleted or replaced does not go on as if it were the old one."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from qaservice.domain.errors import LogReplaced, LogUnavailable
from qaservice.domain.recorded import START, Batch, Recorded
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.log import SqliteLog
from tests.contract.sqlite_given import another_log, query
from tests.given import a_key, created

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["same process", "another process"])
async def feed(
    request: pytest.FixtureRequest, log: SqliteLog, path: Path, looking_often: None
) -> AsyncIterator[SqliteFeed]:
    """What follows the log: over what the log itself reads with, or over nothing but the file."""
    await log.check()
    feed = log.feed() if request.param == "same process" else SqliteFeed.of_file(path)
    yield feed
    await feed.close()


async def until_replaced(batches: AsyncIterator[Batch]) -> list[Recorded]:
    """The events up to the point where the feed says that the log is another one."""
    events: list[Recorded] = []
    try:
        async with asyncio.timeout(10):
            async for batch in batches:
                events += batch.events  # type: ignore[arg-type]
    except LogReplaced:
        return events
    raise AssertionError("the feed ended")


async def test_a_follower_notices_another_file(log: SqliteLog, feed: SqliteFeed, path: Path, tmp_path: Path) -> None:
    store, old = await feed.store_id(), await created(log, a_key())
    following = asyncio.create_task(until_replaced(feed.follow(START)))
    while not await feed.end():
        continue
    await asyncio.sleep(0)
    (await another_log(tmp_path, "one")).replace(path)
    assert [event.event.key for event in await following] in ([old.event.key], [])
    assert await feed.store_id() != store
    first = await anext(feed.follow(START))
    assert [event.event.key for event in first.events] == ["one"]  # type: ignore[union-attr]


async def test_a_follower_notices_that_a_backup_was_restored_into_the_open_file(
    log: SqliteLog, feed: SqliteFeed, path: Path, tmp_path: Path
) -> None:
    await created(log, a_key())
    query(path, f"VACUUM INTO '{tmp_path / 'backup.sqlite'}'")
    lost = await created(log, a_key())
    following = asyncio.create_task(until_replaced(feed.follow(lost.position)))
    await asyncio.sleep(0)
    query(path, "DELETE FROM events WHERE position = 2")
    query(path, "UPDATE sqlite_sequence SET seq = 1")
    assert await following == []
    again = await created(log, a_key())
    assert again.position == lost.position


async def test_a_follower_waits_for_a_file_that_was_deleted(log: SqliteLog, feed: SqliteFeed, path: Path) -> None:
    await created(log, a_key())
    following = asyncio.create_task(until_replaced(feed.follow(START)))
    await asyncio.sleep(0)
    os.unlink(path)
    with pytest.raises(LogUnavailable, match="check that the folder exists"):
        await following
    recorded = await created(log, a_key())
    assert await feed.end() == recorded.position == 1


async def test_a_follower_at_the_start_of_an_empty_log_gets_nothing_of_another(
    log: SqliteLog, feed: SqliteFeed, path: Path, tmp_path: Path
) -> None:
    batches = feed.follow(START)
    assert (await anext(batches)).at_end
    (await another_log(tmp_path, "one")).replace(path)
    assert await until_replaced(batches) == []
