"""Several writers and followers of one file, in this process and in others."""

import asyncio
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from threading import Timer

import pytest

from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.sink import SqliteSink
from tests.contract.sqlite_child import SHARED, write
from tests.contract.sqlite_given import query
from tests.given import a_key, created, history_of

pytestmark = pytest.mark.anyio

_ROOT = Path(__file__).parents[2]
_SAFETY_NET = 1.0


@asynccontextmanager
async def child(task: str, path: Path) -> AsyncIterator[asyncio.StreamReader]:
    """What another process prints, which is killed at the end if it still runs."""
    arguments = ("-m", "tests.contract.sqlite_child", task, str(path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=_ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def sound(path: Path, count: int) -> None:
    """The log has so many events, whose positions have no gap, nor have the revisions of the key they all wrote."""
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "SELECT count(*), min(position), max(position) FROM events") == [(count, 1, count)]
    log = SqliteLog(path, timeout=5)
    history = await history_of(log, SHARED)
    assert [recorded.revision for recorded in history] == list(range(len(history)))
    assert [recorded.time for recorded in history] == sorted(recorded.time for recorded in history)
    await log.close()


async def test_two_saturated_writers_of_one_process_take_turns(path: Path) -> None:
    (one, wait), (other, another_wait) = await asyncio.gather(write(path), write(path))
    assert max(wait, another_wait) < 1
    await sound(path, one + other)


async def test_two_saturated_processes_take_turns(path: Path) -> None:
    async with child("write", path) as first, child("write", path) as second:
        reports = [(await output.read()).split() for output in (first, second)]
    assert max(float(wait) for _, wait in reports) < 1
    await sound(path, sum(int(count) for count, _ in reports))


async def test_a_follower_in_another_process_is_woken(log: SqliteLog, path: Path) -> None:
    await created(log, a_key())
    delays = []
    async with child("follow", path) as output, asyncio.timeout(30):
        await output.readline()
        for _ in range(15):
            await created(log, a_key())
            acknowledged = time.monotonic()
            delays.append(float(await output.readline()) - acknowledged)
    assert statistics.median(delays) < _SAFETY_NET / 5


async def test_followers_killed_again_and_again_leave_nothing_behind(log: SqliteLog, path: Path) -> None:
    await created(log, a_key())
    for _ in range(3):
        async with child("follow", path) as output, asyncio.timeout(30):
            await output.readline()
            await created(log, a_key())
            await output.readline()
    await created(log, a_key())
    await log.close()
    assert os.listdir(path.parent / "wake") == []


async def test_an_import_waits_for_whoever_is_writing_when_it_begins(log: SqliteLog, path: Path) -> None:
    await log.check()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = Timer(0.2, other.rollback)
        done.start()
        sink = SqliteSink(path, timeout=5)
        await sink.open()
        done.join()
    await sink.close()
