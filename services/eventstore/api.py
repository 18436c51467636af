"""The event store service over HTTP. The commands are here; reads of the log have files of their own."""

from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict, Field

from qaservice.domain.codec import CREATED, DELETED, UPDATED, type_of
from qaservice.domain.errors import InputNotValid
from qaservice.domain.recorded import Appended
from qaservice.domain.rules import Limits, check_key, check_sizes, check_value
from qaservice.web.app import App
from qaservice.web.conditions import IdempotencyKey, IfMatch, Key, MustNotExist, retry_of, revisions_of
from qaservice.web.documentation import ETAG, LOCATION, REPLAYED, TOKEN, Responses, error_replies, error_reply, replies
from qaservice.web.edge import RequestLog
from qaservice.web.etags import parse_entity_tags
from qaservice.web.health import health, pings
from qaservice.web.metrics import appends, watchers
from qaservice.web.paths import key_of_segment, path_of
from qaservice.web.replies import Header, Reply, etag, token_header
from qaservice.web.routes import DirectRoute
from services.eventstore.history import history_route
from services.eventstore.hub import Hub
from services.eventstore.ports import AnswerLog
from services.eventstore.reading import read_route
from services.eventstore.service import Commands, Terms
from services.eventstore.watch_routes import watch_routes

UNREADY = "LogUnavailable: the disk is full"
FIGURE = 'qaservice_appends_total{type="AnswerCreatedEvent"} 1.0'


class NewAnswer(BaseModel):
    """A key and its value."""

    key: str = Field(examples=["name"])
    value: str = Field(examples=["john"])


class NewValue(BaseModel):
    """A value; a key may be given again and must then be the path's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": "jane"}]})

    value: str = Field(examples=["jane"])
    key: str = Field(default_factory=str)  # a default would be in the documentation, whose page would send it


class Done(BaseModel):
    """What was recorded."""

    ok: Literal["AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"]


class CommandsApi:
    """The handlers of commands."""

    def __init__(
        self, log: AnswerLog, limits: Limits, new_id: Callable[[], UUID], appended: Callable[[str], None]
    ) -> None:
        self._limits = limits
        self._appended = appended
        self._commands = Commands(log, new_id)

    async def create(
        self, body: NewAnswer, if_none_match: MustNotExist = None, idempotency_key: IdempotencyKey = None
    ) -> Reply:
        """Give a key its first value, or a new first one after a delete."""
        check_sizes(body.key, body.value, self._limits)
        key, value = check_key(body.key), check_value(body.value)
        must_not_exist = if_none_match is not None and parse_entity_tags("If-None-Match", if_none_match).any
        terms = Terms(must_not_exist=must_not_exist, retry=retry_of(idempotency_key, value))
        location: Header = (b"location", path_of(key).encode())
        return self._done(201, await self._commands.create(key, value, terms), location)

    async def update(self, body: NewAnswer, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None) -> Reply:
        """Replace the value of an answer; the same value again is recorded too."""
        check_sizes(body.key, body.value, self._limits)
        return await self._update(check_key(body.key), body.value, if_match, idempotency_key)

    async def update_at_path(
        self, key: Key, body: NewValue, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None
    ) -> Reply:
        """Replace the value of an answer; the same value again is recorded too."""
        check_sizes(body.key, body.value, self._limits)
        name = key_of_segment(key, self._limits)
        if "key" in body.model_fields_set and body.key != name:
            raise InputNotValid("key differs from the one in the path")
        return await self._update(name, body.value, if_match, idempotency_key)

    async def delete(self, key: Key, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None) -> Reply:
        """End an answer; its history stays."""
        name = key_of_segment(key, self._limits)
        terms = Terms(revisions_of(if_match), retry=retry_of(idempotency_key, ""))
        return self._done(200, await self._commands.delete(name, terms))

    async def _update(self, key: str, value: str, if_match: str | None, idempotency_key: str | None) -> Reply:
        check_value(value)
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
    hub: Hub,
    registry: CollectorRegistry,
    request_log: RequestLog,
    origins: Sequence[str] = (),
) -> App:
    """The event store service over a log; `max_body` in bytes. See App for `origins`."""
    every = [
        *routes(log, limits, max_body, new_id, hub, registry),
        *pings("/ping", "/eventstore/ping"),
        *health(log.check, registry, unready=UNREADY, figure=FIGURE),
    ]
    return App("qaservice: event store", every, registry, request_log, origins)


def routes(
    log: AnswerLog, limits: Limits, max_body: int, new_id: Callable[[], UUID], hub: Hub, registry: CollectorRegistry
) -> list[APIRoute]:
    """The routes of answers, whose metrics go into `registry`; `max_body` in bytes."""
    api = CommandsApi(log, limits, new_id, appends(registry))
    watchers(registry, lambda: hub.watchers)

    def route(method: str, path: str, handler: Callable[..., Any], own: Responses, *fails: int) -> APIRoute:
        # The first of its own replies is the success.
        return DirectRoute(
            method,
            path,
            handler,
            max_body=max_body,
            status_code=int(next(iter(own))),
            responses=own | error_replies(*fails, 503),
            tags=["answers"],
        )

    created = replies(201, Done, {"ok": CREATED}, ETAG, TOKEN, REPLAYED, LOCATION)
    updated = replies(200, Done, {"ok": UPDATED}, ETAG, TOKEN, REPLAYED)
    deleted = replies(200, Done, {"ok": DELETED}, ETAG, TOKEN, REPLAYED)
    return [
        route("POST", "/answers", api.create, created | error_reply(412, "Key exists"), 400, 409, 413, 422),
        route("PATCH", "/answers", api.update, updated, 400, 404, 412, 413, 422),
        read_route(log, limits),
        route("PATCH", "/answers/{key}", api.update_at_path, updated, 400, 404, 412, 413, 422),
        route("DELETE", "/answers/{key}", api.delete, deleted, 400, 404, 412, 422),
        history_route(log, limits),
        *watch_routes(hub, limits),
    ]
