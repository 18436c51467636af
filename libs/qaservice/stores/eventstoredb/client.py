"""The EventStoreDB client, cured. It is esdbclient 1.1.7, pinned: the cures reach into it.

What it does by itself, and must not: it repeats calls behind one's back, so that nobody learns what came of the tries
before the last and a hanging server costs twice the time limit; when one call finds the server gone, it replaces the
channel under all others; it hides that a task was cancelled in a read; it sets a keep-alive option that gRPC does not
know; it sends user and password as they stand in the URI, with their escapes.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar
from urllib.parse import unquote

import grpc
from esdbclient import AsyncEventStoreDBClient, NewEvent
from esdbclient.connection import AsyncESDBConnection
from esdbclient.exceptions import CancelledByClient, DiscoveryFailed, ServiceUnavailable

from qaservice.stores.eventstoredb.appends import Appends

T = TypeVar("T")

# A frozen connection is given up after the sum of both (milliseconds), where the URI has no others.
_KEEPALIVE_INTERVAL, _KEEPALIVE_TIMEOUT = 10_000, 5_000
_SEARCH_SECONDS = 1.0


class Client(AsyncEventStoreDBClient):
    """The client of one server. It keeps its channel for ever: gRPC reconnects it."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._losses = 0
        self._appends = Appends(self._call_metadata, self._call_credentials)
        options = self.connection_spec.options
        timeout = options.KeepAliveTimeout or _KEEPALIVE_TIMEOUT
        self.grpc_options = (
            *(option for option in self.grpc_options if "keepalive" not in option[0]),
            ("grpc.keepalive_time_ms", options.KeepAliveInterval or _KEEPALIVE_INTERVAL),
            ("grpc.keepalive_timeout_ms", timeout),
            ("grpc.http2.ping_timeout_ms", timeout),  # without it the ping counts as lost after a minute
            ("grpc.http2.max_pings_without_data", 0),  # without it an idle subscription stops to ping
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            # A connection of its own: clients of one process would share it, and the 100 calls that it takes.
            ("grpc.use_local_subchannel_pool", 1),
        )

    @property
    def connection(self) -> AsyncESDBConnection:
        """The present one: another object means that calls of the one before may have been cut off."""
        return self._connection

    def count_losses(self) -> int:
        """How often the server was found gone: to be asked before each call, since gRPC then comes back silently."""
        if self._connection._grpc_channel.get_state() is not grpc.ChannelConnectivity.READY:
            self._losses += 1
        return self._losses

    async def append(self, stream: str, expected: int | None, events: Sequence[NewEvent], timeout: float) -> int:
        """`append_to_stream`, tried once, on a stream of appends: its commit position, 0 where the server told
        none. `expected` None: there is no such stream yet."""
        return await self._appends.append(self._connection, stream, expected, events, timeout)

    async def reconnect(self, grpc_target: str | None = None) -> None:
        """Called by whoever finds the server gone, or not the leader: nothing to be done."""

    async def close(self) -> None:
        """Leave all calls under way 5 s to finish. Calls after that raise ServiceUnavailable."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.gather(self._appends.close(), self._connection.close())

    def construct_call_credentials(self, username: str | None, password: str | None) -> grpc.CallCredentials | None:
        """Called by the client with what stands in the URI."""
        return super().construct_call_credentials(unquote(username or ""), unquote(password or ""))


class ClusterClient(Client):
    """The client of several servers: it looks for the leader among them, and again when that has gone. Once for all
    calls that ask for it at a time, once in a second where nobody knows better, and to the end also when they have lost
    patience. Calls on the channel before are left 5 s to finish, and nobody waits for that."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._search: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    async def reconnect(self, grpc_target: str | None = None) -> None:
        """Connect to the leader, at `grpc_target` where that is known. Raises DiscoveryFailed."""
        if self._is_closed:
            raise DiscoveryFailed("the client was closed")
        search = self._search
        if search is None or search.done():
            if grpc_target is None and asyncio.get_running_loop().time() < self._not_before:
                return
            search = self._search = asyncio.create_task(self._replace(grpc_target))
            search.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting for it
        await asyncio.wait({search})
        if search.cancelled():
            raise DiscoveryFailed("the client was closed")
        search.result()

    async def close(self) -> None:
        """Leave all calls under way 5 s to finish."""
        if self._search is not None:
            self._search.cancel()
        await super().close()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _replace(self, grpc_target: str | None) -> None:
        new = await self._connect(grpc_target)
        old, self._connection = self._connection, new
        self._not_before = asyncio.get_running_loop().time() + _SEARCH_SECONDS
        closing = asyncio.create_task(old.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def uncut(call: Awaitable[T]) -> T:
    """The result of a call of the client, with two kinds of cancellation told apart.

    Where this task was cancelled: CancelledError, also from a read, which would end like one that found nothing.
    Where the client cancelled the call itself, since it replaced the channel: CancelledByClient.
    """
    task = asyncio.current_task()
    assert task is not None
    cancelled_before = task.cancelling()
    try:
        return await call
    except asyncio.CancelledError:
        raise CancelledByClient("the channel was replaced") from None
    except grpc.aio.UsageError as error:
        raise ServiceUnavailable(str(error)) from None
    finally:
        if task.cancelling() > cancelled_before:
            raise asyncio.CancelledError
