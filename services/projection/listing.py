"""The list of answers over HTTP, a page at a time."""

import time
from typing import Annotated

from fastapi import Query
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema

from qaservice.domain.codec import answers_json
from qaservice.domain.errors import ReadModelBehind
from qaservice.domain.listing import KeyRange
from qaservice.domain.tokens import Token
from qaservice.web.conditions import ConsistencyToken, Prefer, TokenParameter, token_of
from qaservice.web.documentation import ANSWER, STALE, TOKEN, Answer, error_replies, error_reply, link, replies
from qaservice.web.parameters import next_page, whole_number
from qaservice.web.preferences import parse_prefer
from qaservice.web.replies import Reply, token_header
from qaservice.web.routes import DirectRoute
from services.projection.changes import Changes
from services.projection.ports import Answers
from services.projection.reads import ORDINARY_WAIT, begun, complete

_ORDINARY_LIMIT, _HIGHEST_LIMIT = 100, 1_000

Prefix = Annotated[str, Query(description="Only keys that begin with this")]
Limit = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": _HIGHEST_LIMIT}),
    Query(description=f"The most answers of a page, {_ORDINARY_LIMIT} without it"),
]
After = Annotated[str | None, Query(description="Only keys behind this one, in the order of bytes")]


def list_route(answers: Answers, changes: Changes) -> APIRoute:
    """The route of the list."""

    async def list_answers(
        prefix: Prefix = "",
        limit: Limit = None,
        after: After = None,
        consistency_token: ConsistencyToken = None,
        token_parameter: TokenParameter = None,
        prefer: Prefer = None,
    ) -> Reply:
        """The answers that exist, in the order of their keys' bytes. `Link` leads to the next page where there is one;
        a page is shorter than its limit where its values fill about a mebibyte."""
        keys = KeyRange.of(prefix, after)
        most = _ORDINARY_LIMIT if limit is None else whole_number("limit", limit, 1, _HIGHEST_LIMIT)
        token = token_of(consistency_token, token_parameter)
        stale = token is not None and not await _is_reached(token, answers, changes, prefer)
        page = await answers.page(keys, most)
        checkpoint = complete(page.checkpoint)
        headers = [token_header(checkpoint.store, checkpoint.position)]
        if stale:
            headers.append((b"stale", b"true"))
        if page.more:
            after = page.answers[-1][0]
            following = {"prefix": prefix or None, "limit": limit, "after": after, "consistency_token": token_parameter}
            headers.append(next_page("/answers", **following))
        return Reply(200, answers_json(page.answers), headers)

    documented = replies(200, list[Answer], [ANSWER], link("/answers?limit=100&after=name"), TOKEN, STALE)
    documented |= error_replies(400) | error_reply(503, "Read model unavailable")
    return DirectRoute("GET", "/answers", list_answers, responses=documented, tags=["answers"])


async def _is_reached(token: Token, answers: Answers, changes: Changes, prefer: str | None) -> bool:
    """Whether the read model holds what the token names, in the time that the client gives it. Raises InputNotValid for
    a token of another store, ReadModelUnavailable; ReadModelBehind where the client wants nothing older."""
    preferences = parse_prefer(prefer)
    deadline = time.monotonic() + (ORDINARY_WAIT if preferences.wait is None else preferences.wait)
    while True:
        checkpoint = begun(await answers.checkpoint())
        token.require_store(checkpoint.store)
        if checkpoint.target is None and checkpoint.position >= token.position:
            return True
        left = deadline - time.monotonic()
        if left <= 0 or changes.closed:
            break
        await changes.of_position(token.position, checkpoint, left)
    if not preferences.lenient:
        raise ReadModelBehind("the time to wait for the token is over")
    return False
