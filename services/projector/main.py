"""The projector as a process, with its health and metrics."""

from contextlib import AsyncExitStack
from pathlib import Path

from qaservice.runtime.logs import LogWriter
from qaservice.runtime.serve import Part, Site, serve
from qaservice.runtime.settings import Settings
from qaservice.web.metrics import events_applied, new_registry
from services import stores
from services.folder import EVENTS, say_if_missing
from services.projector.api import create_app
from services.projector.service import Projector

PORT = 8082
OFFERS = "GET /health/ready, /metrics of the projector"


async def run(settings: Settings, folder: Path | None, logs: LogWriter) -> None:
    """Follow the log until a signal. Raises BadSettings, CannotListen."""
    async with AsyncExitStack() as stack:
        feed = stores.event_feed(settings, folder)
        stack.push_async_callback(feed.close)
        model = stores.read_model(settings, folder)
        stack.push_async_callback(model.close)
        say_if_missing(folder, EVENTS)
        registry = new_registry()
        projector = Projector(feed, model, events_applied(registry))
        app = create_app(projector, registry, logs.request, feed if folder else None)
        await serve([Site(app, settings.listen(PORT), OFFERS)], [Part(projector.run, projector.stop)])
