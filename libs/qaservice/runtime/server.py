"""The HTTP server: uvicorn, where it does not already do what we promise."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_KEEP_ALIVE_SECONDS = 65  # longer than load balancers keep theirs: they close first, so no request meets a closed one
_DRAIN_SECONDS = 7.5
_LINGER_SECONDS = 0.5
_LOOK_SECONDS = 0.02
_LONGEST_HEAD = 1 << 16


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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting and let each connection end with a reply that says so. uvicorn's own closes what looks idle,
        and with it requests that lie in the kernel's buffers."""
        began = time.monotonic()
        await self._stop_accepting(sockets or [])
        state = self.server_state
        while state.connections or state.tasks:
            waited = time.monotonic() - began
            for connection in cast("list[Connection]", list(state.connections)):
                if waited > _DRAIN_SECONDS:
                    connection.transport.abort()  # its task learns that the client is gone, and ends
                else:
                    connection.end(at_once=waited > _LINGER_SECONDS)
            if waited > _DRAIN_SECONDS + _LINGER_SECONDS:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _stop_accepting(self, listeners: Sequence[socket.socket]) -> None:
        """Close the listeners, without losing whoever has connected already."""
        loop = asyncio.get_running_loop()
        waiting = [client for listener in listeners for client in _accepted(listener)]
        for server in self.servers:
            server.close()
        for client in waiting:
            await loop.connect_accepted_socket(self._last_minute_connection, client)

    def _last_minute_connection(self) -> "Connection":
        connection = Connection(self.config, self.server_state, self.lifespan.state)
        connection.end(at_once=False)
        return connection


class Connection(HttpToolsProtocol):
    """Bounds the size of a request's head, and ignores the offer to go on with another protocol (RFC 9110 section 7.8
    lets a server do so; Java's client and `curl --http2` make it with every request): the parser would take the body
    for the other protocol."""

    _head_bytes = 0
    _ending = False
    _ending_at_once = False
    _last: RequestResponseCycle | None = None

    def end(self, *, at_once: bool) -> None:
        """Close after the reply to the newest request; while there is none, after the next one's or, `at_once`, now."""
        self._ending, self._ending_at_once = True, at_once
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_after(self.cycle)
        elif at_once:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse("Invalid HTTP request received.")
        else:
            if self.scope is None or "method" in self.scope:
                self._head_bytes = 0
                return
            self._head_bytes += len(data)
            if self._head_bytes > _LONGEST_HEAD:
                self._refuse("The request's head is too long.")

    def on_headers_complete(self) -> None:
        """Begin the request, unless it is read again without its offer."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            if self._ending:
                self._end_after(self.cycle)

    def on_message_complete(self) -> None:
        """End of the request's body."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _end_after(self, newest: RequestResponseCycle) -> None:
        if newest is self._last:
            return
        if self._last is not None and not self._last.response_started and not self._ending_at_once:
            self._last.keep_alive = True  # one more came behind it; but somebody who sends on and on is cut off
        self._last = newest if newest.keep_alive else None
        newest.keep_alive = False

    def _refuse(self, why: str) -> None:
        self.logger.warning(why)
        self.send_400_response(why)

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read the request again without its offer."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse("This is not a proxy.")
            return
        head = [b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())]
        head += [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join([*head, b"\r\n", rest]))


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Those who have connected and were not yet accepted."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        yield client
