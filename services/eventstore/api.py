"""The event store service over HTTP: commands, and reads from the log itself."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal
from uuid import UUID

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from qaservice.domain.codec import CREATED, DELETED, UPDATED, answer_json, event_json, type_of, value_of
from qaservice.domain.errors import InputNotValid, KeyNotFound
from qaservice.domain.recorded import Appended, Recorded
from qaservice.domain.rules import Limits, check_key, check_value
from qaservice.web.app import App
from qaservice.web.conditions import (
    ConsistencyToken,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    MustNotExist,
    TokenParameter,
    retry_of,
    revisions_of,
    token_of,
)
from qaservice.web.documentation import (
    ANSWER,
    ETAG,
    LOCATION,
    NOT_MODIFIED,
    REPLAYED,
    TOKEN,
    Responses,
    error_replies,
    replies,
)
from qaservice.web.edge import RequestLog
from qaservice.web.etags import parse_entity_tags
from qaservice.web.health import health, pings
from qaservice.web.metrics import appends
from qaservice.web.paths import key_of_segment, path_of
from qaservice.web.replies import Header, Reply, etag, token_header
from qaservice.web.routes import DirectRoute
from services.eventstore.ports import AnswerLog
from services.eventstore.service import Commands, Terms, current


class NewAnswer(BaseModel):
    """A key and its value."""

    key: str = Field(examples=["name"])
    value: str = Field(examples=["john"])


class NewValue(BaseModel):
    """A value; a key may be given again and must then be the path's."""

    value: str = Field(examples=["jane"])
    key: str = ""


class Done(BaseModel):
    """What was recorded."""

    ok: Literal["AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"]


class HistoryEvent(BaseModel):
    """An event as it was recorded; a delete has an empty value."""

    type: Literal["AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"]
    data: NewAnswer


class AnswersApi:
    """The handlers, one for each route of `routes`."""

    def __init__(
        self, log: AnswerLog, limits: Limits, new_id: Callable[[], UUID], appended: Callable[[str], None]
    ) -> None:
        self._log = log
        self._limits = limits
        self._appended = appended
        self._commands = Commands(log, new_id)

    async def create(
        self, body: NewAnswer, if_none_match: MustNotExist = None, idempotency_key: IdempotencyKey = None
    ) -> Reply:
        """Give a key its first value, or a new first one after a delete."""
        key, value = check_key(body.key, self._limits), check_value(body.value, self._limits)
        must_not_exist = if_none_match is not None and parse_entity_tags("If-None-Match", if_none_match).any
        terms = Terms(must_not_exist=must_not_exist, retry=retry_of(idempotency_key, value))
        location: Header = (b"location", path_of(key).encode())
        return self._done(201, await self._commands.create(key, value, terms), location)

    async def update(self, body: NewAnswer, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None) -> Reply:
        """Replace the value of an answer; the same value again is recorded too."""
        return await self._update(check_key(body.key, self._limits), body.value, if_match, idempotency_key)

    async def update_at_path(
        self, key: str, body: NewValue, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None
    ) -> Reply:
        """Replace the value of an answer; the same value again is recorded too."""
        name = key_of_segment(key, self._limits)
        if "key" in body.model_fields_set and body.key != name:
            raise InputNotValid("key differs from the one in the path")
        return await self._update(name, body.value, if_match, idempotency_key)

    async def delete(self, key: str, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None) -> Reply:
        """End an answer; its history stays."""
        name = key_of_segment(key, self._limits)
        terms = Terms(revisions_of(if_match), retry=retry_of(idempotency_key, ""))
        return self._done(200, await self._commands.delete(name, terms))

    async def get(
        self,
        key: str,
        if_none_match: IfNoneMatch = None,
        consistency_token: ConsistencyToken = None,
        token_parameter: TokenParameter = None,
    ) -> Reply:
        """The answer from the log itself: always current, so that a token is only checked."""
        token = token_of(consistency_token, token_parameter)
        if token is not None:
            token.require_store(await self._log.store_id())
        known = None if if_none_match is None else parse_entity_tags("If-None-Match", if_none_match)
        last = await current(self._log, key_of_segment(key, self._limits))
        if known is not None and known.weakly_match(str(last.revision)):
            return Reply(304, "", [etag(last.revision)])
        return Reply(200, answer_json(last.event.key, value_of(last.event)), [etag(last.revision)])

    async def history(self, key: str) -> StreamingResponse:
        """Every event of the answer, oldest first, complete and streamed. A deleted answer keeps its history."""
        pages = self._log.history(key_of_segment(key, self._limits))
        first = await anext(pages, None)
        if first is None:
            raise KeyNotFound
        return StreamingResponse(_json_array(first, pages), media_type="application/json")

    async def _update(self, key: str, value: str, if_match: str | None, idempotency_key: str | None) -> Reply:
        check_value(value, self._limits)
        terms = Terms(revisions_of(if_match), retry=retry_of(idempotency_key, value))
        return self._done(200, await self._commands.update(key, value, terms))

    def _done(self, status: int, appended: Appended, *headers: Header) -> Reply:
        recorded = appended.recorded
        name = type_of(recorded.event)
        every = [etag(recorded.revision), token_header(appended.store, recorded.position), *headers]
        if appended.replayed:
            every.append((b"idempotency-replayed", b"true"))
        else:
            self._appended(name)
        return Reply(status, f'{{"ok":"{name}"}}', every)


