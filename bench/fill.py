"""Files of a given size, written straight into the stores' own tables."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from qaservice.domain.codec import CREATED, UPDATED
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.read_model import SqliteReadModel

VALUE = "a value of some forty characters, say"

_BATCH = 50_000
_HASH = 2_654_435_761  # Knuth, "The Art of Computer Programming", section 6.4: scatters consecutive numbers
_INSERT = "INSERT INTO events(key, revision, id, time, type, value) VALUES(?, ?, ?, ?, ?, ?)"


def stored_key(number: int) -> str:
    """The name of key `number`, less than 2^32: keys that follow each other stand anywhere in an index."""
    return f"{number * _HASH % (1 << 32):08x}"


def log_file(path: Path, keys: int, *, revisions: int = 1) -> Path:
    """A log at `path` in which every key was created, then updated as often as makes `revisions` events, each time all
    keys after each other."""
    return _log_file(path, ((stored_key(k), r) for r in range(revisions) for k in range(keys)))


def log_file_of_one(path: Path, key: str, revisions: int) -> Path:
    """A log at `path` with a single key."""
    return _log_file(path, ((key, r) for r in range(revisions)))


def model_file(path: Path, keys: int) -> Path:
    """A complete read model at `path` that holds the keys."""
    asyncio.run(_fill_model(path, keys))
    return path


def _log_file(path: Path, events: Iterator[tuple[str, int]]) -> Path:
    asyncio.run(_empty_log(path))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=off")
    connection.execute("PRAGMA cache_size=-1000000")
    now = time.time_ns() // 1000
    rows = (
        (key, revision, random.randbytes(16), now, UPDATED if revision else CREATED, VALUE) for key, revision in events
    )
    connection.execute("BEGIN")
    connection.executemany(_INSERT, rows)
    connection.execute("COMMIT")
    _close(connection)
    return path


async def _empty_log(path: Path) -> None:
    log = SqliteLog(path, timeout=5)
    await log.check()
    await log.close()


async def _fill_model(path: Path, keys: int) -> None:
    model = SqliteReadModel(path, timeout=5)
    checkpoint = Checkpoint(UUID(int=1), build=1, position=keys - 1)
    await model.begin(checkpoint)
    for first in range(0, keys, _BATCH):
        numbers = range(first, min(first + _BATCH, keys))
        await model.apply([Document(stored_key(n), VALUE, 0, n) for n in numbers], checkpoint)
    await model.close()
    _close(sqlite3.connect(path))


def _close(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
