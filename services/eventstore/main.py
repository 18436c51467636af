"""The event store service as a process."""

from pathlib import Path

from qaservice.domain.rules import Limits
from qaservice.runtime.ids import id_maker
from qaservice.runtime.logs import LogWriter
from qaservice.runtime.serve import Site, serve
from qaservice.runtime.settings import Settings
from qaservice.web.metrics import new_registry
from services import stores
from services.eventstore.api import create_app

PORT = 8080
OFFERS = "POST, PATCH, DELETE /answers, GET /answers/{key}/history, /docs"


async def run(settings: Settings, folder: Path | None, logs: LogWriter) -> None:
    """Serve until a signal. Raises BadSettings, CannotListen."""
    log = await stores.answer_log(settings, folder)
    limits = Limits(settings.max_key_bytes, settings.max_value_bytes)
    app = create_app(log, limits, settings.max_body_bytes, id_maker(), new_registry(), logs.request)
    try:
        await serve([Site(app, settings.listen(PORT), OFFERS)])
    finally:
        await log.close()
