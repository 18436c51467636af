"""All appends of a process over one call to the server: a BatchAppend stream, where every append has an id of its own.

Setting up a call is nearly all that an append costs, and the client makes one for each. The price of sharing: what ends
the stream ends it for all appends under way, and says of none of them what came of it.
"""

import asyncio
from collections.abc import Sequence
from itertools import count
from uuid import UUID

import grpc
from esdbclient import NewEvent, StreamState
from esdbclient.common import handle_rpc_error
from esdbclient.connection import AsyncESDBConnection
from esdbclient.exceptions import (
    EventStoreDBClientException,
    GrpcDeadlineExceeded,
    NodeIsNotLeader,
    ServiceUnavailable,
)
from esdbclient.protos.Grpc.shared_pb2 import UUID as ID
from esdbclient.protos.Grpc.streams_pb2 import BatchAppendReq, BatchAppendResp

_GRACE = 5.0  # seconds


class StreamBroke(ServiceUnavailable):
    """The server went away, or leads no more, with several appends under way: each of them may be stored."""

    def __init__(self, words: str, leader_grpc_target: str | None = None) -> None:
        super().__init__(words)
        self.leader_grpc_target = leader_grpc_target


class Appends:
    """Appends over one stream at a time, opened by the first that finds none. What it keeps is bounded by the number of
    callers that wait."""

    def __init__(self, metadata: tuple[tuple[str, str], ...], credentials: grpc.CallCredentials | None) -> None:
        """What every call carries."""
        self._metadata = metadata
        self._credentials = credentials
        self._current: _Stream | None = None
        self._running: dict[asyncio.Task[None], _Stream] = {}
        self._ids = (UUID(int=number) for number in count(1))
        self._closed = False

    async def append(
        self,
        connection: AsyncESDBConnection,
        stream: str,
        expected: int | None,
        events: Sequence[NewEvent],
        timeout: float,
    ) -> int:
        """See Client.append. Raises EventStoreDBClientException, as the client's own call does."""
        current_version = StreamState.NO_STREAM if expected is None else expected
        id = next(self._ids)
        request = connection.streams._construct_batch_append_req(stream, current_version, events, id, timeout)
        answer = await self._stream(connection).answer(id.int, request, timeout)
        if answer.WhichOneof("result") is None:
            raise EventStoreDBClientException("an answer without a result")
        return connection.streams._convert_batch_append_resp(answer, stream, current_version)

    async def close(self) -> None:
        """Leave appends under way 5 s to be answered. Appends after that raise ServiceUnavailable."""
        self._closed = True
        for stream in list(self._running.values()):
            stream.retire()
        if self._running:
            await asyncio.wait(self._running, timeout=_GRACE)
        for stream in list(self._running.values()):
            stream.cut()
        if self._running:
            await asyncio.wait(self._running)  # gRPC must not come back with them to an event loop that has ended

    def _stream(self, connection: AsyncESDBConnection) -> "_Stream":
        """The one to be used now."""
        if self._closed:
            raise ServiceUnavailable("Channel is closed")
        current = self._current
        if current is not None and not current.retired:
            if current.connection is connection:
                return current
            current.retire()
        current = self._current = _Stream(connection, self._metadata, self._credentials)
        task = asyncio.create_task(current.run())
        self._running[task] = current
        task.add_done_callback(self._running.pop)
        return current


class _Stream:
    """One call. `retired`: no more appends are to be sent on it; it ends when those under way have ended."""

    def __init__(
        self,
        connection: AsyncESDBConnection,
        metadata: tuple[tuple[str, str], ...],
        credentials: grpc.CallCredentials | None,
    ) -> None:
        self.connection = connection
        self.retired = False
        streams = connection.streams
        # Without a time limit: every append has its own.
        self._call = streams._stub.BatchAppend(
            metadata=streams._metadata(metadata, requires_leader=True), credentials=credentials
        )
        self._waiting: dict[int, asyncio.Future[BatchAppendResp]] = {}
        self._unsent: dict[int, BatchAppendReq] = {}
        self._news = asyncio.Event()
        self._ended = False
        self._sent = self._answers = 0

    async def answer(self, id: int, request: BatchAppendReq, timeout: float) -> BatchAppendResp:
        """The server's answer to a request of this id. Raises GrpcDeadlineExceeded after `timeout` seconds, and
        EventStoreDBClientException where the stream ended."""
        answers = self._answers
        answer: asyncio.Future[BatchAppendResp] = asyncio.get_running_loop().create_future()
        self._waiting[id] = answer
        self._unsent[id] = request
        self._news.set()
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            if self._answers == answers:  # to nobody: who knows whether it ever will again
                self.retire()
            raise GrpcDeadlineExceeded("no answer in time") from None
        finally:
            self._waiting.pop(id, None)
            self._unsent.pop(id, None)
            self._end_where_idle()

    def retire(self) -> None:
        """Send no more appends on it."""
        self.retired = True
        self._end_where_idle()

    def cut(self) -> None:
        """End it now."""
        self._call.cancel()

    async def run(self) -> None:
        """Send and receive until the stream ends; the callers that still wait then learn why."""
        sending = asyncio.create_task(self._send())
        error: EventStoreDBClientException | None = None
        try:
            await self._receive()
        except grpc.RpcError as cause:
            error = handle_rpc_error(cause)
        except (grpc.aio.UsageError, asyncio.CancelledError) as cause:  # it was cut, or its channel was closed
            error = ServiceUnavailable(str(cause) or "the channel was closed")
        self.retired = self._ended = True
        self._news.set()
        self._fail(error or EventStoreDBClientException("the stream of appends ended"))
        await asyncio.wait({sending})

    async def _send(self) -> None:
        """A task of its own: gRPC ends the call when somebody is cancelled while he writes to it."""
        try:
            while not self._ended:
                await self._news.wait()
                self._news.clear()
                while self._unsent and not self._ended:
                    request = self._unsent.pop(next(iter(self._unsent)))
                    self._sent += 1
                    await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            self.cut()  # it has ended, and whoever reads is told why

    async def _receive(self) -> None:
        """Hand every answer to its caller."""
        while (answer := await self._call.read()) is not grpc.aio.EOF:
            self._answers += 1
            waiting = self._waiting.pop(_number(answer.correlation_id), None)
            if waiting is not None and not waiting.done():  # else its caller has gone
                waiting.set_result(answer)

    def _end_where_idle(self) -> None:
        if self.retired and not self._waiting:
            self.cut()

    def _fail(self, error: EventStoreDBClientException) -> None:
        if self._sent > 1:
            error = _unclear(error)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)


def _unclear(error: EventStoreDBClientException) -> EventStoreDBClientException:
    """What the end of a stream means to appends of which any may have caused it, and any other may be stored. Of a
    stream that carried one request it says what it says of a call of its own."""
    words = f"the stream of appends broke: {type(error).__name__} {error}"
    if isinstance(error, NodeIsNotLeader):
        return StreamBroke(words, error.leader_grpc_target)
    if isinstance(error, ServiceUnavailable):
        return StreamBroke(words)
    return EventStoreDBClientException(words)


def _number(id: ID) -> int:
    """An id as a number: the server sends back in halves what it got as text (EventStoreDB 24.10 source, Uuid)."""
    return UUID(id.string).int if id.WhichOneof("value") == "string" else id.structured.least_significant_bits
