"""A wire between a client and a MongoDB server that can be made to misbehave, whatever server it is.

A fault is a function that gets each command of the client's own (not the driver's handshakes and heartbeats) and a way
to forward it, and gives the reply that the client gets; None cuts the connection, and waiting is a server that hangs.
Source of the format: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ (OP_MSG).
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import bson
from pymongo import MongoClient

Command = dict[str, Any]
Forward = Callable[[Command], Awaitable[Command]]
Fault = Callable[[Command, Forward], Awaitable[Command | None]]

_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
_DRIVERS_OWN = {"hello", "isMaster", "ismaster", "ping", "endSessions", "saslStart", "saslContinue"}
_KEPT_OPTIONS = ("authSource=", "authMechanism=")


async def as_it_is(command: Command, forward: Forward) -> Command | None:
    """No fault."""
    return await forward(command)


class MongoProxy:
    """Passes commands on. `fault` may be replaced at any time; `commands` holds all that came, in order; `uri` is for
    the client."""

    def __init__(self, uri: str) -> None:
        """`uri` names a server without TLS."""
        self.fault: Fault = as_it_is
        self.commands: list[Command] = []
        self.uri = ""
        self._server_uri = uri
        self._upstream: tuple[str, int] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["MongoProxy"]:
        """Listen while the block runs."""
        self._upstream = await asyncio.to_thread(_address, self._server_uri)
        listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        parts = urlsplit(self._server_uri)
        login = "".join(parts.netloc.rpartition("@")[:2])
        kept = [option for option in parts.query.split("&") if option.startswith(_KEPT_OPTIONS)]
        options = "&".join(["directConnection=true", "serverMonitoringMode=poll", *kept])
        self.uri = f"mongodb://{login}127.0.0.1:{listener.sockets[0].getsockname()[1]}/?{options}"
        try:
            yield self
        finally:
            listener.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert self._upstream is not None
        self._connections.add(task)
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while (reply := await self._replied(await _message(client), reader, writer)) is not None:
                    answer.write(reply)
                    await answer.drain()
        finally:
            writer.close()
            answer.close()
            self._connections.discard(task)

    async def _replied(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        async def exchange(message: bytes) -> bytes:
            writer.write(message)
            return await _message(reader)

        async def forward(command: Command) -> Command:
            return _decoded(await exchange(_encoded(command, request_id, 0)))

        _, request_id, _, kind = _HEADER.unpack_from(request)
        command = _decoded(request) if kind == _OP_MSG else {"hello": 1}
        if next(iter(command)) in _DRIVERS_OWN:
            return await exchange(request)
        self.commands.append(command)
        reply = await self.fault(command, forward)
        return None if reply is None else _encoded(reply, 0, request_id)


def _address(uri: str) -> tuple[str, int]:
    """The primary's address."""
    with MongoClient[Command](uri) as client:
        client.admin.command("ping")
        assert client.address is not None
        return client.address


async def _message(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(_HEADER.size)
    return header + await reader.readexactly(_HEADER.unpack(header)[0] - _HEADER.size)


def _encoded(document: Command, request_id: int, response_to: int) -> bytes:
    body = bson.encode(document)
    head = _HEADER.pack(_HEADER.size + 5 + len(body), request_id, response_to, _OP_MSG)
    return head + struct.pack("<Ib", 0, 0) + body


def _decoded(message: bytes) -> Command:
    """The document of an OP_MSG; its sequences of documents become arrays in it."""
    flags = struct.unpack_from("<I", message, _HEADER.size)[0]
    at, end = _HEADER.size + 4, len(message) - 4 * (flags & 1)
    document: Command = {}
    while at < end:
        size = struct.unpack_from("<i", message, at + 1)[0]
        section = message[at + 1 : at + 1 + size]
        if message[at] == 0:
            document = bson.decode(section) | document
        else:
            name, _, documents = section[4:].partition(b"\0")
            document[name.decode()] = bson.decode_all(documents)
        at += 1 + size
    return document
