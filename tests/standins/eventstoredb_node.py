"""One node of the stand-in: the client's own gRPC services, answered by the rules of the files beside this one."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from esdbclient.protos.Grpc.gossip_pb2 import ClusterInfo
from esdbclient.protos.Grpc.gossip_pb2_grpc import GossipServicer
from esdbclient.protos.Grpc.shared_pb2 import Empty
from esdbclient.protos.Grpc.streams_pb2 import DeleteReq, DeleteResp, ReadReq, ReadResp, TombstoneReq, TombstoneResp
from esdbclient.protos.Grpc.streams_pb2_grpc import StreamsServicer
from grpc import StatusCode

from tests.standins import eventstoredb_messages as messages
from tests.standins.eventstoredb_appends import Appends, Database
from tests.standins.eventstoredb_faults import Call, Fault, Running, play
from tests.standins.eventstoredb_reads import InvalidPosition, StreamIsDeleted, read_all, read_stream
from tests.standins.eventstoredb_subscriptions import AllSubscription, confirmation, stream_messages
from tests.standins.eventstoredb_writes import StreamDeleted, Written, WrongVersion


class StreamsNode(StreamsServicer):
    """Answers on one port. Only the leader takes writes, and calls that ask for a leader."""

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self._number = number
        self._calls: set[asyncio.Task[Any]] = set()

    async def end(self) -> None:
        """Wait for the calls of a server that was stopped: gRPC must not come back with one to a closed event loop."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=5)

    async def BatchAppend(self, requests: object, context: Any) -> None:  # noqa: N802
        """Write events to streams."""
        self._called()
        await Appends(self._database, self._number, context).run()

    async def Delete(self, request: DeleteReq, context: Any) -> DeleteResp:  # noqa: N802
        """Soft-delete a stream."""
        commit = await self._delete(request, context, hard=False)
        return DeleteResp(position=DeleteResp.Position(commit_position=commit, prepare_position=commit))

    async def Tombstone(self, request: TombstoneReq, context: Any) -> TombstoneResp:  # noqa: N802
        """Delete a stream for ever."""
        commit = await self._delete(request, context, hard=True)
        return TombstoneResp(position=TombstoneResp.Position(commit_position=commit, prepare_position=commit))

    async def Read(self, request: ReadReq, context: Any) -> None:  # noqa: N802
        """Read a stream or $all, or subscribe to it."""
        self._called()
        await self._database.require_leader(self._number, context)
        options = request.options
        is_subscription = options.WhichOneof("count_option") == "subscription"
        call: Call = "subscribe" if is_subscription else "read"
        self._database.calls[call] += 1
        fault = self._database.faults.next(call, options.stream.stream_identifier.stream_name.decode())
        try:
            if is_subscription:
                await self._subscribe(options, context, fault)
            else:
                await self._read(options, context, fault)
        except StreamIsDeleted as error:
            await context.abort(StatusCode.FAILED_PRECONDITION, f"Event stream '{error}' is deleted.")
        except InvalidPosition:
            await context.abort(StatusCode.INVALID_ARGUMENT, "Trying to read from an invalid position.")

    def _called(self) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _read(self, options: ReadReq.Options, context: Any, fault: Fault | None) -> None:
        is_stream = options.WhichOneof("stream_option") == "stream"
        log = self._database.log
        answers: Iterable[ReadResp] = read_stream(log, options) if is_stream else read_all(log, options)
        running = Running(fault)
        for answer in answers:
            if running.is_due():
                break
            await context.write(answer)
            running.count(answer)
        if fault is not None:
            await play(fault.then, context, self._database.leader_port)

    async def _subscribe(self, options: ReadReq.Options, context: Any, fault: Fault | None) -> None:
        running = Running(fault)
        self._database.faults.running.add(running)
        try:
            async for message in self._messages(options):
                if message is not None and not running.is_due():
                    await context.write(message)
                    running.count(message)
                if running.is_due():  # looked up also after the write: a ring in the meantime went unheard
                    break
        finally:
            self._database.faults.running.discard(running)
        assert running.fault is not None
        await play(running.fault.then, context, self._database.leader_port)

    async def _messages(self, options: ReadReq.Options) -> AsyncIterator[ReadResp | None]:
        log = self._database.log
        is_stream = options.WhichOneof("stream_option") == "stream"
        news = stream_messages(log, options) if is_stream else AllSubscription(log, options).messages()
        yield confirmation()
        async for message in news:
            yield message

    async def _delete(self, request: DeleteReq | TombstoneReq, context: Any, *, hard: bool) -> int:
        await self._database.require_leader(self._number, context)
        self._database.calls["delete"] += 1
        stream = request.options.stream_identifier.stream_name.decode()
        expected = messages.expected_by_delete(request.options)
        outcome = self._database.writes.delete(stream, expected, hard=hard)
        if isinstance(outcome, StreamDeleted):
            await context.abort(StatusCode.FAILED_PRECONDITION, f"Event stream '{stream}' is deleted.")
        if isinstance(outcome, WrongVersion):
            versions = f"Expected version: {expected}, Actual version: {outcome.current}"
            text = f"Delete failed due to WrongExpectedVersion. Stream: {stream}, {versions}"
            await context.abort(StatusCode.FAILED_PRECONDITION, text)
        assert isinstance(outcome, Written)
        assert outcome.position is not None
        return outcome.position


class GossipNode(GossipServicer):
    """Tells on one port who the nodes are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def Read(self, request: Empty, context: Any) -> ClusterInfo:  # noqa: N802
        """The members of the cluster, the leader first."""
        self._database.calls["gossip"] += 1
        fault = self._database.faults.next("gossip")
        if fault is not None:
            await play(fault.then, context, self._database.leader_port)
        return messages.cluster(self._database.ports, self._database.leader)