def create_app(
    log: AnswerLog,
    limits: Limits,
    max_body: int,
    new_id: Callable[[], UUID],
    registry: CollectorRegistry,
    request_log: RequestLog,
) -> App:
    """The event store service over a log; `max_body` in bytes."""
    answers = routes(AnswersApi(log, limits, new_id, appends(registry)), max_body)
    watched = [*pings("/ping", "/eventstore/ping"), *health(log.check, registry)]
    return App("qaservice: event store", [*answers, *watched], registry, request_log)


def routes(api: AnswersApi, max_body: int) -> list[APIRoute]:
    """The routes of answers; `max_body` in bytes."""

    def route(method: str, path: str, handler: Callable[..., Any], success: Responses, *fails: int) -> APIRoute:
        return DirectRoute(
            method,
            path,
            handler,
            max_body=max_body,
            status_code=int(next(iter(success))),
            responses=success | error_replies(*fails, 503),
            tags=["answers"],
        )

    created = replies(201, Done, {"ok": CREATED}, ETAG, TOKEN, REPLAYED, LOCATION)
    updated = replies(200, Done, {"ok": UPDATED}, ETAG, TOKEN, REPLAYED)
    deleted = replies(200, Done, {"ok": DELETED}, ETAG, TOKEN, REPLAYED)
    answer = replies(200, NewAnswer, ANSWER, ETAG) | NOT_MODIFIED
    history = replies(200, list[HistoryEvent], [{"type": CREATED, "data": ANSWER}])
    return [
        route("POST", "/answers", api.create, created, 400, 409, 412, 413, 422),
        route("PATCH", "/answers", api.update, updated, 400, 404, 412, 413, 422),
        route("GET", "/answers/{key}", api.get, answer, 400, 404),
        route("PATCH", "/answers/{key}", api.update_at_path, updated, 400, 404, 412, 413, 422),
        route("DELETE", "/answers/{key}", api.delete, deleted, 400, 404, 412, 422),
        route("GET", "/answers/{key}/history", api.history, history, 400, 404),
    ]


async def _json_array(first: Sequence[Recorded], rest: AsyncGenerator[Sequence[Recorded], None]) -> AsyncIterator[str]:
    async with aclosing(rest):
        yield "[" + ",".join(event_json(recorded.event) for recorded in first)
        async for page in rest:
            yield "," + ",".join(event_json(recorded.event) for recorded in page)
            await asyncio.sleep(0)  # others take their turn, and a client that has gone is noticed
    yield "]"
