"""Reads of one answer from the log itself, over HTTP: as it is, and as it was."""

from typing import Annotated

from fastapi import Query
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema

from qaservice.domain.codec import answer_json, value_of
from qaservice.domain.errors import InputNotValid
from qaservice.domain.recorded import Recorded
from qaservice.domain.rules import Limits
from qaservice.web.conditions import ConsistencyToken, IfNoneMatch, Key, TokenParameter, token_of
from qaservice.web.documentation import ANSWER, ETAG, Answer, error_replies, not_modified, replies
from qaservice.web.etags import parse_entity_tags
from qaservice.web.parameters import moment, whole_number
from qaservice.web.paths import key_of_segment
from qaservice.web.replies import Reply, etag
from qaservice.web.routes import DirectRoute
from services.eventstore.as_of import at_moment, at_revision, current
from services.eventstore.ports import AnswerLog

Revision = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 0}),
    Query(description="The answer as it was at this revision"),
]
Moment = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "format": "date-time"}),
    Query(description="The answer as it was at this moment, by the recorded times (RFC 3339, with its zone)"),
]


def read_route(log: AnswerLog, limits: Limits) -> APIRoute:
    """The route of one answer."""

    async def get_answer(
        key: Key,
        revision: Revision = None,
        at: Moment = None,
        if_none_match: IfNoneMatch = None,
        consistency_token: ConsistencyToken = None,
        token_parameter: TokenParameter = None,
    ) -> Reply:
        """The answer from the log itself: always current, so that a token is only checked. Or as it was at a revision,
        or at a moment."""
        name = key_of_segment(key, limits)
        token = token_of(consistency_token, token_parameter)
        if token is not None:
            token.require_store(await log.store_id())
        known = None if if_none_match is None else parse_entity_tags("If-None-Match", if_none_match)
        found = await _found(log, name, revision, at)
        if known is not None and known.weakly_match(str(found.revision)):
            return Reply(304, "", [etag(found.revision)])
        return Reply(200, answer_json(name, value_of(found.event)), [etag(found.revision)])

    documented = replies(200, Answer, ANSWER, ETAG) | not_modified() | error_replies(400, 404, 503)
    return DirectRoute("GET", "/answers/{key}", get_answer, responses=documented, tags=["answers"])


async def _found(log: AnswerLog, key: str, revision: str | None, at: str | None) -> Recorded:
    if revision is not None and at is not None:
        raise InputNotValid("revision and at can't both be given")
    if revision is not None:
        return await at_revision(log, key, whole_number("revision", revision))
    if at is not None:
        return await at_moment(log, key, moment("at", at))
    return await current(log, key)
