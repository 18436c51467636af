"""The form with servers as a whole: reads of MongoDB, the way of an event through three processes, and what they hold.
EventStoreDB is the stand-in of the tests."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from bench import servers
from bench.freshness import median_delay
from bench.load import drive
from bench.rows import Row, by_cpu, compared
from bench.run import NotMeasured, Run
from bench.servers import Server, ours, reference
from qaservice.domain.readmodel import Checkpoint
from qaservice.stores.mongodb.read_model import MongoReadModel
from tests.standins import mongodb

_KEYS = 100_000
_EVENTS, _LONGEST_SECONDS = 200_000, 160.0
_READY_SECONDS = 30.0


def get(run: Run) -> Sequence[Row]:
    """GET on 8081, against a Starlette route around one `find_one`."""
    folder = run.folder / "mongodb-get"
    with servers.mongodb_stub(folder) as model:
        asyncio.run(_begin(model["MONGODB_URI"]))
        with (
            ours("projection", folder, stores=model) as service,
            reference("motor_reads", folder, model["MONGODB_URI"]) as starlette,
        ):
            samples = run.interleaved(
                {
                    "ours": partial(drive, service, "read_any", _KEYS),
                    "starlette": partial(drive, starlette, "read_any", _KEYS),
                }
            )
    figure = "GET from MongoDB, to bare Starlette and motor"
    return by_cpu(compared(figure, samples["ours"], samples["starlette"], 1 / 1.3))


def fresh(run: Run) -> Sequence[Row]:
    """Across three processes on the test servers."""
    folder = run.folder / "production-fresh"
    folder.mkdir()
    try:
        with servers.eventstoredb() as log, mongodb.secantusdb(folder) as uri:
            stores = log | {"MONGODB_URI": uri}
            with (
                ours("eventstore", folder, stores=stores) as writes,
                ours("projector", folder, stores=stores) as follower,
                ours("projection", folder, stores=stores) as reads,
            ):
                _ready(follower)
                delay = median_delay(run, writes, reads)
    except mongodb.NotToBeHad as reason:
        raise NotMeasured(str(reason)) from None
    return [Row("acknowledged to readable, test servers, p50", "ms", delay, target=10)]


def memory(run: Run) -> Sequence[Row]:
    """What each process holds after three tenths of many events, and after all of them, or of as many as the time
    allows."""
    folder = run.folder / "production-memory"
    events = _EVENTS if run.seconds > 1 else _EVENTS // 10
    held: list[dict[str, float]] = []
    with servers.eventstoredb() as log, servers.mongodb_stub(folder) as model:
        stores = log | model
        with (
            ours("eventstore", folder, stores=stores) as writes,
            ours("projector", folder, stores=stores) as follower,
            ours("projection", folder, stores=stores) as reads,
        ):
            _ready(follower)
            done = 0.0
            for tenth in range(1, 11):
                deadline = time.monotonic() + _LONGEST_SECONDS / 10
                while done < events * tenth / 10 and time.monotonic() < deadline:
                    run.say(f"{done:.0f} of {events} events")
                    done += drive(writes, "create", seconds=2).per_second * 2
                drive(reads, "read_any", _KEYS, seconds=1)
                processes = {"eventstore": writes, "projector": follower, "projection": reads}
                held.append({name: process.resident_mebibytes() for name, process in processes.items()})
    third, last = held[2], held[-1]
    figure = f"memory after {min(done, events) // 1000:.0f},000 events, to three tenths of them"
    return [Row(f"{figure}, {name}", "ratio", last[name] / third[name], target=1.05) for name in last]


async def _begin(uri: str) -> None:
    model = MongoReadModel(uri, "qaservice", timeout=5)
    await model.begin(Checkpoint(UUID(int=1), build=1, position=0))
    await model.close()


def _ready(service: Server) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not servers.answers(service.port, "/health/ready"):
        if time.monotonic() > deadline:
            raise NotMeasured(f"port {service.port} is not ready")
        time.sleep(0.1)
