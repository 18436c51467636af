"""One database: connected when it is first needed, found again when it is lost."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from esdbclient.connection_spec import NODE_PREFERENCE_LEADER, URI_SCHEME_ESDB, ConnectionOptions, ConnectionSpec
from esdbclient.exceptions import DiscoveryFailed, EventStoreDBClientException, NodeIsNotLeader, ServiceUnavailable

from qaservice.domain.errors import LogUnavailable
from qaservice.stores.eventstoredb.client import Client, ClusterClient, uncut
from qaservice.stores.eventstoredb.errors import StreamBroke

T = TypeVar("T")

_SCHEMES = ("esdb://", "esdb+discover://")
_EXAMPLE = "for example esdb://localhost:2113?tls=false"
_ENCODE = "percent-encode what is special in user and password"
# The client would take the port of an IPv6 address that has none to be a part of it.
_TARGET = re.compile(r"(?:[^][:\s]+|\[[0-9A-Fa-f:.]+\](?=:))(?::([0-9]{1,5}))?")


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
    """Raises ValueError, in words of our own where the client's would quote the URI, and so a password."""
    if not uri.lower().startswith(_SCHEMES):
        raise ValueError(f"it begins with neither {' nor '.join(_SCHEMES)}; {_EXAMPLE}")
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise ValueError(f"it is no URI; {_EXAMPLE}") from None
    login, at, hosts = parts.netloc.rpartition("@")
    behind = [parts.path, parts.fragment, *parse_qs(parts.query, keep_blank_values=True)]
    if parts.fragment or "@" in login or any("@" in text for text in behind):
        raise ValueError(f"it can't be read; {_ENCODE}")
    if not hosts:
        raise ValueError(f"it names no host; {_EXAMPLE}")
    if not all(map(_is_target, hosts.split(","))):
        raise ValueError(f"what it names is not host:port; {_ENCODE if at else _EXAMPLE}")
    try:
        options = ConnectionOptions(parts.query)
    except ValueError as error:  # with an @ it may quote the rest of a password
        raise ValueError(f"it can't be read; {_ENCODE}" if "@" in parts.query else str(error)) from None
    if options.Tls and not (parts.username and parts.password):
        raise ValueError("with TLS it needs user and password; for a server without TLS add ?tls=false")
    if options.NodePreference != NODE_PREFERENCE_LEADER:
        raise ValueError("NodePreference must be leader: other nodes may not have the last events yet")
    try:
        return ConnectionSpec(uri)
    except ValueError as error:
        raise ValueError(str(error).replace(uri, "the URI")) from None


def _is_target(text: str) -> bool:
    found = _TARGET.fullmatch(text.strip())
    return found is not None and int(found[1] or 0) <= 65535
