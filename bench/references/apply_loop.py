"""The rows of a log into a read model's table in a bare loop: same rows, same indexes, same guard, same batches, and
nothing else.

Prints how long that took and how much CPU time, in seconds.
"""

import sqlite3
import time
from pathlib import Path

from bench.references.serving import folder

_TABLE = """
CREATE TABLE answers(key TEXT PRIMARY KEY, revision INTEGER, position INTEGER, build INTEGER, value TEXT) WITHOUT ROWID;
CREATE INDEX answers_by_position ON answers(position);
CREATE TABLE checkpoint(position INTEGER);
INSERT INTO checkpoint VALUES(-1)
"""
_ROWS = "SELECT key, revision, position, 1, value FROM events WHERE position > ? ORDER BY position LIMIT 500"
_UPSERT = """
INSERT INTO answers VALUES(?, ?, ?, ?, ?)
ON CONFLICT(key) DO UPDATE
SET revision = excluded.revision, position = excluded.position, build = excluded.build, value = excluded.value
WHERE (build, revision) < (excluded.build, excluded.revision)
"""


def apply(source: Path, target: Path) -> tuple[float, float]:
    log = sqlite3.connect(source, isolation_level=None)
    connection = sqlite3.connect(target, isolation_level=None)
    connection.execute("PRAGMA journal_mode=wal").fetchone()
    connection.execute("PRAGMA synchronous=normal")
    connection.executescript(_TABLE)
    began, before = time.perf_counter(), time.process_time()
    position = -1
    while rows := log.execute(_ROWS, (position,)).fetchall():
        position = rows[-1][2]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_UPSERT, rows)
        connection.execute("UPDATE checkpoint SET position = ?", (position,))
        connection.execute("COMMIT")
    return time.perf_counter() - began, time.process_time() - before


print(*apply(folder() / "events.sqlite", folder() / "bare.sqlite"))  # noqa: T201  for the program that started this one
