"""The projection service as a process."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from qaservice.domain.rules import Limits
from qaservice.runtime.logs import LogWriter
from qaservice.runtime.serve import Site, serve
from qaservice.runtime.settings import Settings
from qaservice.web.metrics import new_registry
from services import stores
from services.folder import ANSWERS, say_if_missing
from services.projection.api import create_app
from services.projection.changes import Changes
from services.projection.ports import Answers

PORT = 8081
OFFERS = "GET /answers, GET /answers/{key}, /docs"


async def run(settings: Settings, folder: Path | None, logs: LogWriter) -> None:
    """Serve until a signal. Raises BadSettings, CannotListen."""
    answers = stores.answers(settings, folder)
    say_if_missing(folder, ANSWERS)
    try:
        await serve([site(settings, logs, answers, Changes(answers), new_registry())])
    finally:
        await answers.close()


def site(settings: Settings, logs: LogWriter, answers: Answers, changes: Changes, registry: CollectorRegistry) -> Site:
    """The service on its port."""
    app = create_app(
        answers=answers,
        changes=changes,
        limits=Limits(settings.max_key_bytes, settings.max_value_bytes),
        registry=registry,
        request_log=logs.request,
        origins=settings.origins(),
    )
    return Site(app, settings.listen(PORT), OFFERS, changes.close)
