"""The routes that watch a process: ping, live, ready, metrics."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from starlette.responses import Response

from qaservice.domain.errors import QaserviceError, Unavailable
from qaservice.web.documentation import Responses, error_replies, error_reply, replies
from qaservice.web.errors import ErrorReply
from qaservice.web.metrics import exposition
from qaservice.web.replies import Reply
from qaservice.web.routes import DirectRoute

Check = Callable[[], Awaitable[None]]

_STANDS_STILL = "The process's loop stands still"


class Pong(BaseModel):
    """Somebody is there."""

    message: Literal["pong"]


class Status(BaseModel):
    """What a probe finds."""

    status: Literal["live", "ready"]


def pings(*paths: str) -> list[APIRoute]:
    """Routes that answer pong."""

    async def ping() -> Reply:
        """Whether anybody is there."""
        return Reply(200, '{"message":"pong"}')

    pong = replies(200, Pong, {"message": "pong"})
    return [_route(path, ping, "Ping", pong) for path in paths]


async def nothing() -> None:
    """Where there is nothing to do before the metrics are shown."""


def health(
    ready: Check,
    registry: CollectorRegistry,
    *,
    unready: str,
    figure: str,
    live: Callable[[], bool] = lambda: True,
    refresh: Check = nothing,
) -> list[APIRoute]:
    """`/health/live`, `/health/ready`, `/metrics`. `ready` raises, with the reason, where the process is not. An event
    loop that answers is live, unless `live` knows better. `refresh` brings figures up to date before they are shown.
    `unready` and `figure` are examples for the documentation: of a reason, and of a line of the metrics."""

    async def get_live() -> Reply | ErrorReply:
        """Whether the process's loop still turns; restart it if not. An outage of a store does not show here."""
        return Reply(200, '{"status":"live"}') if live() else ErrorReply(503, _STANDS_STILL)

    async def get_ready() -> Reply | ErrorReply:
        """Whether requests can be answered now."""
        try:
            await ready()
        except QaserviceError as error:
            why = str(error) if type(error) is Unavailable else f"{type(error).__name__}: {error}"
            return ErrorReply(503, why)
        return Reply(200, '{"status":"ready"}')

    async def get_metrics() -> Reply:
        """Prometheus text."""
        await refresh()
        text, content_type = exposition(registry)
        return Reply(200, text, content_type=(b"content-type", content_type.encode()))

    text: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": figure}}}}
    return [
        _route("/health/live", get_live, "Live", _status("live", _STANDS_STILL, "Restart it")),
        _route("/health/ready", get_ready, "Ready", _status("ready", unready, "Not now")),
        _route("/metrics", get_metrics, "Metrics", text, response_class=Response),
    ]


def _status(good: str, bad: str, why: str) -> Responses:
    return replies(200, Status, {"status": good}) | error_reply(503, bad, why=why)


def _route(
    path: str,
    handler: Callable[[], Awaitable[Reply | ErrorReply]],
    summary: str,
    responses: Responses,
    **documentation: Any,
) -> APIRoute:
    responses = responses | error_replies()
    return DirectRoute("GET", path, handler, summary=summary, tags=["health"], responses=responses, **documentation)
