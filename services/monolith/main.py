"""The three in one process: each service on its port, or every route on the one port that IP_PORT names."""

from contextlib import AsyncExitStack
from pathlib import Path

from prometheus_client import CollectorRegistry

from qaservice.domain.rules import Limits
from qaservice.runtime.ids import id_maker
from qaservice.runtime.logs import LogWriter
from qaservice.runtime.serve import Part, Site, serve
from qaservice.runtime.settings import Settings
from qaservice.web.metrics import events_applied, new_registry
from services import stores
from services.eventstore import main as writes
from services.eventstore.hub import Hub
from services.eventstore.ports import AnswerLog
from services.monolith.api import create_app
from services.projection import main as reads
from services.projection.changes import Changes
from services.projection.ports import Answers
from services.projector.service import Projector


async def run(settings: Settings, folder: Path | None, logs: LogWriter, *, memory: bool = False) -> None:
    """Serve and project until a signal. Raises BadSettings, CannotListen."""
    together = stores.in_memory(settings) if memory else await stores.together(settings, folder)
    log, feed, model, answers = together
    hub = Hub(log, feed, most=settings.max_watchers, heartbeat=settings.watch_heartbeat)
    changes = Changes(answers)
    registry = new_registry()
    count = events_applied(registry)

    def applied(events: int) -> None:
        count(events)
        changes.look()

    projector = Projector(feed, model, applied)
    if settings.ip_port is None:
        sites = [writes.site(settings, logs, log, hub), reads.site(settings, logs, answers, changes, registry)]
    else:
        sites = [_one_site(settings, logs, log, hub, answers, changes, registry)]
    async with AsyncExitStack() as stack:
        for store in together:
            stack.push_async_callback(store.close)
        stack.push_async_callback(hub.close)
        await serve(sites, [Part(projector.run, projector.stop)])


def _one_site(
    settings: Settings,
    logs: LogWriter,
    log: AnswerLog,
    hub: Hub,
    answers: Answers,
    changes: Changes,
    registry: CollectorRegistry,
) -> Site:
    """Both services on one port."""
    app = create_app(
        log=log,
        limits=Limits(settings.max_key_bytes, settings.max_value_bytes),
        max_body=settings.max_body_bytes,
        new_id=id_maker(),
        hub=hub,
        answers=answers,
        changes=changes,
        registry=registry,
        request_log=logs.request,
        origins=settings.origins(),
    )

    def ending() -> None:
        hub.end()
        changes.close()

    return Site(app, settings.listen(writes.PORT), f"{writes.OFFERS}, GET /answers, /projection/ping", ending)
