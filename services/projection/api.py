"""The projection service over HTTP: reads from the read model."""

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from qaservice.domain.codec import answer_json
from qaservice.domain.errors import KeyNotFound, ReadModelBehind, ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.rules import Limits
from qaservice.web.app import App
from qaservice.web.documentation import ANSWER, ETAG, error_replies, replies
from qaservice.web.edge import RequestLog
from qaservice.web.health import health, pings
from qaservice.web.metrics import lag_seconds
from qaservice.web.paths import key_of_segment
from qaservice.web.replies import Reply, etag
from qaservice.web.routes import DirectRoute
from services.projection.lag import Lag
from services.projection.ports import Answers


class Answer(BaseModel):
    """A key and its value."""

    key: str
    value: str


def create_app(answers: Answers, limits: Limits, registry: CollectorRegistry, request_log: RequestLog) -> App:
    """The projection service over a read model."""
    lag = Lag(answers)
    lag_seconds(registry, lambda: lag.confirmed)

    async def ready() -> None:
        require_complete(await answers.checkpoint())

    watched = [*pings("/ping", "/projection/ping"), *health(ready, registry, refresh=lag.refresh)]
    return App("qaservice: projection", [*routes(answers, limits), *watched], registry, request_log)


def routes(answers: Answers, limits: Limits) -> list[APIRoute]:
    """The routes of answers."""

    async def get_answer(key: str) -> Reply:
        """The answer from the read model, which follows the log within milliseconds."""
        name = key_of_segment(key, limits)
        snapshot = await answers.get(name)
        require_complete(snapshot.checkpoint)
        document = snapshot.document
        if document is None or document.value is None:
            raise KeyNotFound
        return Reply(200, answer_json(name, document.value), [etag(document.revision)])

    documented = replies(200, Answer, ANSWER, ETAG) | error_replies(400, 404, 503, unavailable="Read model unavailable")
    return [DirectRoute("GET", "/answers/{key}", get_answer, responses=documented, tags=["answers"])]


def require_complete(checkpoint: Checkpoint | None) -> None:
    """Return if the absence of a document means something. Raises ReadModelUnavailable, ReadModelBehind."""
    if checkpoint is None:
        raise ReadModelUnavailable("the read model is empty: is the projector running?")
    if checkpoint.target is not None:
        raise ReadModelBehind("the read model is being built")
