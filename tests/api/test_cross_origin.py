"""Browsers that use the services from pages of other origins."""

import pytest

from qaservice.runtime.settings import Settings
from qaservice.web.metrics import new_registry
from services.eventstore import api as eventstore
from services.stores import Together
from tests.api.conftest import Api, written

pytestmark = pytest.mark.anyio

OURS, ANOTHER = "https://app.example", "https://evil.example"


@pytest.fixture(scope="module")
def api(together: Together) -> Api:
    app = eventstore.create_app(*written(together), new_registry(), lambda line: None, [OURS])
    return Api(app, [])


async def preflight(api: Api, origin: str, method: str, headers: str = "if-match, idempotency-key") -> tuple[int, str]:
    reply = await api(
        "OPTIONS",
        "/answers/name",
        origin=origin,
        access_control_request_method=method,
        access_control_request_headers=headers,
    )
    return reply.status_code, reply.headers.get("access-control-allow-origin", "")


@pytest.mark.parametrize("path", ["/ping", "/answers/none", "/nowhere", "/watch?from=x"])
async def test_every_reply_errors_too_may_be_read_by_our_pages_alone(api: Api, path: str) -> None:
    reply = await api("GET", path, origin=OURS)
    assert reply.headers["access-control-allow-origin"] == OURS
    assert {"etag", "x-request-id", "consistency-token"} <= {
        name.strip().lower() for name in reply.headers["access-control-expose-headers"].split(",")
    }
    assert "access-control-allow-origin" not in (await api("GET", path, origin=ANOTHER)).headers


async def test_a_stream_may_be_read_by_our_pages(api: Api) -> None:
    reply = await api("HEAD", "/watch", origin=OURS)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, OURS)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_our_pages_may_send_every_command_with_its_headers(api: Api, method: str) -> None:
    assert await preflight(api, OURS, method) == (200, OURS)
    headers = "content-type, consistency-token, prefer, if-none-match, last-event-id, authorization, x-request-id"
    assert await preflight(api, OURS, method, headers) == (200, OURS)


async def test_others_are_told_so_in_the_one_shape_of_errors(api: Api) -> None:
    assert await preflight(api, ANOTHER, "PATCH") == (400, "")
    assert await preflight(api, OURS, "PUT") == (400, OURS)
    reply = await api("OPTIONS", "/answers", origin=ANOTHER, access_control_request_method="POST")
    assert (reply.headers["content-type"], reply.json()) == ("application/json", {"error": "Disallowed CORS origin"})


async def test_without_origins_nothing_is_said_of_them(writes: Api) -> None:
    reply = await writes("GET", "/ping", origin=OURS)
    assert not {"access-control-allow-origin", "vary"} & set(reply.headers)
    assert (await writes("OPTIONS", "/ping", origin=OURS, access_control_request_method="GET")).status_code == 405


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", []),
        ("*", ["*"]),
        ("https://a.example, http://localhost:3000", ["https://a.example", "http://localhost:3000"]),
    ],
)
def test_origins_are_a_list(text: str, origins: list[str]) -> None:
    assert Settings.model_construct(cors_origins=text).origins() == origins
