"""Writes to EventStoreDB and events from it, on the stand-in of the tests: it shares a core with the load, so that the
CPU time of the client's side is what is compared."""

import re
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

from bench import fill, servers
from bench.client import Client
from bench.load import drive
from bench.rows import Row, Sample, by_clock, by_cpu, compared
from bench.run import NotMeasured, Run
from bench.servers import Server, ours
from qaservice.domain.codec import CREATED, answer_json, stream_name
from tests.standins.eventstoredb_log import Log, Proposed

_PREFIX = "qaservice.answer-"
_EVENTS = 30_000
_LONGEST_SECONDS = 120.0
_APPLIED = re.compile(r"^qaservice_events_applied_total (\S+)$", re.MULTILINE)


def post(run: Run) -> Sequence[Row]:
    """New keys from 64 connections through the service, against 64 tasks that call the client; and what HTTP may cost
    on top, told from the embedded log."""
    folder = run.folder / "eventstoredb-post"
    with (
        servers.eventstoredb() as log,
        ours("eventstore", folder, stores=log) as service,
        ours("eventstore", folder / "embedded") as embedded,
    ):
        samples = run.interleaved(
            {
                "service": partial(drive, service, "create"),
                "client": partial(_appends, "append_loop", log["EVENTSTORE_URI"]),
                "embedded service": partial(drive, embedded, "create"),
                "embedded log": partial(_appends, "embedded_append_loop", folder),
            }
        )
    cost = {name: min(sample.cpu_us for sample in of) for name, of in samples.items()}
    allowed = cost["client"] + 1.3 * (cost["embedded service"] - cost["embedded log"])
    figure = "POST to EventStoreDB, to a loop of the client's call"
    return [
        Row(f"{figure} and 1.3 x HTTP", "CPU µs/request", cost["service"], target=allowed),
        *by_clock(compared(figure, samples["service"], samples["client"], 1)),
    ]


def catch_up(run: Run) -> Sequence[Row]:
    """Events from the subscription into the read model, against a bare loop."""
    folder = run.folder / "eventstoredb-catch-up"
    folder.mkdir()
    run.say(f"a log of {_EVENTS} events")
    _fill(folder / "log", _EVENTS)
    with servers.eventstoredb(folder / "log") as log, servers.mongodb_stub(folder) as model:

        def projector(*, seconds: int) -> Sample:
            with servers.mongodb_stub(folder) as empty, ours("projector", folder, stores=log | empty) as server:
                first, began, before = _applied(server, 1), time.perf_counter(), server.cpu_seconds()
                last, spent = _applied(server, _EVENTS), server.cpu_seconds() - before
                return Sample((last - first) / (time.perf_counter() - began), spent / (last - first) * 1e6)

        def loop(*, seconds: int) -> Sample:
            taken, spent = servers.bare_loop("follow_loop", log["EVENTSTORE_URI"], model["MONGODB_URI"], _PREFIX)
            return Sample(_EVENTS / taken, spent / _EVENTS * 1e6)

        samples = run.interleaved({"projector": projector, "loop": loop})
    figure = "catch-up from EventStoreDB, to a bare loop"
    return by_cpu(compared(figure, samples["projector"], samples["loop"], 1 / 1.4, unit="event"))


def _appends(program: str, where: object, *, seconds: int) -> Sample:
    per_second, cpu_us = servers.bare_loop(program, where, seconds)
    return Sample(per_second, cpu_us)


def _fill(path: Path, events: int) -> None:
    log = Log(path)
    for number in range(events):
        key = fill.stored_key(number)
        data = answer_json(key, fill.VALUE).encode()
        log.write(stream_name(_PREFIX, key), 0, [Proposed(str(uuid4()), CREATED, True, data, b"{}")])
    log.close()


def _applied(projector: Server, events: int) -> float:
    """How many it has applied, as soon as that are so many. Raises NotMeasured."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        with Client(projector) as client:
            found = _APPLIED.search(client.text("/metrics"))
        if found is not None and float(found[1]) >= events:
            return float(found[1])
        time.sleep(0.1)
    raise NotMeasured(f"the projector did not apply {events} events within {_LONGEST_SECONDS:.0f} s")
