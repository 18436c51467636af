"""The lines of an export in a bare loop: `json.loads`, and inserts in batches, each of them durable.

Arguments: the folder. Prints events each second, and microseconds of CPU time for each.
"""

import json
import sqlite3
import time
from itertools import islice
from pathlib import Path

from bench.references.serving import folder
from qaservice.stores.sqlite.events import INSERT, schema

_BATCH = 1_000


def events(lines: Path, log: Path) -> tuple[float, float]:
    """Insert all events; the last line is none."""
    log.unlink(missing_ok=True)
    connection = sqlite3.connect(log, isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode=wal; PRAGMA synchronous=full; {schema()}")
    began, before, done = time.perf_counter(), time.process_time(), 0
    with lines.open("rb") as file:
        while batch := [e for e in map(json.loads, islice(file, _BATCH)) if "key" in e]:
            connection.execute("BEGIN")
            connection.executemany(
                INSERT, [(e["key"], e["revision"], e["id"], 0, e["type"], None, e["value"]) for e in batch]
            )
            connection.execute("COMMIT")
            done += len(batch)
    return done / (time.perf_counter() - began), (time.process_time() - before) / done * 1e6


print(*events(folder() / "all.ndjson", folder() / "bare.sqlite"))  # noqa: T201  for the program that started this one
