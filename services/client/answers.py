"""What can be asked of answers over HTTP, and told."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from services.client.http import Refused, Server, not_ours

_TAG = re.compile(r'(?:W/)?"([0-9]+)"')  # weak: a proxy has compressed the reply
_MOST_ROUNDS = 50  # each is lost with even odds to somebody who creates and deletes all the time


def path_of(key: str) -> str:
    """The path of an answer."""
    return f"/answers/{quote(key, safe='')}"


def put(server: Server, key: str, value: str) -> httpx.Response:
    """Create or update, whichever can be done. Others may create and delete the answer in between. Raises Trouble;
    Refused, where they were faster again and again."""
    method, headers = "POST", _once()
    for _ in range(_MOST_ROUNDS):
        try:
            return server.write(method, "/answers", {"key": key, "value": value}, headers)
        except Refused as error:
            refusal = error
            method = "PATCH" if method == "POST" else "POST"
    raise refusal


def update(server: Server, key: str, value: str, revision: int) -> httpx.Response:
    """Update the answer where it is at this revision. Raises Refused, Trouble."""
    return server.write("PATCH", path_of(key), {"value": value}, _once() | _at(revision))


def delete(server: Server, key: str, revision: int | None) -> httpx.Response:
    """Delete the answer, at this revision if one is given. Raises Refused, Trouble."""
    return server.write("DELETE", path_of(key), None, _once() | ({} if revision is None else _at(revision)))


def pages(server: Server, path: str, parameters: dict[str, str | int]) -> Iterator[list[Any]]:
    """All pages, by the links from each to the next. Raises Refused, Trouble."""
    reply = server.read(path, parameters)
    yield _page(reply)
    while "next" in reply.links:
        reply = server.read(reply.links["next"]["url"])
        yield _page(reply)


def member(reply: httpx.Response, name: str) -> Any:
    """What the object in the body says under this name. Raises Trouble."""
    try:
        return reply.json()[name]
    except (ValueError, KeyError, TypeError):
        raise not_ours(reply) from None


def revision(reply: httpx.Response) -> int:
    """The revision that the reply is about. Raises Trouble."""
    tag = _TAG.fullmatch(reply.headers.get("etag", ""))
    if tag is None:
        raise not_ours(reply)
    return int(tag[1])


def _page(reply: httpx.Response) -> list[Any]:
    try:
        page = reply.json()
    except ValueError:
        page = None
    if not isinstance(page, list):
        raise not_ours(reply)
    return page


def _once() -> dict[str, str]:
    """The header of a command that was not sent before, so that it is done once, however often it is sent."""
    return {"Idempotency-Key": str(uuid4())}


def _at(revision: int) -> dict[str, str]:
    return {"If-Match": f'"{revision}"'}
