"""One database: connected when it is first needed, found again when it is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from esdbclient.connection_spec import NODE_PREFERENCE_LEADER, URI_SCHEME_ESDB, ConnectionSpec
from esdbclient.exceptions import DiscoveryFailed, EventStoreDBClientException, NodeIsNotLeader, ServiceUnavailable

from qaservice.domain.errors import LogUnavailable
from qaservice.stores.eventstoredb.append_stream import StreamBroke
from qaservice.stores.eventstoredb.client import Client, ClusterClient, uncut

T = TypeVar("T")


class Connection:
    """To be used in one event loop."""

    def __init__(self, uri: str) -> None:
        """Raises ValueError, without what is secret in the URI."""
        spec = _checked(uri)
        self._make = Client if spec.scheme == URI_SCHEME_ESDB and len(spec.targets) == 1 else ClusterClient
        self._uri = uri
        self._client: Client | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._failure = ""
        self._closed = False

    def losses(self) -> int:
        """Grows whenever the connection is found lost, so that another log may stand behind it than before."""
        return 0 if self._client is None else self._client.count_losses()

    async def connected(self) -> Client:
        """The client, made and connected. Raises DiscoveryFailed; LogUnavailable where this was closed."""
        if self._closed:
            raise LogUnavailable("it was closed")
        if self._client is None:
            if self._connecting is None or self._connecting.done():
                self._connecting = asyncio.create_task(self._connect())
            await asyncio.wait({self._connecting})  # it goes on when whoever began it has gone
            if self._client is None:
                raise DiscoveryFailed(self._failure)
        return self._client

    async def tried(self, call: Callable[[Client], Awaitable[T]]) -> tuple[T, bool]:
        """`call`, once, and whether the channel stayed the same. Raises EventStoreDBClientException; LogUnavailable
        where closed."""
        client = await self.connected()
        try:
            client.count_losses()
            connection = client.connection
            result = await uncut(call(client))
        except (NodeIsNotLeader, ServiceUnavailable) as error:
            with suppress(EventStoreDBClientException):  # what the call came to is what counts
                leader = error.leader_grpc_target if isinstance(error, NodeIsNotLeader | StreamBroke) else None
                await client.reconnect(leader)
            raise
        return result, client.connection is connection and not self._closed

    async def close(self) -> None:
        """Leave calls under way 5 s to finish."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._client is not None:
            await self._client.close()

    async def _connect(self) -> None:
        try:
            client = self._make(self._uri)
            await client.connect()
        except (EventStoreDBClientException, OSError) as error:  # OSError: a certificate's file
            self._failure = str(error) if isinstance(error, DiscoveryFailed) else f"{type(error).__name__}: {error}"
        else:
            self._client = client


def _checked(uri: str) -> ConnectionSpec:
    try:
        spec = ConnectionSpec(uri)
    except ValueError as error:
        text = str(error).replace(uri, "the URI")
        raise ValueError("it is no URI" if "@" in text else text) from None  # never a password
    if spec.options.NodePreference != NODE_PREFERENCE_LEADER:
        raise ValueError("NodePreference must be leader: other nodes may not have the last events yet")
    return spec
