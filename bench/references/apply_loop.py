"""The rows of a log into a read model's table in a bare loop: same rows, same guard, same batches, nothing else.

Prints how long that took and how much CPU time, in seconds, without the reading of the log.
"""

import sqlite3
import time
from pathlib import Path

from bench.references.serving import folder

_BATCH = 500
_TABLE = """
CREATE TABLE answers(key TEXT PRIMARY KEY, revision INTEGER, position INTEGER, build INTEGER, value TEXT);
CREATE TABLE checkpoint(position INTEGER);
INSERT INTO checkpoint VALUES(-1)
"""
_ROWS = "SELECT key, revision, position, 1, value FROM events ORDER BY position"
_UPSERT = """
INSERT INTO answers VALUES(?, ?, ?, ?, ?)
ON CONFLICT(key) DO UPDATE
SET revision = excluded.revision, position = excluded.position, build = excluded.build, value = excluded.value
WHERE (build, revision) < (excluded.build, excluded.revision)
"""


def apply(source: Path, target: Path) -> tuple[float, float]:
    rows = sqlite3.connect(source).execute(_ROWS).fetchall()
    connection = sqlite3.connect(target, isolation_level=None)
    connection.execute("PRAGMA journal_mode=wal").fetchone()
    connection.execute("PRAGMA synchronous=normal")
    connection.executescript(_TABLE)
    began, before = time.perf_counter(), time.process_time()
    for first in range(0, len(rows), _BATCH):
        batch = rows[first : first + _BATCH]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_UPSERT, batch)
        connection.execute("UPDATE checkpoint SET position = ?", (batch[-1][2],))
        connection.execute("COMMIT")
    return time.perf_counter() - began, time.process_time() - before


print(*apply(folder() / "events.sqlite", folder() / "bare.sqlite"))  # noqa: T201  for the program that started this one
