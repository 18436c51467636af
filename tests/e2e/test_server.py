"""The server's last second, step by step: nothing that has reached this machine is lost."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.types import Receive, Scope, Send

from qaservice.runtime.server import Server
from qaservice.web.body import read_body
from qaservice.web.replies import Reply
from tests.e2e.processes import request, rest

pytestmark = pytest.mark.anyio

GET = request("GET", "/")
LAST = b"\r\nconnection: close\r\n"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0)
    if scope["method"] == "POST":
        await read_body(scope, receive, 100)
    await Reply(200, "hello")(scope, receive, send)


@contextmanager
def connected(listener: socket.socket) -> Iterator[socket.socket]:
    with socket.create_connection(listener.getsockname(), timeout=5) as connection:
        yield connection


async def started(patience: int | None = None) -> tuple[Server, socket.socket]:
    """A server and what it listens on. `patience` in seconds: with a client that says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(hello)
    server.config.timeout_keep_alive = patience or server.config.timeout_keep_alive
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([listener])
    return server, listener


async def answers(connection: socket.socket) -> list[bytes]:
    """The head of each reply until the connection ends."""
    return re.findall(rb"HTTP/1.1 200 OK\r\n.*?\r\n\r\n", await asyncio.to_thread(rest, connection), re.DOTALL)


async def test_requests_of_clients_not_yet_accepted_are_answered() -> None:
    server, listener = await started()
    with connected(listener) as first, connected(listener) as second:
        first.sendall(GET)
        second.sendall(GET * 3)

        await server.shutdown([listener])

        assert [len(await answers(each)) for each in (first, second)] == [1, 3]


async def test_a_request_not_yet_read_is_answered_and_then_the_connection_closed() -> None:
    server, listener = await started()
    with connected(listener) as idle:
        idle.sendall(GET)
        await asyncio.to_thread(idle.recv, 1 << 16)
        idle.sendall(GET * 2)  # now in the kernel's buffer: the server's loop has not turned since

        await server.shutdown([listener])

        first, second = await answers(idle)
        assert LAST not in first
        assert LAST in second


async def test_an_idle_connection_is_closed_and_no_new_one_accepted() -> None:
    server, listener = await started()
    address = listener.getsockname()
    with connected(listener) as idle:
        await server.shutdown([listener])

        assert await answers(idle) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@pytest.mark.parametrize("begun", [b"", GET[:10], request("POST", "/", b"x" * 10)[:-5], GET])
async def test_a_connection_on_which_nothing_comes_is_closed(begun: bytes) -> None:
    server, listener = await started(patience=1)
    with connected(listener) as silent:
        silent.sendall(begun)

        await answers(silent)

        assert silent.recv(1) == b""
    await server.shutdown([listener])
