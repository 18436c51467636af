"""The history of an answer over HTTP: all of it, or a page."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, WithJsonSchema
from starlette.responses import StreamingResponse

from qaservice.domain.codec import CREATED, event_json
from qaservice.domain.errors import KeyNotFound
from qaservice.domain.recorded import Recorded
from qaservice.domain.rules import Limits
from qaservice.domain.times import time_text
from qaservice.web.conditions import Key
from qaservice.web.documentation import ANSWER, error_replies, link, replies
from qaservice.web.parameters import next_page, one_of, whole_number
from qaservice.web.paths import key_of_segment, path_of
from qaservice.web.routes import DirectRoute
from services.eventstore.ports import AnswerLog

_HIGHEST_LIMIT = 1_000
_BEYOND_ALL = 10**18
_NEXT = "/answers/name/history?limit=100&after=99"

_NUMBER = WithJsonSchema({"type": "integer", "minimum": 0})
Limit = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": _HIGHEST_LIMIT}),
    Query(description="The most events of a page; without it there is one page with all of them"),
]
After = Annotated[str | None, _NUMBER, Query(description="Only events of higher revisions, whatever the order")]
Before = Annotated[str | None, _NUMBER, Query(description="Only events of lower revisions, whatever the order")]
Order = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["asc", "desc"]}),
    Query(description="`asc` (the default): oldest first, `desc`: newest first"),
]
Include = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["meta"]}),
    Query(description="`meta`: each event's revision, id, time and actor too"),
]

AsJson = Callable[[Recorded], str]


class Data(BaseModel):
    """A key and its value, empty for a delete."""

    key: str
    value: str


class Meta(BaseModel):
    """What is known of an event. `time` is when it was recorded, `actor` who did it, where that is known."""

    revision: int
    id: UUID
    time: AwareDatetime
    actor: str | None


class HistoryEvent(BaseModel):
    """An event as it was recorded."""

    type: Literal["AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"]
    data: Data
    meta: Meta | None = None


def history_route(log: AnswerLog, limits: Limits) -> APIRoute:
    """The route of histories."""

    async def history(
        key: Key,
        limit: Limit = None,
        after: After = None,
        before: Before = None,
        order: Order = None,
        include: Include = None,
    ) -> StreamingResponse:
        """Every event of the answer, oldest first, complete and streamed; with parameters a part of it. A deleted
        answer keeps its history. `Link` leads to the next page where `limit` has cut something off."""
        name, asked = key_of_segment(key, limits), _asked(after, before, order)
        most = None if limit is None else whole_number("limit", limit, 1, _HIGHEST_LIMIT)
        as_json = _with_meta if include is not None and one_of("include", include, "meta") else _plain
        revisions = await _existing(log, name, asked)
        page = revisions[:most]
        pages = log.history(name, page)
        first = await anext(pages, None) or ()
        reply = StreamingResponse(_json_array(first, pages, as_json), media_type="application/json")
        if len(page) < len(revisions):
            given = {"limit": limit, "after": after, "before": before, "order": order, "include": include}
            given["after" if page.step > 0 else "before"] = str(page[-1])
            reply.raw_headers.append(next_page(f"{path_of(name)}/history", **given))
        return reply

    documented = replies(200, list[HistoryEvent], [{"type": CREATED, "data": ANSWER}], link(_NEXT))
    documented |= error_replies(400, 404, 503)
    return DirectRoute("GET", "/answers/{key}/history", history, responses=documented, tags=["answers"])


def _asked(after: str | None, before: str | None, order: str | None) -> range:
    """The revisions between the bounds, in the order that is asked for. Raises InputNotValid."""
    first = 0 if after is None else whole_number("after", after) + 1
    beyond = _BEYOND_ALL if before is None else whole_number("before", before)
    descending = order is not None and one_of("order", order, "asc", "desc") == "desc"
    return range(first, beyond)[:: -1 if descending else 1]


async def _existing(log: AnswerLog, key: str, asked: range) -> range:
    """Those of the revisions that exist now. Raises KeyNotFound where nothing was ever stored."""
    last = await log.last(key)
    if last is None:
        raise KeyNotFound
    if asked.step > 0:
        return range(asked.start, min(asked.stop, last.revision + 1))
    return range(min(asked.start, last.revision), asked.stop, -1)


async def _json_array(
    first: Sequence[Recorded], rest: AsyncGenerator[Sequence[Recorded], None], as_json: AsJson
) -> AsyncIterator[str]:
    async with aclosing(rest):
        yield "[" + ",".join(map(as_json, first))
        async for page in rest:
            yield "," + ",".join(map(as_json, page))
            await asyncio.sleep(0)  # others take their turn, and a client that has gone is noticed
    yield "]"


def _plain(recorded: Recorded) -> str:
    return event_json(recorded.event)


def _with_meta(recorded: Recorded) -> str:
    actor = recorded.metadata.get("actor")
    meta = (
        f'{{"revision":{recorded.revision},"id":"{recorded.id}","time":"{time_text(recorded.time)}",'
        f'"actor":{json.dumps(actor if isinstance(actor, str) else None)}}}'
    )
    return f'{event_json(recorded.event)[:-1]},"meta":{meta}}}'
