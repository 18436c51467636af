"""Pages of a list in a bare loop: the answers behind a random key, and `json.dumps`, for some seconds.

Arguments: the folder, the number of its keys, the answers of a page, the seconds. Prints pages each second, and
microseconds of CPU time for each.
"""

import json
import random
import sqlite3
import sys
import time

from bench.fill import stored_key
from bench.references.serving import folder

_PAGE = "SELECT key, value FROM answers WHERE key > ? AND value IS NOT NULL ORDER BY key LIMIT ?"


def pages(keys: int, limit: int, seconds: float) -> tuple[float, float]:
    """Read and write pages."""
    connection = sqlite3.connect(f"{(folder() / 'answers.sqlite').as_uri()}?mode=ro", uri=True, isolation_level=None)
    done = 0
    began, before = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        rows = connection.execute(_PAGE, (stored_key(random.randrange(keys)), limit)).fetchall()
        json.dumps([{"key": key, "value": value} for key, value in rows])
        done += 1
    taken, spent = time.perf_counter() - began, time.process_time() - before
    return done / taken, spent / done * 1e6


print(*pages(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))  # noqa: T201  for the program that started this
