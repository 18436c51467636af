"""The events of a log in a bare loop: a SELECT, and `json.dumps` of every row.

Arguments: the folder. Prints events each second, and microseconds of CPU time for each.
"""

import json
import sqlite3
import time
from pathlib import Path

from bench.references.serving import folder

_COLUMNS = ("key", "revision", "id", "time", "type", "value", "metadata")
_ROWS = "SELECT key, revision, hex(id), time, type, value, metadata FROM events ORDER BY position"


def events(log: Path, output: Path) -> tuple[float, float]:
    """Write all events."""
    connection = sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)
    began, before, done = time.perf_counter(), time.process_time(), 0
    with output.open("wb") as lines:
        for row in connection.execute(_ROWS):
            lines.write(json.dumps(dict(zip(_COLUMNS, row, strict=True))).encode() + b"\n")
            done += 1
    return done / (time.perf_counter() - began), (time.process_time() - before) / done * 1e6


print(*events(folder() / "events.sqlite", folder() / "bare.ndjson"))  # noqa: T201  for the program that started this one
