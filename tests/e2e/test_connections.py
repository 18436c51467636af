"""The server's last second, step by step: nothing that has reached this machine is lost."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from qaservice.runtime import server as runtime_server
from qaservice.runtime.server import Server
from qaservice.web.body import read_body
from qaservice.web.replies import Reply
from tests.e2e.processes import request, rest
from tests.given import eventually

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


async def started(patience: int | None = None, app: ASGIApp = hello) -> tuple[Server, socket.socket]:
    """A server and what it listens on. `patience` in seconds: with a client that says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(app)
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


LONG = b"x" * (32 << 20)  # more than the kernel takes for a client that takes nothing


async def broken_off(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": LONG, "more_body": True})


async def complete(scope: Scope, receive: Receive, send: Send) -> None:
    await Reply(200, LONG.decode(), [(b"connection", b"close")])(scope, receive, send)


async def test_a_reply_that_was_broken_off_is_not_kept_for_who_does_not_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime_server, "_TICKS_PER_LOOK", 1)
    server, listener = await started(app=broken_off)
    ticking = asyncio.create_task(server.main_loop())
    with connected(listener) as silent:
        silent.sendall(GET)
        await eventually(lambda: bool(server.server_state.connections))
        await eventually(lambda: not server.server_state.connections)

        assert len(await asyncio.to_thread(rest, silent)) < len(LONG)
    server.should_exit = True
    await ticking
    await server.shutdown([listener])


async def test_the_end_of_a_complete_reply_waits_for_who_takes_it_slowly() -> None:
    server, listener = await started(app=complete)
    with connected(listener) as slow:
        slow.sendall(GET)
        await eventually(lambda: any(each.transport.is_closing() for each in server.server_state.connections))
        for _ in range(10):
            await server.on_tick(0)

        assert len(await asyncio.to_thread(rest, slow)) > len(LONG)
    await server.shutdown([listener])
