"""Watching over HTTP: Server-Sent Events."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from itertools import takewhile
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query
from fastapi.routing import APIRoute
from starlette.responses import Response

from qaservice.domain.codec import CREATED, answer_json, type_of, value_of
from qaservice.domain.cursor import Cursor, parse_cursor
from qaservice.domain.recorded import Recorded, Undecodable
from qaservice.domain.rules import Limits
from qaservice.web.conditions import Key
from qaservice.web.documentation import Responses, error_replies, error_reply
from qaservice.web.paths import key_of_segment
from qaservice.web.routes import DirectRoute
from qaservice.web.sse import HEARTBEAT, RETRY, EventStream, event_frame, place_frame
from services.eventstore.changes import Change, Wanted
from services.eventstore.hub import Hub, Since
from services.eventstore.watch import Watch

LastEventId = Annotated[
    str | None,
    Header(description="The `id` of the last event that arrived: what follows it comes; `from` is then ignored"),
]
From = Annotated[
    str | None,
    Query(alias="from", description="Where to begin: `now` (the default), `start`, or the `id` of an event"),
]
Prefix = Annotated[str, Query(description="Only answers whose keys begin with this")]

_EXAMPLE = event_frame("AaZz…", CREATED, answer_json("name", "john")).decode()
_STREAM: Responses = {
    200: {
        "description": "An event for each change, with its type, what it leaves behind (a delete: an empty value) and "
        "an `id` to resume from. It goes on until the client leaves; when the connection ends, connect again",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


def watch_routes(hub: Hub, limits: Limits) -> list[APIRoute]:
    """The routes of watches."""

    async def watch(wanted: Wanted, last_event_id: str | None, from_: str | None) -> EventStream:
        watching = await hub.watch(wanted, _since(last_event_id, from_))
        return EventStream(_frames(watching), watching.over, partial(hub.leave, watching))

    async def watch_answer(key: Key, last_event_id: LastEventId = None, from_: From = None) -> EventStream:
        """Every change of the answer, as Server-Sent Events: none is left out, none is merged with another. An answer
        that does not exist yet can be watched."""
        return await watch(Wanted(key_of_segment(key, limits)), last_event_id, from_)

    async def watch_answers(prefix: Prefix = "", last_event_id: LastEventId = None, from_: From = None) -> EventStream:
        """Every change of all answers, or of those whose keys begin alike, in the order of the log."""
        return await watch(Wanted(prefix, is_prefix=True), last_event_id, from_)

    documented = _STREAM | error_replies(400) | error_reply(503, "Too many watchers", why="No more may watch")

    def route(path: str, handler: Callable[..., Awaitable[EventStream]]) -> APIRoute:
        more: dict[str, Any] = {"response_class": Response, "responses": documented, "tags": ["answers"]}
        return DirectRoute("GET", path, handler, **more)

    return [route("/answers/{key}/watch", watch_answer), route("/watch", watch_answers)]


def _since(last_event_id: str | None, from_: str | None) -> Since:
    """Where a client wants to begin. Raises InputNotValid."""
    if last_event_id:  # browsers send an empty one for none
        return parse_cursor(last_event_id)
    match from_:
        case None | "now":
            return "now"
        case "start":
            return "start"
        case _:
            return parse_cursor(from_)


async def _frames(watch: Watch) -> AsyncGenerator[bytes, None]:
    """What a watcher is sent. Raises UndecodableEvent, LogReplaced."""
    yield RETRY
    yield place_frame(str(watch.since))  # a client cut off before its first change can resume too
    store, told = watch.since.store, watch.since.position
    while True:
        changes = await watch.take()
        if not changes:
            yield HEARTBEAT
            if watch.wanted.is_prefix and watch.reached > told:
                told = watch.reached  # a client that resumes need not read again what it did not want
                yield place_frame(str(Cursor(store, told)))
            continue
        readable = list(takewhile(_is_readable, changes))
        if readable:
            yield b"".join([_frame(change, store) for change in readable])
            told = readable[-1].position
        if len(readable) < len(changes):
            unreadable = changes[len(readable)].event
            assert isinstance(unreadable, Undecodable)
            raise unreadable.error()


def _frame(change: Change, store: UUID) -> bytes:
    if not change.frame:
        recorded = change.event
        assert isinstance(recorded, Recorded)
        cursor = Cursor(store, recorded.position, recorded.revision)
        event = recorded.event
        change.frame = event_frame(str(cursor), type_of(event), answer_json(event.key, value_of(event)))
    return change.frame


def _is_readable(change: Change) -> bool:
    return isinstance(change.event, Recorded)
