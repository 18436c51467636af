"""One call of BatchAppend: many appends under way at once, each with an id of its own that its answer names."""

import asyncio

import grpc
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

from qaservice.stores.eventstoredb.errors import StreamBroke, is_refused

_END_SECONDS = 0.5
_SILENCE_SECONDS = 0.4  # a stream that owes an answer for so long may be dead


class AppendStream:
    """Does its work in `run`. `retired`: no more appends are to be sent on it; it ends when those under way have."""

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
        self._sent = self._answers = 0
        self._silent_since: float | None = None  # since when it owes an answer and has given none

    async def answer(self, id: int, request: BatchAppendReq, timeout: float) -> BatchAppendResp:
        """The server's answer to a request of this id. Raises GrpcDeadlineExceeded after `timeout` seconds, and
        EventStoreDBClientException where the stream ended."""
        loop = asyncio.get_running_loop()
        if self._silent_since is None:
            self._silent_since = loop.time()
        answer: asyncio.Future[BatchAppendResp] = loop.create_future()
        self._waiting[id] = answer
        self._unsent[id] = request
        self._news.set()
        patience = loop.call_later(timeout, _give_up, answer)
        try:
            return await answer
        except TimeoutError:
            if self._silent_since is not None and loop.time() - self._silent_since >= _SILENCE_SECONDS:
                self.retire()  # who knows whether it ever answers again; the caller's own patience may be short
            raise GrpcDeadlineExceeded("no answer in time") from None
        finally:
            patience.cancel()
            self._waiting.pop(id, None)
            self._unsent.pop(id, None)
            self._end_where_idle()

    def under_way(self) -> int:
        """How many appends wait for their answers."""
        return len(self._waiting)

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
        error = EventStoreDBClientException("the stream of appends ended")
        try:
            await self._receive()
        except grpc.RpcError as cause:
            error = handle_rpc_error(cause)
        except (grpc.aio.UsageError, asyncio.CancelledError) as cause:  # it was cut, or its channel was closed
            error = ServiceUnavailable(str(cause) or "the channel was closed")
        except ValueError as cause:
            error = EventStoreDBClientException(f"an answer whose id can't be read: {cause}")
        self.retired = True
        self.cut()
        self._news.set()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._meaning(error))
        # gRPC must not come back from a write to an event loop that has ended. But where a call was cut before it had
        # begun, it never comes back.
        await asyncio.wait({sending}, timeout=_END_SECONDS)
        sending.cancel()
        await asyncio.wait({sending})

    async def _send(self) -> None:
        """A task of its own: gRPC ends the call when somebody is cancelled while he writes to it."""
        try:
            while not self._call.done():
                await self._news.wait()
                self._news.clear()
                while self._unsent and not self._call.done():
                    request = self._unsent.pop(next(iter(self._unsent)))
                    self._sent += 1
                    await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            self.cut()  # it has ended, and whoever reads is told why

    async def _receive(self) -> None:
        """Hand every answer to its caller."""
        clock = asyncio.get_running_loop().time
        while (answer := await self._call.read()) is not grpc.aio.EOF:
            self._answers += 1
            waiting = self._waiting.pop(_number(answer.correlation_id), None)
            self._silent_since = clock() if self._waiting else None
            if waiting is not None and not waiting.done():  # else its caller has gone
                waiting.set_result(answer)

    def _end_where_idle(self) -> None:
        if self.retired and not self._waiting:
            self.cut()

    def _meaning(self, error: EventStoreDBClientException) -> EventStoreDBClientException:
        """What the end means to appends of which any may have caused it, and any other may be stored. Of a stream that
        carried one request, or that the server refused, it says what it says of a call of its own."""
        if self._sent <= 1 or (not self._answers and is_refused(error)):
            return error
        words = f"the stream of appends broke: {type(error).__name__} {error}"
        if isinstance(error, NodeIsNotLeader):
            return StreamBroke(words, error.leader_grpc_target)
        return StreamBroke(words) if isinstance(error, ServiceUnavailable) else EventStoreDBClientException(words)


def _give_up(answer: asyncio.Future[BatchAppendResp]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _number(id: ID) -> int:
    """An id as a number: what was sent as text comes back as that, or in halves where the server made it anew
    (EventStoreDB 24.10 source: Streams.BatchAppend, Uuid). Raises ValueError."""
    if id.WhichOneof("value") == "string":
        return int(id.string.replace("-", ""), 16)
    return id.structured.least_significant_bits
