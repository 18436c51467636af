"""Both services on one port: reads of one answer come from the log, so they are always current; the list comes from the
read model."""

from collections.abc import Callable, Sequence
from uuid import UUID

from prometheus_client import CollectorRegistry

from qaservice.domain.rules import Limits
from qaservice.web.app import App
from qaservice.web.edge import RequestLog
from qaservice.web.health import health, pings
from qaservice.web.metrics import lag_seconds
from services.eventstore.api import FIGURE, UNREADY, routes
from services.eventstore.hub import Hub
from services.eventstore.ports import AnswerLog
from services.projection.changes import Changes
from services.projection.lag import Lag
from services.projection.listing import list_route
from services.projection.ports import Answers
from services.projection.reads import complete


def create_app(
    log: AnswerLog,
    limits: Limits,
    max_body: int,
    new_id: Callable[[], UUID],
    hub: Hub,
    answers: Answers,
    changes: Changes,
    registry: CollectorRegistry,
    request_log: RequestLog,
    origins: Sequence[str] = (),
) -> App:
    """Every route of both services; `max_body` in bytes. See App for `origins`."""
    lag = Lag(answers)
    lag_seconds(registry, lambda: lag.confirmed)

    async def ready() -> None:
        await log.check()
        complete(await answers.checkpoint())

    every = [
        *routes(log, limits, max_body, new_id, hub, registry),
        list_route(answers, changes),
        *pings("/ping", "/eventstore/ping", "/projection/ping"),
        *health(ready, registry, unready=UNREADY, figure=FIGURE, refresh=lag.refresh),
    ]
    return App("qaservice", every, registry, request_log, origins)
