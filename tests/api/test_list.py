"""The list over HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest

from qaservice.domain.readmodel import Document
from qaservice.domain.tokens import Token
from services.stores import Together
from tests.api.conftest import Api, build, in_memory, monolith_on_one_port, projection_service

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[projection_service, monolith_on_one_port])
async def listed(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Together, Api]]:
    """A read model with some answers, behind each application that lists them."""
    async with in_memory() as together:
        documents = [Document(key, f"of {key}", 0, place) for place, key in enumerate(("b", "a", "ä/1", "ä 2"))]
        await build(together, *documents, Document("aa", None, 1, 4))
        yield together, request.param(together)


def keys(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [answer["key"] for answer in reply.json()]


async def followed(api: Api, target: str) -> list[list[str]]:
    """The keys of every page, by the links."""
    pages = []
    while target:
        reply = await api("GET", target)
        pages.append(keys(reply))
        link = reply.headers.get("link", "")
        assert not link or link.endswith('>; rel="next"')
        target = link.partition("<")[2].partition(">")[0]
    return pages


async def test_a_list_is_every_answer_that_exists_in_the_order_of_bytes(listed: tuple[Together, Api]) -> None:
    together, api = listed
    reply = await api("GET", "/answers")
    assert reply.content.decode() == (
        '[{"key":"a","value":"of a"},{"key":"b","value":"of b"},'
        '{"key":"ä 2","value":"of ä 2"},{"key":"ä/1","value":"of ä/1"}]'
    )
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["consistency-token"] == str(Token(await together.feed.store_id(), 4))
    assert "link" not in reply.headers


@pytest.mark.parametrize(
    ("target", "pages"),
    [
        ("/answers?limit=2", [["a", "b"], ["ä 2", "ä/1"]]),
        ("/answers?limit=3", [["a", "b", "ä 2"], ["ä/1"]]),
        ("/answers?prefix=%C3%A4&limit=1", [["ä 2"], ["ä/1"]]),
        ("/answers?after=a", [["b", "ä 2", "ä/1"]]),
        ("/answers?prefix=nothing", [[]]),
    ],
)
async def test_links_lead_through_all_pages(listed: tuple[Together, Api], target: str, pages: list[list[str]]) -> None:
    assert await followed(listed[1], target) == pages


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=", "limit=x", "limit=-1", "limit=1&limit=2", "prefix=%FF", "sort=key"],
)
async def test_a_parameter_that_is_out_of_range_or_unknown_is_refused(listed: tuple[Together, Api], query: str) -> None:
    reply = await listed[1]("GET", f"/answers?{query}")
    assert reply.status_code == 400
    assert reply.json()["error"].startswith("Input not valid: ")


async def test_a_head_of_a_list_has_its_headers_and_no_body(listed: tuple[Together, Api]) -> None:
    reply = await listed[1]("HEAD", "/answers?limit=2")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["link"] == '</answers?limit=2&after=b>; rel="next"'


async def test_a_list_older_than_its_token_is_refused_or_said_to_be_stale(listed: tuple[Together, Api]) -> None:
    together, api = listed
    store = await together.feed.store_id()
    reached, ahead = str(Token(store, 4)), str(Token(store, 5))
    assert keys(await api("GET", "/answers", consistency_token=reached)) == ["a", "b", "ä 2", "ä/1"]
    reply = await api("GET", "/answers", consistency_token=ahead, prefer="wait=0")
    assert (reply.status_code, reply.json()) == (503, {"error": "Read model is behind"})
    lenient = await api("GET", f"/answers?consistency_token={ahead}", prefer="wait=0, handling=lenient")
    assert (len(keys(lenient)), lenient.headers["stale"]) == (4, "true")
    assert (await api("GET", "/answers", consistency_token="zzz")).status_code == 400


async def test_the_next_page_is_as_new_as_the_token_of_this_one(listed: tuple[Together, Api]) -> None:
    together, api = listed
    token = Token(await together.feed.store_id(), 4)
    reply = await api("GET", f"/answers?limit=2&consistency_token={token}")
    assert reply.headers["link"] == f'</answers?limit=2&after=b&consistency_token={token}>; rel="next"'


@pytest.mark.parametrize("application", [projection_service, monolith_on_one_port])
async def test_what_is_not_complete_is_no_list(application: object) -> None:
    async with in_memory() as together:
        api = application(together)  # type: ignore[operator]  # one of the two above
        reply = await api("GET", "/answers")
        assert (reply.status_code, reply.json()) == (503, {"error": "Read model unavailable"})
        await build(together, Document("a", "v", 0, 0), complete=False)
        reply = await api("GET", "/answers")
        assert (reply.status_code, reply.json()) == (503, {"error": "Read model is behind"})
