"""A client's connection: uvicorn's, where it does not already do what we promise."""

import asyncio
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_LONGEST_LINGER_SECONDS = 2.0
_HALF_CLOSED_SECONDS = 1.0
_MOST_LOOKS = 3
_MOST_BYTES_BESIDE_BODY = 1 << 16


class Connection(HttpToolsProtocol):
    """Limits the size of a request without its body, and the time until more of it comes. Ignores an offer to go on
    with another protocol (RFC 9110 section 7.8 lets a server do so; Java's client and `curl --http2` make it with every
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
        """Once a second: drop the connection where a reply was broken off and the client does not read what is left of
        it. Closing would wait for that for ever. A client that is slow to read a complete reply still gets its end."""
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
        """The client sends no more, and may still wait for the reply. After a read it is taken to have left a second
        later, so that no wait and no watch goes on for it."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        if cycle.scope["method"] in ("GET", "HEAD"):
            self.loop.call_later(_HALF_CLOSED_SECONDS, self.transport.close)
        return True

    def on_headers_complete(self) -> None:
        """Begin the request, unless it is to be read again without its offer, or the connection is being closed."""
        self._bytes_beside_body = 0
        if not self.parser.should_upgrade() and not self.transport.is_closing():
            super().on_headers_complete()
            self.headers = []  # for trailers: they are no headers (RFC 9110 section 6.5.1)
            if self.parser.get_http_version() == "1.0":  # knows no chunks (RFC 9112 section 6.1)
                self.cycle.chunked_encoding = False
                self.cycle.expected_content_length = _UntilTheEnd()
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
            self._last.keep_alive = True  # one more came behind it; but a client that sends on and on is cut off
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


class _UntilTheEnd(int):
    """The length of a body that is as long as its connection: any."""

    def __lt__(self, _: int) -> bool:
        return False

    def __sub__(self, _: int) -> "_UntilTheEnd":
        return self


class _Lingering:
    """The transport for the reply to a request that is still on its way. Were it closed before all has come, the
    connection would be reset, and the client would not see the reply (RFC 9112 section 9.6)."""

    def __init__(self, connection: Connection) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.linger
