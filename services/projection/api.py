"""The projection service over HTTP: reads from the read model."""

from collections.abc import Sequence

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from qaservice.domain.codec import answer_json
from qaservice.domain.errors import KeyNotFound
from qaservice.domain.rules import Limits
from qaservice.domain.tokens import Token
from qaservice.web.app import App
from qaservice.web.conditions import ConsistencyToken, IfNoneMatch, Key, Prefer, TokenParameter, token_of
from qaservice.web.documentation import (
    ANSWER,
    ETAG,
    STALE,
    TOKEN,
    Answer,
    error_replies,
    error_reply,
    not_modified,
    replies,
)
from qaservice.web.edge import RequestLog
from qaservice.web.errors import Failed
from qaservice.web.etags import EntityTags, parse_entity_tags
from qaservice.web.health import health, pings
from qaservice.web.metrics import lag_seconds
from qaservice.web.paths import key_of_segment
from qaservice.web.preferences import parse_prefer
from qaservice.web.replies import Reply, etag, token_header
from qaservice.web.routes import DirectRoute
from services.projection.changes import Changes
from services.projection.lag import Lag
from services.projection.listing import list_route
from services.projection.ports import Answers
from services.projection.reads import NOTHING_SPECIAL, Reads, Wish, complete

_UNREADY = "ReadModelUnavailable: the read model is empty: is the projector running?"
_FIGURE = "qaservice_projection_lag_seconds 0.2"


def create_app(
    answers: Answers,
    changes: Changes,
    limits: Limits,
    registry: CollectorRegistry,
    request_log: RequestLog,
    origins: Sequence[str] = (),
) -> App:
    """The projection service over a read model. See App for `origins`."""
    lag = Lag(answers)
    lag_seconds(registry, lambda: lag.confirmed)

    async def ready() -> None:
        complete(await answers.checkpoint())

    every = [
        *routes(answers, changes, limits),
        *pings("/ping", "/projection/ping"),
        *health(ready, registry, unready=_UNREADY, figure=_FIGURE, refresh=lag.refresh),
    ]
    return App("qaservice: projection", every, registry, request_log, origins)


def routes(answers: Answers, changes: Changes, limits: Limits) -> list[APIRoute]:
    """The routes of answers."""
    reads = Reads(answers, changes)

    async def get_answer(
        key: Key,
        if_none_match: IfNoneMatch = None,
        consistency_token: ConsistencyToken = None,
        token_parameter: TokenParameter = None,
        prefer: Prefer = None,
    ) -> Reply:
        """The answer from the read model, which follows the log within milliseconds. With a token: at least as new as
        the reply it came with. With `If-None-Match` and `Prefer: wait=N`: waits for a change of this answer, or
        until it exists."""
        name = key_of_segment(key, limits)
        known = None if if_none_match is None else parse_entity_tags("If-None-Match", if_none_match)
        wish = wish_of(known, token_of(consistency_token, token_parameter), prefer)
        found = await reads.read(name, wish)
        document = found.document
        position = found.checkpoint.position
        headers = [token_header(found.checkpoint.store, max(position, document.position) if document else position)]
        if found.stale:
            headers.append((b"stale", b"true"))
        if document is None or document.value is None:
            raise Failed(KeyNotFound(), headers)
        headers.append(etag(document.revision))
        if known is not None and not found.appeared and known.weakly_match(str(document.revision)):
            return Reply(304, "", headers)
        return Reply(200, answer_json(name, document.value), headers)

    documented = replies(200, Answer, ANSWER, ETAG, TOKEN, STALE) | not_modified(TOKEN, STALE)
    documented |= error_replies(400) | error_reply(404, None, TOKEN, STALE) | error_reply(503, "Read model unavailable")
    one = DirectRoute("GET", "/answers/{key}", get_answer, responses=documented, tags=["answers"])
    return [one, list_route(answers, changes)]


def wish_of(known: EntityTags | None, token: Token | None, prefer: str | None) -> Wish:
    """What the headers ask for."""
    if known is None and token is None:
        return NOTHING_SPECIAL
    preferences = parse_prefer(prefer)
    return Wish(
        at_least=token,
        known=None if known is None else lambda revision: known.weakly_match(str(revision)),
        wait=preferences.wait,
        lenient=preferences.lenient,
    )
