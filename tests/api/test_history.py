"""Parts of a history, and an answer as it was, over HTTP."""

from typing import Any

import httpx
import pytest

from services.stores import Together
from tests.api.conftest import Api
from tests.given import a_key, created, deleted, history_of, updated

pytestmark = pytest.mark.anyio


@pytest.fixture
async def key(together: Together) -> str:
    """An answer with the revisions 0 to 6; at 5 it was deleted."""
    key = a_key() + "/ä"
    await created(together.log, key, "0")
    for revision in range(1, 5):
        await updated(together.log, key, f"{revision}")
    await deleted(together.log, key)
    await created(together.log, key, "6")
    return key


def path(key: str) -> str:
    return f"/answers/{key.replace('/', '%2F').replace('ä', '%C3%A4')}"


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("order=desc", ["6", "", "4", "3", "2", "1", "0"]),
        ("after=3", ["4", "", "6"]),
        ("before=2", ["0", "1"]),
        ("after=1&before=4", ["2", "3"]),
    ],
)
async def test_a_part_of_a_history_is_one_page_unless_a_limit_cuts_it(
    api: Api, key: str, query: str, values: list[str]
) -> None:
    reply = await api("GET", f"{path(key)}/history?{query}")
    assert [event["data"]["value"] for event in reply.json()] == values
    assert "link" not in reply.headers


async def test_meta_tells_what_is_known_of_each_event(api: Api, together: Together, key: str) -> None:
    reply = await api("GET", f"{path(key)}/history?include=meta&limit=1")
    recorded = (await history_of(together.log, key))[0]
    time = recorded.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert reply.text == (
        f'[{{"type":"AnswerCreatedEvent","data":{{"key":"{key}","value":"0"}},'
        f'"meta":{{"revision":0,"id":"{recorded.id}","time":"{time}","actor":null}}}}]'
    )
    assert reply.headers["link"] == f'<{path(key)}/history?limit=1&after=0&include=meta>; rel="next"'


@pytest.mark.parametrize("query", ["", "?limit=3", "?after=1", "?order=desc", "?include=meta"])
async def test_what_was_never_stored_has_no_history_and_no_part_of_one(api: Api, query: str) -> None:
    reply = await api("GET", f"/answers/{a_key()}/history{query}")
    assert (reply.status_code, reply.json()) == (404, {"error": "Key not found"})


def seen(reply: httpx.Response) -> tuple[Any, ...]:
    body = reply.json() if reply.content else {}
    return (reply.status_code, body.get("value", body.get("error")), reply.headers.get("etag"))


async def test_an_answer_is_read_as_it_was_at_a_revision(api: Api, key: str) -> None:
    missing = (404, "Key not found", None)
    assert seen(await api("GET", f"{path(key)}?revision=0")) == (200, "0", '"0"')
    assert seen(await api("GET", f"{path(key)}?revision=4")) == (200, "4", '"4"')
    assert seen(await api("GET", f"{path(key)}?revision=6")) == (200, "6", '"6"')
    assert seen(await api("GET", f"{path(key)}?revision=5")) == missing
    assert seen(await api("GET", f"{path(key)}?revision=7")) == missing
    assert seen(await api("GET", f"/answers/{a_key()}?revision=0")) == missing
    assert seen(await api("GET", f"{path(key)}?revision=4", if_none_match='"4"')) == (304, None, '"4"')


async def test_an_answer_is_read_as_it_was_at_a_moment(api: Api, together: Together, key: str) -> None:
    third = (await history_of(together.log, key))[3].time
    expected = [one for one in await history_of(together.log, key) if one.time <= third][-1]
    reply = await api("GET", f"{path(key)}?at={third.isoformat().replace('+', '%2B')}")
    assert reply.headers["etag"] == f'"{expected.revision}"'
    assert seen(await api("GET", f"{path(key)}?at=9999-12-31T23:59:59Z")) == (200, "6", '"6"')
    assert seen(await api("GET", f"{path(key)}?at=1999-12-31t23:59:59.123456789z")) == (404, "Key not found", None)
    assert seen(await api("GET", f"{path(key)}?at=2016-12-31T23:59:60.1234567890Z")) == (404, "Key not found", None)


async def test_the_time_in_a_history_is_one_to_ask_for(api: Api, key: str) -> None:
    events = (await api("GET", f"{path(key)}/history?include=meta")).json()
    for event in events:
        at_that_time = [one for one in events if one["meta"]["time"] <= event["meta"]["time"]][-1]
        exists = at_that_time["type"] != "AnswerDeletedEvent"
        reply = await api("GET", f"{path(key)}?at={event['meta']['time']}")
        assert reply.headers.get("etag") == (f'"{at_that_time["meta"]["revision"]}"' if exists else None)


@pytest.mark.parametrize("query", ["revision=1", "revision=5", "at=2999-01-01T00:00:00Z", "at=x"])
async def test_a_head_of_an_answer_as_it_was_has_its_headers(api: Api, key: str, query: str) -> None:
    get, head = [await api(method, f"{path(key)}?{query}", x_request_id="r") for method in ("GET", "HEAD")]
    assert (head.status_code, head.headers, head.content) == (get.status_code, get.headers, b"")


@pytest.mark.parametrize(
    "query",
    [
        "revision=1&at=2026-01-01T00:00:00Z",
        "revision=-1",
        "revision=x",
        "revision=",
        "at=2026-01-01T00:00:00",
        "at=2026-01-01",
        "at=2026-01-01T00:00:00+00:00",  # a space, as a form reads it
        "at=2026-13-01T00:00:00Z",
        "at=2026-01-01T00:00:00%2B99:00",
        "at=0001-01-01T00:00:00%2B10:00",
        "at=yesterday",
        "at=",
    ],
)
async def test_a_time_without_zone_or_anything_else_that_is_none_is_refused(api: Api, key: str, query: str) -> None:
    reply = await api("GET", f"{path(key)}?{query}")
    assert reply.status_code == 400, reply.text
