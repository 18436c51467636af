"""The projector over HTTP: its health and its metrics."""

import time

from prometheus_client import CollectorRegistry

from qaservice.domain.errors import LogUnavailable, Unavailable
from qaservice.web.app import App
from qaservice.web.edge import RequestLog
from qaservice.web.health import Check, health, nothing, pings
from qaservice.web.metrics import lag_events, lag_seconds
from services.projector.ports import EventFeed
from services.projector.service import Projector

_STANDS_STILL_AFTER = 60.0
_UNREADY = "building the read model from the start: the read model is empty"
_FIGURE = "qaservice_events_applied_total 1.0"


def create_app(
    projector: Projector, registry: CollectorRegistry, request_log: RequestLog, counted: EventFeed | None = None
) -> App:
    """Health and metrics of a projector. `counted`: its log, where positions count events without gaps."""

    async def ready() -> None:
        if projector.trouble is not None:
            raise Unavailable(projector.trouble)

    def live() -> bool:
        return time.monotonic() - projector.last_turn < _STANDS_STILL_AFTER

    lag_seconds(registry, lambda: projector.confirmed)
    refresh = nothing if counted is None else _count(projector, counted, registry)
    watched = [
        *pings("/ping"),
        *health(ready, registry, unready=_UNREADY, figure=_FIGURE, live=live, refresh=refresh),
    ]
    return App("qaservice: projector", watched, registry, request_log)


def _count(projector: Projector, feed: EventFeed, registry: CollectorRegistry) -> Check:
    gauge = lag_events(registry)

    async def refresh() -> None:
        try:
            gauge.set(max(0, await feed.end() - max(0, projector.position)))  # positions begin at 1, START is below
        except LogUnavailable:
            return  # the log can't be read now: the last number stands

    return refresh
