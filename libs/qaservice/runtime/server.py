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
_LONGEST_LINGER_SECONDS = 2.0
_TICKS_PER_LOOK = 10  # a second
_MOST_LOOKS = 3
_MOST_BYTES_BESIDE_BODY = 1 << 16


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
    """Bounds what a request has beside its body, and how long it may take to come on. Ignores the offer to go on with
    another protocol (RFC 9110 section 7.8 lets a server do so; Java's client and `curl --http2` make it with every
    request): the parser would take the body for the other protocol."""

    _bytes_beside_body = 0
    _ending = False
    _ending_at_once = False
    _lingering = False
    _last: RequestResponseCycle | None = None
    _looks = 0

    @property
    def is_broken_off(self) -> bool:
        """Whether it is being closed in the middle of a reply."""
        cycle = self.cycle
        begun = cycle is not None and cycle.response_started and not cycle.response_complete
        return begun and self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected."""
        super().connection_made(transport)
        self._expect_more()

    def end(self, *, at_once: bool) -> None:
        """Close after the reply to the newest request; while there is none, after the next one's or, `at_once`, now."""
        self._ending, self._ending_at_once = True, at_once
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_after(self.cycle)
        elif at_once:
            self.transport.close()

    def let_go(self) -> None:
        """Once a second: forget what a client does not take of a reply that was broken off. Closing alone waits for
        it, for ever; who takes the end of a complete reply slowly still gets it."""
        if self.is_broken_off:
            self._looks += 1
            if self._looks > _MOST_LOOKS:
                self.transport.abort()

    def linger(self) -> None:
        """Close when the client has sent all of its request, or after some seconds."""
        self._lingering = self.cycle.more_body
        if self._lingering:
            self.loop.call_later(_LONGEST_LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._unset_keepalive_if_required()
        self._bytes_beside_body += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse("Invalid HTTP request received.")
        else:
            if self._bytes_beside_body > _MOST_BYTES_BESIDE_BODY:
                self._refuse("The request's head is too long.")
            elif self.cycle is None or self.cycle.response_complete:
                self._expect_more()
            elif self.cycle.more_body:
                self._expect_more()
                self.cycle.transport = cast("asyncio.Transport", _Lingering(self))

    def eof_received(self) -> bool:  # type: ignore[override]  # see asyncio.Protocol
        """The client sends no more. One that has sent a command may still wait for its reply; one that reads has gone,
        and nobody waits for it or watches on its behalf."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or cycle.scope["method"] in ("GET", "HEAD"):
            return False
        cycle.keep_alive = False
        return True

    def on_headers_complete(self) -> None:
        """Begin the request, unless it is read again without its offer, or came after the last one's end."""
        self._bytes_beside_body = 0
        if not self.parser.should_upgrade() and not self.transport.is_closing():
            super().on_headers_complete()
            self.headers = []  # for trailers: they are no headers (RFC 9110 section 6.5.1)
            if self._ending:
                self._end_after(self.cycle)

    def on_body(self, body: bytes) -> None:
        """A part of the request's body."""
        self._bytes_beside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End of the request's body."""
        if self._lingering:
            self.transport.close()
        elif not self.parser.should_upgrade():
            super().on_message_complete()

    def _expect_more(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

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


class _Lingering:
    """The transport for the reply to a request that is still on its way. Were it closed before all has come, the
    connection would be reset, and the client would not see the reply (RFC 9112 section 9.6)."""

    def __init__(self, connection: Connection) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.linger


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Those who have connected and were not yet accepted."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        yield client
