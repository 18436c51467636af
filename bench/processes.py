"""What a process needs before its first reply, and with much behind it."""

import time
from collections.abc import Sequence
from statistics import median

from bench.catch_up import rebuilt
from bench.load import drive
from bench.rows import Row
from bench.run import Run
from bench.servers import Server, ours
from bench.size import MANY, million

_SERVICES = ("eventstore", "projector", "projection", "monolith")


def start(run: Run) -> Sequence[Row]:
    """Seconds from the command to the first reply, each time on an empty folder."""

    def first_reply(service: str, number: int) -> float:
        run.say(f"round {number + 1} of {run.rounds}: {service}")
        began = time.perf_counter()
        with ours(service, run.folder / f"start-{service}-{number}"):
            return time.perf_counter() - began

    return [
        Row(
            f"start to first reply, {service}",
            "s",
            median(first_reply(service, n) for n in range(run.rounds)),
            target=1,
        )
        for service in _SERVICES
    ]


def memory(run: Run) -> Sequence[Row]:
    """Mebibytes that a process holds after loads on a million keys, or after it read a million events."""
    folder = million(run)
    held: dict[str, float] = {}

    def loaded(service: str, server: Server, *scripts: str) -> None:
        for script in scripts:
            run.say(f"{service}: {script}")
            drive(server, script, MANY, seconds=run.seconds)
        held[service] = server.resident_mebibytes()

    with ours("eventstore", folder) as server:
        loaded("eventstore", server, "create", "update_any", "read_any")
    with ours("projection", folder) as server:
        loaded("projection", server, "read_any")
    for service, scripts in (("projector", ()), ("monolith", ("create", "update_any", "read_any"))):
        run.say(f"{service}: a read model of a million keys")
        with rebuilt(service, folder) as (server, _):
            loaded(service, server, *scripts)
    return [Row(f"memory with a million keys, {name}", "MiB", held[name], target=96) for name in _SERVICES]
