"""The event store service as a process."""

from contextlib import AsyncExitStack
from pathlib import Path

from qaservice.domain.rules import Limits
from qaservice.runtime.ids import id_maker
from qaservice.runtime.logs import LogWriter
from qaservice.runtime.serve import Site, serve
from qaservice.runtime.settings import Settings
from qaservice.web.metrics import new_registry
from services import stores
from services.eventstore.api import create_app
from services.eventstore.hub import Hub
from services.eventstore.ports import AnswerLog

PORT = 8080
OFFERS = "POST, PATCH, DELETE /answers, GET /answers/{key}/history, GET /watch, /docs"


async def run(settings: Settings, folder: Path | None, logs: LogWriter) -> None:
    """Serve until a signal. Raises BadSettings, CannotListen."""
    log, feed = await stores.log_and_feed(settings, folder)
    hub = Hub(log, feed, most=settings.max_watchers, heartbeat=settings.watch_heartbeat)
    async with AsyncExitStack() as stack:
        for used in (log, feed, hub):
            stack.push_async_callback(used.close)
        await serve([site(settings, logs, log, hub)])


def site(settings: Settings, logs: LogWriter, log: AnswerLog, hub: Hub) -> Site:
    """The service on its port."""
    app = create_app(
        log=log,
        limits=Limits(settings.max_key_bytes, settings.max_value_bytes),
        max_body=settings.max_body_bytes,
        new_id=id_maker(),
        hub=hub,
        registry=new_registry(),
        request_log=logs.request,
        origins=settings.origins(),
    )
    return Site(app, settings.listen(PORT), OFFERS, hub.end)
