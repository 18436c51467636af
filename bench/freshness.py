"""How soon a write that was acknowledged can be read on 8081, and what a follower costs that has nothing to do."""

import secrets
import time
from collections.abc import Sequence
from statistics import median

from bench.client import Client
from bench.rows import Row
from bench.run import NotMeasured, Run
from bench.servers import Server, ours

_WRITES_EACH_ROUND = 100
_PAUSE = 0.005
_IDLE_SECONDS_EACH_ROUND = 2


def monolith(run: Run) -> Sequence[Row]:
    """In one process, which listens on the two ports a user gets: 8080 and 8081 must be free."""
    with ours("monolith", run.folder / "fresh-monolith", port=8080) as writes:
        delay = median_delay(run, writes, Server(writes.pid, 8081))
    return [Row("acknowledged to readable, monolith, p50", "ms", delay, target=2)]


def three_processes(run: Run) -> Sequence[Row]:
    """Across three processes, and the projector's CPU time while nothing happens."""
    folder = run.folder / "fresh-three"
    with (
        ours("eventstore", folder) as writes,
        ours("projector", folder) as follower,
        ours("projection", folder) as reads,
    ):
        delay = median_delay(run, writes, reads)
        run.say("idle")
        idle = follower.idle_share(_IDLE_SECONDS_EACH_ROUND * run.rounds)
    return [
        Row("acknowledged to readable, three processes, p50", "ms", delay, target=3),
        Row("an idle projector", "% of a core", idle, target=0.5),
    ]


def read_your_write(run: Run) -> Sequence[Row]:
    """Across three processes: a write and then a read with the token of its reply, against twice the write itself and
    3 ms."""
    folder = run.folder / "read-your-write"
    written, both = [], []
    with (
        ours("eventstore", folder) as writes,
        ours("projector", folder),
        ours("projection", folder) as reads,
        Client(writes) as writer,
        Client(reads) as reader,
    ):
        for number in range(run.rounds):
            run.say(f"round {number + 1} of {run.rounds}: write, then read")
            for _ in range(_WRITES_EACH_ROUND):
                key = secrets.token_hex(8)
                began = time.perf_counter()
                token = writer.create(key)
                written.append(time.perf_counter() - began)
                if not reader.has(f"/answers/{key}", {"Consistency-Token": token}):
                    raise NotMeasured(f"{key} was not there")
                both.append(time.perf_counter() - began)
    own, pair = median(written) * 1000, median(both) * 1000
    return [Row(f"a write ({own:.2g} ms) and a read with its token, p50", "ms", pair, target=2 * own + 3)]


def median_delay(run: Run, writes: Server, reads: Server) -> float:
    """From the reply to a write until a read finds it, in milliseconds."""
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
