"""Appends of new streams by 64 tasks with the client's own call, and nothing else, for some seconds.

Arguments: the URI, the seconds. Prints appends each second, and microseconds of CPU time for each.
"""

import asyncio
import json
import sys
import time
from uuid import uuid4

import uvloop
from esdbclient import AsyncEventStoreDBClient, NewEvent, StreamState

from bench.fill import VALUE

_TASKS = 64


async def main(uri: str, seconds: float) -> None:
    """Append and print."""
    client = AsyncEventStoreDBClient(uri)
    await client.connect()
    done = 0
    began, before = time.perf_counter(), time.process_time()

    async def append() -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            key = uuid4().hex
            event = NewEvent("AnswerCreatedEvent", json.dumps({"key": key, "value": VALUE}).encode())
            await client.append_to_stream(f"bench-{key}", current_version=StreamState.NO_STREAM, events=[event])
            done += 1

    await asyncio.gather(*(append() for _ in range(_TASKS)))
    taken, spent = time.perf_counter() - began, time.process_time() - before
    await client.close()
    print(done / taken, spent / done * 1e6)  # noqa: T201  for the program that started this one


uvloop.run(main(sys.argv[1], float(sys.argv[2])))
