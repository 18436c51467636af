"""What a test can let go wrong in the stand-in: in calls to come, in running subscriptions, once or at random."""

import asyncio
from collections import deque
from enum import StrEnum
from random import Random
from typing import Any, Literal, NamedTuple

from esdbclient.protos.Grpc.streams_pb2 import ReadResp
from grpc import StatusCode

Call = Literal["append", "read", "subscribe", "gossip"]


class Then(StrEnum):
    """How a disturbed call goes on."""

    SILENCE = "silence"  # nothing more comes, the connection stays open
    END = "end"  # the call ends normally, without an answer
    CUT = "cut"  # UNAVAILABLE, as when the connection is lost
    EXCEPTION = "exception"  # UNKNOWN, as when a handler of the server throws
    TIMEOUT = "timeout"  # the server's own time limit
    NOT_READY = "not ready"
    NOT_LEADER = "not leader"


class Fault(NamedTuple):
    """`stored`: an append is stored before it goes wrong. `after`: so many events of a read are delivered before."""

    then: Then
    stored: bool = False
    after: int = 0


# By the names under which they can be queued.
FAULTS = {
    "lost": Fault(Then.SILENCE, stored=True),
    "lost-and-cut": Fault(Then.CUT, stored=True),
    "error-after": Fault(Then.EXCEPTION, stored=True),
    "timeout-after": Fault(Then.TIMEOUT, stored=True),
    "error": Fault(Then.EXCEPTION),
    "cut": Fault(Then.CUT),
    "timeout": Fault(Then.TIMEOUT),
    "hang": Fault(Then.SILENCE),
    "end": Fault(Then.END),
    "not-ready": Fault(Then.NOT_READY),
    "wrong-leader": Fault(Then.NOT_LEADER),
}
_STORM: dict[Call, tuple[str, ...]] = {
    "append": ("lost", "lost-and-cut", "error-after", "timeout-after", "error", "cut", "timeout", "hang", "not-ready"),
    "read": ("error", "cut", "timeout", "hang", "not-ready"),
}


class Running:
    """A read or subscription that is under way; `fault` is what shall happen to it after `fault.after` more events."""

    def __init__(self, fault: Fault | None) -> None:
        self.fault = fault
        self._delivered = 0

    def is_due(self) -> bool:
        """Whether the fault shall happen now, before the next message."""
        return self.fault is not None and self._delivered >= self.fault.after

    def count(self, message: ReadResp) -> None:
        """A message was delivered; only events count."""
        self._delivered += message.HasField("event")


class Faults:
    """The faults of one stand-in."""

    def __init__(self) -> None:
        self.running: set[Running] = set()
        self._queued: dict[Call, deque[tuple[str, Fault]]] = {}
        self._share = 0.0
        self._random = Random()

    def queue(self, call: Call, fault: Fault | str, *, times: int = 1, stream: str = "") -> None:
        """Disturb the next calls of a kind, one fault each, in the order in which they were queued.

        `fault`: one of FAULTS or its name. `stream`: only calls that concern a stream whose name begins with it.
        """
        chosen = FAULTS[fault] if isinstance(fault, str) else fault
        self._queued.setdefault(call, deque()).extend([(stream, chosen)] * times)

    def storm(self, share: float, *, seed: int) -> None:
        """From now on disturb a share (0 to 1) of all appends and reads at random."""
        self._share, self._random = share, Random(seed)

    def calm(self) -> None:
        """Forget what is queued, end the storm. What hangs goes on hanging."""
        self._queued.clear()
        self._share = 0.0

    def next(self, call: Call, stream: str = "") -> Fault | None:
        """The fault for a call that just came."""
        if not self._queued and not self._share:
            return None
        queue = self._queued.get(call, deque())
        for entry in queue:
            if stream.startswith(entry[0]):
                queue.remove(entry)
                return entry[1]
        if call in _STORM and self._random.random() < self._share:
            return FAULTS[self._random.choice(_STORM[call])]
        return None

    def disturb(self, fault: Fault | str) -> int:
        """Let all running subscriptions drop ("cut", "error"), end ("end") or freeze ("hang"). Says how many."""
        chosen = FAULTS[fault] if isinstance(fault, str) else fault
        for running in self.running:
            running.fault = chosen
        return len(self.running)


async def play(then: Then, context: Any, leader_port: int) -> None:
    """Let a call go wrong at the level of gRPC; returns only where it ends normally.

    EventStoreDB v24.10 source: RpcExceptions.
    """
    if then is Then.SILENCE:
        await silence()
    elif then is Then.NOT_LEADER:
        leader = (("leader-endpoint-host", "127.0.0.1"), ("leader-endpoint-port", str(leader_port)))
        await context.abort(StatusCode.NOT_FOUND, "Leader info available", (("exception", "not-leader"), *leader))
    elif then is not Then.END:
        await context.abort(*_STATUS[then])


async def silence() -> None:
    """Wait until the call is cancelled."""
    await asyncio.get_running_loop().create_future()


_STATUS = {
    Then.CUT: (StatusCode.UNAVAILABLE, "Socket closed"),
    Then.EXCEPTION: (StatusCode.UNKNOWN, "Exception was thrown by handler."),
    Then.TIMEOUT: (StatusCode.ABORTED, "Operation timed out"),
    Then.NOT_READY: (StatusCode.UNAVAILABLE, "Server Is Not Ready"),
}
