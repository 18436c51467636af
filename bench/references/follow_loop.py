"""The events of EventStoreDB into MongoDB in a bare loop: same subscription, same bulk writes, no logic.

Arguments: the URIs of both, how the streams' names begin. Prints how long that took and how much CPU time, in seconds.
"""

import re
import sys
import time

import uvloop
from esdbclient import AsyncEventStoreDBClient
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReplaceOne, WriteConcern

_BATCH = 500


async def main(log: str, model: str, prefix: str) -> None:
    """Follow to the end and print."""
    mongodb = AsyncIOMotorClient(model)
    answers = mongodb["qaservice"].get_collection("answers", write_concern=WriteConcern("majority", j=True))
    client = AsyncEventStoreDBClient(log)
    await client.connect()
    await answers.find_one({"_id": 0})
    began, before = time.perf_counter(), time.process_time()
    writes = []
    events = await client.subscribe_to_all(
        filter_include=(f"{re.escape(prefix)}.*",),
        filter_by_stream_name=True,
        include_checkpoints=True,
        include_caught_up=True,
    )
    async for event in events:
        if event.is_caught_up:
            break
        if event.is_checkpoint:
            continue
        row = {"revision": event.stream_position, "position": event.commit_position, "build": 1}
        row["value"] = event.data.decode()
        guard = {"_id": event.stream_name, "build": 1, "revision": {"$lt": event.stream_position}}
        writes.append(ReplaceOne(guard, row, upsert=True, hint="_id_"))
        if len(writes) == _BATCH:
            await answers.bulk_write(writes, ordered=False)
            await answers.update_one({"_id": 0}, {"$set": {"position": event.commit_position}})
            writes = []
    taken, spent = time.perf_counter() - began, time.process_time() - before
    await client.close()
    mongodb.close()
    print(taken, spent)  # noqa: T201  for the program that started this one


uvloop.run(main(*sys.argv[1:]))
