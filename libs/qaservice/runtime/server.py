"""The HTTP server: uvicorn, where it does not already do what we promise."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import uvicorn

from qaservice.runtime.connection import Connection

_KEEP_ALIVE_SECONDS = 65  # longer than load balancers keep theirs: they close first, so no request meets a closed one
_DRAIN_SECONDS = 7.5
_LINGER_SECONDS = 0.5
_LOOK_SECONDS = 0.02
_TICKS_PER_LOOK = 10  # a second


class Server(uvicorn.Server):
    """Serves one application until `should_exit`; then answers all that has arrived, for some seconds at most."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: `serve` has the signals, once for all servers of the process."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % _TICKS_PER_LOOK == 0:
            for connection in cast("list[Connection]", list(self.server_state.connections)):
                connection.let_go()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting and let each connection end with a reply that says so. uvicorn's own closes what looks idle,
        and with it requests that lie in the kernel's buffers."""
        began = time.monotonic()
        await self._stop_accepting(sockets or [])
        state = self.server_state
        while state.connections or state.tasks:
            waited = time.monotonic() - began
            for connection in cast("list[Connection]", list(state.connections)):
                if waited > (_LINGER_SECONDS if connection.is_broken_off else _DRAIN_SECONDS):
                    connection.transport.abort()  # its task learns that the client is gone, and ends
                else:
                    connection.end(at_once=waited > _LINGER_SECONDS)
            if waited > _DRAIN_SECONDS + _LINGER_SECONDS:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _stop_accepting(self, listeners: Sequence[socket.socket]) -> None:
        """Close the listeners, without losing clients that have connected already."""
        loop = asyncio.get_running_loop()
        waiting = [client for listener in listeners for client in _accepted(listener)]
        for server in self.servers:
            server.close()
        for client in waiting:
            await loop.connect_accepted_socket(self._last_minute_connection, client)

    def _last_minute_connection(self) -> Connection:
        connection = Connection(self.config, self.server_state, self.lifespan.state)
        connection.end(at_once=False)
        return connection


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Clients that have connected and were not accepted yet."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        yield client
