"""The history of a key in a bare loop: its rows in pages, and `json.dumps`, again and again for some seconds.

Arguments: the folder, the key, the seconds. Prints events each second, and microseconds of CPU time for each.
"""

import json
import sqlite3
import sys
import time

from bench.references.serving import folder

_ROWS = "SELECT type, key, value FROM events WHERE key = ? ORDER BY revision"
_PAGE = 256


def events(key: str, seconds: float) -> tuple[float, float]:
    """Read and write events."""
    connection = sqlite3.connect(f"{(folder() / 'events.sqlite').as_uri()}?mode=ro", uri=True, isolation_level=None)
    done = 0
    began, before = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        cursor = connection.execute(_ROWS, (key,))
        while rows := cursor.fetchmany(_PAGE):
            json.dumps([{"type": type_, "data": {"key": key, "value": value}} for type_, key, value in rows]).encode()
            done += len(rows)
    taken, spent = time.perf_counter() - began, time.process_time() - before
    return done / taken, spent / done * 1e6


print(*events(sys.argv[2], float(sys.argv[3])))  # noqa: T201  for the program that started this one
