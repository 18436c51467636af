"""How soon a write that was acknowledged can be read on 8081, and what a follower costs that has nothing to do."""

import secrets
import time
from collections.abc import Sequence
from statistics import median

from bench.client import Client
from bench.rows import Row
from bench.run import Run
from bench.servers import Server, ours

_WRITES_EACH_ROUND = 100
_PAUSE = 0.005
_IDLE_SECONDS_EACH_ROUND = 2


def monolith(run: Run) -> Sequence[Row]:
    """In one process, which listens on the two ports a user gets: 8080 and 8081 must be free."""
    with ours("monolith", run.folder / "fresh-monolith", port=8080) as writes:
        delay = _median_delay(run, writes, Server(writes.pid, 8081))
    return [Row("acknowledged to readable, monolith, p50", "ms", delay, target=2)]


def three_processes(run: Run) -> Sequence[Row]:
    """Across three processes, and the projector's CPU time while nothing happens."""
    folder = run.folder / "fresh-three"
    with (
        ours("eventstore", folder) as writes,
        ours("projector", folder) as follower,
        ours("projection", folder) as reads,
    ):
        delay = _median_delay(run, writes, reads)
        idle = _idle_share(run, follower)
    return [
        Row("acknowledged to readable, three processes, p50", "ms", delay, target=3),
        Row("an idle projector", "% of a core", idle, target=0.5),
    ]


def _median_delay(run: Run, writes: Server, reads: Server) -> float:
    """In milliseconds."""
    delays = []
    with Client(writes) as writer, Client(reads) as reader:
        for number in range(run.rounds):
            run.say(f"round {number + 1} of {run.rounds}: acknowledged to readable")
            for _ in range(_WRITES_EACH_ROUND):
                key = secrets.token_hex(8)
                time.sleep(_PAUSE)  # the follower has gone back to waiting
                writer.create(key)
                acknowledged = time.perf_counter()
                while not reader.has(f"/answers/{key}"):
                    pass
                delays.append(time.perf_counter() - acknowledged)
    return median(delays) * 1000


def _idle_share(run: Run, follower: Server) -> float:
    """In per cent of a core."""
    run.say("idle")
    seconds = _IDLE_SECONDS_EACH_ROUND * run.rounds
    before, began = follower.cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    return (follower.cpu_seconds() - before) / (time.perf_counter() - began) * 100
