"""Appends of new keys to the embedded log by 64 tasks, and nothing else, for some seconds.

Arguments: the folder, the seconds. Prints appends each second, and microseconds of CPU time for each.
"""

import asyncio
import sys
import time
from pathlib import Path

import uvloop

from bench.fill import VALUE
from qaservice.domain.answers import create
from qaservice.runtime.ids import id_maker
from qaservice.stores.sqlite.log import SqliteLog

_TASKS = 64


async def main(folder: Path, seconds: float) -> None:
    """Append and print."""
    log = SqliteLog(folder / "loop.sqlite", timeout=5)
    new_id = id_maker()
    done = 0
    began, before = time.perf_counter(), time.process_time()

    async def append() -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            id = new_id()
            await log.append(id.hex, lambda recent, key=id.hex: create(recent.answer, key, VALUE), id=id, metadata={})
            done += 1

    await asyncio.gather(*(append() for _ in range(_TASKS)))
    taken, spent = time.perf_counter() - began, time.process_time() - before
    await log.close()
    print(done / taken, spent / done * 1e6)  # noqa: T201  for the program that started this one


uvloop.run(main(Path(sys.argv[1]), float(sys.argv[2])))
