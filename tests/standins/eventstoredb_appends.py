"""The stand-in's BatchAppend: any number of appends in one call, each answered under its correlation id.

EventStoreDB v24.10 source: Streams.BatchAppend.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
from esdbclient.protos.Grpc.streams_pb2 import BatchAppendReq, BatchAppendResp

from tests.standins import eventstoredb_messages as messages
from tests.standins.eventstoredb_faults import Fault, Faults, Then, play, silence
from tests.standins.eventstoredb_log import Log
from tests.standins.eventstoredb_writes import Writes

# EventStoreDB documentation, "Configuration: MaxAppendSize", and source: Event.SizeOnDisk, data + metadata + 2 x type.
MAX_APPEND_SIZE = 1024 * 1024


@dataclass
class Database:
    """What the nodes of one stand-in have in common."""

    log: Log
    append_latency: float
    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    ports: list[int] = field(default_factory=list)
    leader: int = 0
    writes: Writes = field(init=False)

    def __post_init__(self) -> None:
        self.writes = Writes(self.log)

    @property
    def leader_port(self) -> int:
        """Where the leader listens."""
        return self.ports[self.leader]

    async def require_leader(self, node: int, context: Any) -> None:
        """Name the leader to a client that asks for it and called another node.

        EventStoreDB v24.10 source: ServiceBase.GetRequiresLeader.
        """
        if node != self.leader and ("requires-leader", "true") in context.invocation_metadata():
            await play(Then.NOT_LEADER, context, self.leader_port)


class Appends:
    """One BatchAppend call to one node."""

    def __init__(self, database: Database, node: int, context: Any) -> None:
        self._database = database
        self._node = node
        self._context = context
        self._begun: dict[bytes, BatchAppendReq] = {}
        self._ends_with: Then | None = None
        self._outbox: Outbox | None = None

    async def run(self) -> None:
        """Answer until the client has nothing more to say and everything is answered that will be."""
        try:
            while (request := await self._context.read()) is not grpc.aio.EOF:
                answer = await self._answer(request)
                if answer is not None:
                    await self._send(answer)
                elif self._ends_with is Then.END:
                    return
            if self._outbox:
                await self._outbox.flush()
            if self._ends_with is Then.SILENCE:
                await silence()
        finally:
            if self._outbox:
                self._outbox.close()

    async def _send(self, answer: BatchAppendResp) -> None:
        latency = self._database.append_latency
        if latency and self._outbox is None:
            self._outbox = Outbox(self._context)
        if self._outbox:
            self._outbox.send(answer, latency)
        else:
            await self._context.write(answer)

    async def _answer(self, request: BatchAppendReq) -> BatchAppendResp | None:
        """None: nothing is to be sent, for now or at all."""
        await self._database.require_leader(self._node, self._context)
        whole = self._whole(request)
        if whole is None:
            return None
        self._database.calls["append"] += 1
        name = whole.options.stream_identifier.stream_name
        fault = self._database.faults.next("append", name.decode())
        answer = self._write(whole) if fault is None else await self._disturbed(whole, fault)
        if answer is not None:
            answer.correlation_id.CopyFrom(whole.correlation_id)
            answer.stream_identifier.stream_name = name
        return answer

    def _whole(self, request: BatchAppendReq) -> BatchAppendReq | None:
        """An append may come in parts: the first has the options, the last says so."""
        if request.is_final and not self._begun:
            return request
        id = request.correlation_id.SerializeToString()
        if request.HasField("options"):
            self._begun[id] = request
        elif id in self._begun:
            self._begun[id].proposed_messages.extend(request.proposed_messages)
        return self._begun.pop(id, None) if request.is_final else None

    def _write(self, request: BatchAppendReq) -> BatchAppendResp:
        options = request.options
        name = options.stream_identifier.stream_name
        try:
            expected = messages.expected_of(options)
            events = [messages.proposed_of(message) for message in request.proposed_messages]
        except messages.BadRequest as error:
            return messages.bad_request(str(error))
        if name in (b"", b"$$"):
            return messages.bad_request("no such stream name")
        if options.WhichOneof("deadline_option") == "deadline" and options.deadline.ToNanoseconds() <= 0:
            return messages.timed_out()
        if sum(len(event.data) + len(event.metadata) + 2 * len(event.type) for event in events) > MAX_APPEND_SIZE:
            return messages.too_large(MAX_APPEND_SIZE)
        return messages.answer(self._database.writes.append(name.decode(), expected, events), name, expected)

    async def _disturbed(self, request: BatchAppendReq, fault: Fault) -> BatchAppendResp | None:
        if fault.stored:
            self._write(request)
        if fault.then is Then.TIMEOUT:
            return messages.timed_out()
        if fault.then is Then.NOT_READY:
            return messages.not_ready()
        if fault.then in (Then.SILENCE, Then.END):
            self._ends_with = fault.then
            return None
        await play(fault.then, self._context, self._database.leader_port)
        return None


class Outbox:
    """Sends answers in their order, each so many seconds after it was given."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._clock = asyncio.get_running_loop().time
        self._answers: asyncio.Queue[tuple[float, BatchAppendResp]] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def send(self, answer: BatchAppendResp, latency: float) -> None:
        """Send it `latency` seconds from now."""
        self._answers.put_nowait((self._clock() + latency, answer))

    async def flush(self) -> None:
        """Wait until all is sent."""
        await self._answers.join()

    def close(self) -> None:
        """Drop what is not sent yet."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            due, answer = await self._answers.get()
            await asyncio.sleep(due - self._clock())
            await self._context.write(answer)
            self._answers.task_done()
