"""Following the links of a history, from either end, through any stretch, while it grows."""

import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from services.stores import Together
from tests.api.conftest import Api
from tests.given import a_key, created, updated

pytestmark = pytest.mark.anyio

LENGTH = 30
NO_LIMIT, NO_BOUND = "limit is not a number from 1 to 1000", f"is not a number from 0 to {10**18 - 1}"


@pytest.fixture(scope="module")
async def path(together: Together) -> str:
    """Of the history of an answer with LENGTH events, each with its revision for a value."""
    key = f"{a_key()} /ü?&"
    await created(together.log, key, "0")
    for number in range(1, LENGTH):
        await updated(together.log, key, str(number))
    return f"/answers/{quote(key, safe='')}/history"


async def pages_of(api: Api, target: str) -> AsyncIterator[list[Any]]:
    """All pages from this one on, as the links lead."""
    while True:
        reply = await api("GET", target)
        assert reply.status_code == 200
        yield reply.json()
        if "next" not in reply.links:
            assert "link" not in reply.headers
            return
        target = reply.links["next"]["url"]


def revisions(page: list[Any]) -> list[int]:
    return [int(event["data"]["value"]) for event in page]


@pytest.mark.parametrize("order", ["", "&order=asc", "&order=desc"])
@pytest.mark.parametrize("limit", [1, 7, 10, 29, 30, 31, 1000])
async def test_the_links_lead_through_the_whole_history(api: Api, path: str, limit: int, order: str) -> None:
    pages = [revisions(page) async for page in pages_of(api, f"{path}?limit={limit}{order}")]

    expected = list(range(LENGTH))[:: -1 if "desc" in order else 1]
    assert [number for page in pages for number in page] == expected
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]


async def test_the_links_lead_through_any_stretch_and_keep_what_was_asked(api: Api, path: str) -> None:
    for _ in range(60):
        after, before, limit = random.randrange(-1, LENGTH + 3), random.randrange(LENGTH + 3), random.randrange(1, 12)
        order = random.choice(["asc", "desc"])
        query = f"?order={order}&before={before}&limit={limit}" + (f"&after={after}" if after >= 0 else "")

        pages = [page async for page in pages_of(api, f"{path}{query}&include=meta")]

        expected = [number for number in range(LENGTH) if after < number < before]
        found = [event["meta"]["revision"] for page in pages for event in page]
        assert found == (expected if order == "asc" else expected[::-1]), query


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "query", ["after=29", "after=5&before=6", "after=9&before=3", f"after={10**18 - 1}", "before=0"]
)
async def test_past_the_end_there_is_an_empty_page(api: Api, path: str, query: str, order: str) -> None:
    answer = await api("GET", f"{path}?{query}&limit=5&order={order}")

    assert (answer.status_code, answer.content, answer.headers.get("link")) == (200, b"[]", None)


async def test_a_page_stays_where_it_is_while_events_come(together: Together, api: Api) -> None:
    key = a_key()
    await created(together.log, key, "0")
    for number in range(1, 6):
        await updated(together.log, key, str(number))

    found = []
    async for page in pages_of(api, f"/answers/{key}/history?limit=2&order=desc"):
        found += revisions(page)
        await updated(together.log, key, "99")

    assert found == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        *[(f"limit={text}", NO_LIMIT) for text in ("", "0", "1001", "-1", "+1", "1.0", "1_0", "0x1", "%D9%A1", "%201")],
        *[(f"after={text}", f"after {NO_BOUND}") for text in ("", "-1", "x", str(10**18), "9" * 5000)],
        *[(f"before={text}", f"before {NO_BOUND}") for text in ("", "-1", str(10**18))],
        *[(f"order={text}", "order is not asc or desc") for text in ("", "up", "DESC", "asc,desc")],
        *[(f"include={text}", "include is not meta") for text in ("", "all", "meta,meta")],
        ("limit=1&limit=1", "limit stands twice in the query"),
        ("offset=1", "unknown parameter offset"),
        ("Limit=1", "unknown parameter Limit"),
        ("limit=%FF", "query is not UTF-8"),
    ],
)
async def test_a_parameter_out_of_range_or_unknown_is_refused_before_anything_is_looked_up(
    api: Api, path: str, query: str, why: str
) -> None:
    for target in (path, f"/answers/{a_key()}/history"):
        answer = await api("GET", f"{target}?{query}")

        assert (answer.status_code, answer.json()) == (400, {"error": f"Input not valid: {why}"})


@pytest.mark.parametrize("query", ["", "?limit=3", "?limit=3&order=desc&include=meta", "?after=50", "?limit=0"])
async def test_head_is_get_without_its_body(api: Api, path: str, query: str) -> None:
    get, head = [await api(method, path + query, x_request_id="r") for method in ("GET", "HEAD")]

    assert (head.status_code, head.headers, head.content) == (get.status_code, get.headers, b"")
