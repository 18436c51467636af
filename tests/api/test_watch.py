"""What is said of a watch before it begins. (The framework's transport for tests never hands out the head of a reply
that does not end; streams are watched in tests/e2e.)"""

from uuid import uuid4

import pytest

from qaservice.domain.cursor import Cursor
from qaservice.domain.recorded import START
from services.stores import Together
from tests.api.conftest import Api

pytestmark = pytest.mark.anyio

PATHS = pytest.mark.parametrize("path", ["/answers/name/watch", "/watch", "/watch?prefix=na"])


@PATHS
async def test_only_the_head_can_be_asked_for(api: Api, path: str) -> None:
    reply = await api("HEAD", path)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-accel-buffering"] == "no"


@PATHS
@pytest.mark.parametrize("cursor", ["x", "START", "AaZz1CGn00e", "\u00e9".encode("latin-1")])
async def test_what_is_no_cursor_is_refused(api: Api, path: str, cursor: str | bytes) -> None:
    reply = await api("HEAD", path, last_event_id=cursor)
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/json")
    reply = await api("GET", path, last_event_id=cursor)
    assert reply.json() == {"error": "Input not valid: cursor is not one of ours"}


@PATHS
@pytest.mark.parametrize("from_", ["", "now%20", "first", "0"])
async def test_a_place_to_begin_is_one_of_three(api: Api, path: str, from_: str) -> None:
    reply = await api("GET", f"{path}{'&' if '?' in path else '?'}from={from_}")
    assert (reply.status_code, reply.json()) == (400, {"error": "Input not valid: cursor is not one of ours"})


async def test_a_cursor_of_another_log_is_refused(api: Api) -> None:
    reply = await api("GET", f"/watch?from={Cursor(uuid4(), START)}")
    assert (reply.status_code, reply.json()) == (400, {"error": "Input not valid: cursor is of another store"})


async def test_a_cursor_past_the_end_is_of_a_log_that_was_replaced(api: Api, together: Together) -> None:
    cursor = Cursor(await together.feed.store_id(), 2**40)
    reply = await api("GET", "/watch", last_event_id=str(cursor))
    assert reply.status_code == 400
    assert reply.json()["error"].startswith("Input not valid: cursor is past the end of the log")


async def test_the_last_event_id_counts_before_the_parameter_unless_it_is_empty(api: Api, together: Together) -> None:
    cursor = str(Cursor(await together.feed.store_id(), START))
    assert (await api("HEAD", "/watch?from=x", last_event_id=cursor)).status_code == 200
    assert (await api("HEAD", "/watch?from=x", last_event_id="")).status_code == 400
    assert (await api("HEAD", "/watch?from=start", last_event_id="")).status_code == 200


@pytest.mark.parametrize("path", ["/answers//watch", "/answers/a/b/watch", "/watch/"])
async def test_other_paths_are_not_found(api: Api, path: str) -> None:
    assert (await api("GET", path)).status_code == 404


async def test_a_key_that_may_not_be_is_refused(api: Api) -> None:
    assert (await api("GET", "/answers/%00/watch")).status_code == 400


async def test_another_method_is_not_allowed(api: Api) -> None:
    reply = await api("POST", "/watch")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")
