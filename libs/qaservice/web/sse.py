"""Server-Sent Events (the WHATWG's HTML standard, section 9.2) as a reply."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from qaservice.domain.errors import WatcherTooSlow

HEARTBEAT = KEEPALIVE_COMMENT
"""A comment: clients ignore it, and proxies do not take the connection for idle."""

RETRY = format_sse_event(retry=2000)
"""Milliseconds after which a client whose connection has ended is to come back."""

_PATIENCE_SECONDS = 0.5

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_frame(id: str, event: str, data: str) -> bytes:
    """An event of the type `event`, as bytes; with `id` a client says how far it has come."""
    return format_sse_event(id=id, event=event, data_str=data)


def place_frame(id: str) -> bytes:
    """No event: only how far the client has come."""
    return format_sse_event(id=id)


class EventStream(EventSourceResponse):
    """A reply that goes on until `over` is done or the client leaves. It then ends at once, even while a client that
    reads nothing keeps it waiting. It ends well-formed, but breaks off where `over` is an error, or where the client
    does not read the end either."""

    def __init__(
        self, frames: AsyncGenerator[bytes, None], over: asyncio.Future[None], left: Callable[[], None]
    ) -> None:
        """`left` is called when the reply has ended, however."""
        super().__init__(frames, headers=_HEADERS)
        self._frames = frames
        self._over = over
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and frames."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._left()
            await self._frames.aclose()

    async def stream_response(self, send: Send) -> None:
        """See StreamingResponse."""
        try:
            async with asyncio.timeout(None) as patience:

                def lose(over: asyncio.Future[None]) -> None:
                    patience.reschedule(0)  # in the past: what is being waited for ends now

                self._over.add_done_callback(lose)
                try:
                    await super().stream_response(send)
                finally:
                    self._over.remove_done_callback(lose)
        except TimeoutError:
            self._over.result()
            await self._end(send)

    async def _end(self, send: Send) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            raise WatcherTooSlow("the end of the stream waits to be taken") from None
