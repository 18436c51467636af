"""The history of an answer over HTTP: complete and streamed, or a part of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, WithJsonSchema
from starlette.responses import Response, StreamingResponse

from qaservice.domain.codec import CREATED, event_json
from qaservice.domain.errors import InputNotValid, KeyNotFound
from qaservice.domain.recorded import Recorded
from qaservice.domain.rules import Limits
from qaservice.web.documentation import ANSWER, LINK, error_replies, replies
from qaservice.web.parameters import next_page, whole_number
from qaservice.web.paths import key_of_segment, path_of
from qaservice.web.routes import DirectRoute
from services.eventstore.ports import AnswerLog

_HIGHEST_LIMIT = 1_000

Limit = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": _HIGHEST_LIMIT}),
    Query(description="The most events of a page; without it all"),
]
Bound = WithJsonSchema({"type": "integer", "minimum": 0})
After = Annotated[str | None, Bound, Query(description="Only events of a higher revision")]
Before = Annotated[str | None, Bound, Query(description="Only events of a lower revision")]
Order = Annotated[str | None, WithJsonSchema({"enum": ["asc", "desc"]}), Query(description="`desc`: the newest first")]
Include = Annotated[str | None, WithJsonSchema({"enum": ["meta"]}), Query(description="`meta`: what is known of each")]


class Data(BaseModel):
    """A key and its value."""

    key: str
    value: str


class Meta(BaseModel):
    """What is known of an event: its revision, its id, when it was recorded, and who asked for it."""

    revision: int
    id: UUID
    time: datetime
    actor: str | None


class HistoryEvent(BaseModel):
    """An event as it was recorded; a delete has an empty value. `meta` is there where it was asked for."""

    type: Literal["AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"]
    data: Data
    meta: Meta | None = None


def history_route(log: AnswerLog, limits: Limits) -> APIRoute:
    """The route of an answer's history."""

    async def history(
        key: str,
        limit: Limit = None,
        after: After = None,
        before: Before = None,
        order: Order = None,
        include: Include = None,
    ) -> Response:
        """The events of the answer, oldest first; without parameters every one, streamed. A deleted answer keeps its
        history. `Link` leads to the next page where `limit` has cut something off."""
        name = key_of_segment(key, limits)
        newest_first = _choice("order", order, ("asc", "desc")) == "desc"
        as_json = _with_meta if _choice("include", include, ("meta",)) else _without_meta
        most = None if limit is None else whole_number("limit", limit, 1, _HIGHEST_LIMIT)
        first = 0 if after is None else whole_number("after", after) + 1
        beyond = None if before is None else whole_number("before", before)
        if (limit, after, before, newest_first) == (None, None, None, False):
            return await _streamed(log.history(name), as_json)
        newest = await log.last(name)
        if newest is None:
            raise KeyNotFound
        last = newest.revision if beyond is None else min(beyond - 1, newest.revision)
        if first > last:
            return Response("[]", media_type="application/json")
        is_cut = most is not None and last - first + 1 > most
        headers = []
        if most is not None and is_cut:
            first, last = (last - most + 1, last) if newest_first else (first, first + most - 1)
            bounds = (after, str(first)) if newest_first else (str(last), before)
            given = {"limit": limit, "after": bounds[0], "before": bounds[1], "order": order, "include": include}
            headers.append(next_page(f"{path_of(name)}/history", **given))
        reply = await _streamed(log.history(name, first, last, newest_first=newest_first), as_json)
        reply.raw_headers += headers
        return reply

    documented = replies(200, list[HistoryEvent], [{"type": CREATED, "data": ANSWER}], LINK)
    documented |= error_replies(400, 404, 503)
    return DirectRoute("GET", "/answers/{key}/history", history, responses=documented, tags=["answers"])


async def _streamed(
    pages: AsyncGenerator[Sequence[Recorded], None], as_json: Callable[[Recorded], str]
) -> StreamingResponse:
    """A reply once the first page is there. Raises KeyNotFound where there is none."""
    first = await anext(pages, None)
    if first is None:
        raise KeyNotFound
    return StreamingResponse(_array(first, pages, as_json), media_type="application/json")


async def _array(
    first: Sequence[Recorded], rest: AsyncGenerator[Sequence[Recorded], None], as_json: Callable[[Recorded], str]
) -> AsyncIterator[str]:
    async with aclosing(rest):
        yield "[" + ",".join(map(as_json, first))
        async for page in rest:
            yield "," + ",".join(map(as_json, page))
            await asyncio.sleep(0)  # others take their turn, and a client that has gone is noticed
    yield "]"


def _without_meta(recorded: Recorded) -> str:
    return event_json(recorded.event)


def _with_meta(recorded: Recorded) -> str:
    time = recorded.time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    meta = {"revision": recorded.revision, "id": str(recorded.id), "time": time}
    meta["actor"] = recorded.metadata.get("actor")
    return f'{event_json(recorded.event)[:-1]},"meta":{json.dumps(meta, ensure_ascii=False, separators=(",", ":"))}}}'


def _choice(name: str, text: str | None, choices: Sequence[str]) -> str | None:
    if text is None or text in choices:
        return text
    raise InputNotValid(f"{name} is not {' or '.join(choices)}")
