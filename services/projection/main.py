"""The projection service as a process."""

from pathlib import Path

from qaservice.domain.rules import Limits
from qaservice.runtime.logs import LogWriter
from qaservice.runtime.serve import Site, serve
from qaservice.runtime.settings import Settings
from qaservice.web.metrics import new_registry
from services import stores
from services.folder import ANSWERS, say_if_missing
from services.projection.api import create_app
from services.projection.changes import Changes

PORT = 8081
OFFERS = "GET /answers, GET /answers/{key}, /docs"


async def run(settings: Settings, folder: Path | None, logs: LogWriter) -> None:
    """Serve until a signal. Raises BadSettings, CannotListen."""
    answers = stores.answers(settings, folder)
    say_if_missing(folder, ANSWERS)
    limits = Limits(settings.max_key_bytes, settings.max_value_bytes)
    changes = Changes(answers)
    app = create_app(answers, changes, limits, new_registry(), logs.request, settings.origins())
    try:
        await serve([Site(app, settings.listen(PORT), OFFERS, changes.close)])
    finally:
        await answers.close()
