"""What the tests of the files start from: broken disks, other users, copies as a crash would leave them."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

from qaservice.domain.answers import Event, delete
from qaservice.domain.errors import KeyNotFound
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import Recorded
from qaservice.stores.sqlite.log import SqliteLog
from tests.given import a_key, appended, created

_NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, who can write anywhere; for the whole process."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(_NOBODY)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder in which nobody may write, nor in its files."""
    paths = [*folder.iterdir(), folder]
    for path in paths:
        path.chmod(0o555)
    try:
        with as_nobody():
            yield
    finally:
        for path in reversed(paths):
            path.chmod(0o755)


@contextmanager
def disk_with(size: int) -> Iterator[None]:
    """A disk on which no file may grow beyond `size` bytes. (Python ignores the signal that comes with it.)"""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def after_a_crash(path: Path, folder: Path) -> Path:
    """The file as a process would find it if all that use it died now.

    Copied by another process: closing a file in this one would release the locks that SQLite holds on it.
    """
    folder.mkdir()
    found = [str(one) for one in (path, Path(f"{path}-wal")) if one.exists()]
    subprocess.run(["cp", *found, str(folder)], check=True)
    return folder / path.name


async def another_log(folder: Path, *keys: str) -> Path:
    """A whole log in one file, which nobody has open."""
    other = SqliteLog(folder / "other.sqlite", timeout=5)
    await other.check()
    for key in keys:
        await created(other, key)
    await other.close()
    return folder / "other.sqlite"


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """What another program reads in the file, or does to it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


def stored_keys(path: Path) -> list[str]:
    """The keys of all events of a log that is sound, in order."""
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    return [str(key) for (key,) in query(path, "SELECT key FROM events ORDER BY position")]


@asynccontextmanager
async def hanging(
    log: SqliteLog, key: str, decide: Callable[[Recent], Event]
) -> AsyncIterator["asyncio.Task[Recorded]"]:
    """An append on which the log's thread hangs until the block ends; whatever else is asked for waits behind it."""
    started, go_on = threading.Event(), threading.Event()

    def hangs(recent: Recent) -> Event:
        started.set()
        go_on.wait(10)
        return decide(recent)

    under_way = asyncio.create_task(appended(log, key, hangs))
    await asyncio.to_thread(started.wait, 10)
    try:
        yield under_way
    finally:
        go_on.set()


async def outcomes_of(log: SqliteLog, keys: Sequence[str], value: str) -> list[Recorded | BaseException]:
    """Of the creations of all keys, in one batch."""
    missing = a_key()
    async with hanging(log, missing, lambda recent: delete(recent.answer, missing)) as refused:
        waiting = [asyncio.create_task(created(log, key, value)) for key in keys]
        await asyncio.sleep(0)
    with suppress(KeyNotFound):
        await refused
    return await asyncio.gather(*waiting, return_exceptions=True)


def largest_file(folder: Path, pattern: str = "*") -> int:
    """The size of the largest file in a folder, in bytes."""
    return max(one.stat().st_size for one in folder.glob(pattern) if one.is_file())
