"""The outermost layer of an application: every request passes here once on its way in and out.

It gives the request its id, turns errors into replies, and notes each request in the metrics and the log.
"""

import random
import re
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qaservice.domain.errors import QaserviceError, Unavailable
from qaservice.web.body import BodyTooLarge
from qaservice.web.errors import ErrorReply, Failed, reply_to
from qaservice.web.metrics import RequestMetrics
from qaservice.web.paths import checked_path
from qaservice.web.routes import allowed_methods

RequestLog = Callable[[dict[str, Any]], None]

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_WORTH_READING = 1 << 20
_CLOSE = (b"connection", b"close")
_CLIENT_CLOSED_REQUEST = 499


class Edge:
    """An ASGI application around another one. All that comes is HTTP: the server offers no websockets, no lifespan."""

    def __init__(
        self, app: ASGIApp, routes: Sequence[BaseRoute], metrics: RequestMetrics, request_log: RequestLog
    ) -> None:
        self._app = app
        self._routes = routes
        self._metrics = metrics
        self._request_log = request_log
        self._new_id = random.Random().getrandbits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        method = scope["method"]
        if method == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        request_id = self._request_id(scope)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id))
            await send(message)

        failure: Exception | None = None
        try:
            scope["path"] = checked_path(scope["raw_path"])  # routed as it came: an encoded slash is not a separator
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = _CLIENT_CLOSED_REQUEST
        except Exception as error:  # noqa: BLE001  nobody else catches it: it becomes a reply and a log line
            failure = error.error if isinstance(error, Failed) else error
            if not status:  # else the stream breaks off: never well-formed and short
                await self._reply_to(error, scope)(scope, receive, send_with_id)
        seconds = time.perf_counter() - began
        route = getattr(scope.get("route"), "path_format", "other")
        self._metrics.observe(route, method, status, seconds)
        if isinstance(failure, Unavailable):
            self._metrics.store_errors.labels(type(failure).__name__).inc()
        line = {
            "request_id": request_id.decode(),
            "method": method,
            "route": route,
            "status": status,
            "ms": int(seconds * 1e6) / 1000,  # `round` takes longer than all the rest of the line
        }
        self._request_log(line if failure is None else line | _described(failure))

    def _request_id(self, scope: Scope) -> bytes:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return bytes(value)
        return b"%016x" % self._new_id(64)

    def _reply_to(self, error: Exception, scope: Scope) -> ErrorReply:
        if isinstance(error, HTTPException) and error.status_code == 405:
            allowed = allowed_methods(self._routes, scope) or {"GET", "HEAD"}  # none: a file of the documentation
            error.headers = {"Allow": ", ".join(sorted(allowed))}
        reply = reply_to(error)
        if isinstance(error, BodyTooLarge) and error.unread > _WORTH_READING:
            reply.headers = (*reply.headers, _CLOSE)
        return reply


def _without_body(send: Send) -> Send:
    """A `send` for HEAD: the reply ends after its head, and a handler that streams learns that the client has left."""
    complete = False

    async def send_head(message: Message) -> None:
        nonlocal complete
        if message["type"] == "http.response.start":
            await send(message)
        elif not complete:
            complete = True
            await send({"type": "http.response.body", "body": b""})

    return send_head


def _described(error: Exception) -> dict[str, str]:
    """What the log says of an error; the client is told less."""
    if isinstance(error, QaserviceError | HTTPException):
        return {"error": f"{type(error).__name__}: {error}".removesuffix(": ")}
    return {"error": repr(error), "traceback": "".join(traceback.format_exception(error))}
