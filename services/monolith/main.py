"""The three in one process: each service on its port, or every route on the one port that IP_PORT names."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from qaservice.domain.rules import Limits
from qaservice.runtime.ids import id_maker
from qaservice.runtime.logs import LogWriter
from qaservice.runtime.serve import Part, Site, serve
from qaservice.runtime.settings import Settings
from qaservice.web.metrics import events_applied, new_registry
from services import stores
from services.eventstore import api as eventstore
from services.eventstore import main as writes
from services.eventstore.hub import Hub
from services.monolith.api import create_app
from services.projection import api as projection
from services.projection import main as reads
from services.projection.changes import Changes
from services.projector.service import Projector


async def run(settings: Settings, folder: Path | None, logs: LogWriter, *, memory: bool = False) -> None:
    """Serve and project until a signal. Raises BadSettings, CannotListen."""
    together = stores.in_memory(settings) if memory else await stores.together(settings, folder)
    log, feed, model, answers = together
    registry = new_registry()
    changes = Changes(answers)
    count = events_applied(registry)

    def applied(events: int) -> None:
        count(events)
        changes.look()

    projector = Projector(feed, model, applied)
    limits = Limits(settings.max_key_bytes, settings.max_value_bytes)
    hub = Hub(log, feed, most=settings.max_watchers, heartbeat=settings.watch_heartbeat)
    origins = settings.origins()

    def ending() -> None:
        hub.end()
        changes.close()

    def sites() -> Iterator[Site]:
        if settings.ip_port is not None:
            app = create_app(
                log=log,
                limits=limits,
                max_body=settings.max_body_bytes,
                new_id=id_maker(),
                hub=hub,
                answers=answers,
                changes=changes,
                registry=registry,
                request_log=logs.request,
                origins=origins,
            )
            offers = f"{writes.OFFERS}, GET /answers, /projection/ping"
            yield Site(app, settings.listen(writes.PORT), offers, ending)
            return
        app = eventstore.create_app(
            log=log,
            limits=limits,
            max_body=settings.max_body_bytes,
            new_id=id_maker(),
            hub=hub,
            registry=new_registry(),
            request_log=logs.request,
            origins=origins,
        )
        yield Site(app, settings.listen(writes.PORT), writes.OFFERS, hub.end)
        app = projection.create_app(
            answers=answers,
            changes=changes,
            limits=limits,
            registry=registry,
            request_log=logs.request,
            origins=origins,
        )
        yield Site(app, settings.listen(reads.PORT), reads.OFFERS, changes.close)

    async with AsyncExitStack() as stack:
        for store in together:
            stack.push_async_callback(store.close)
        stack.push_async_callback(hub.close)
        await serve(list(sites()), [Part(projector.run, projector.stop)])
