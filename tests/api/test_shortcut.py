"""The way to the busiest routes leads where the router's does."""

import pytest
from starlette.routing import Match
from starlette.types import Scope

from tests.api.conftest import Api

pytestmark = pytest.mark.anyio

PATHS = ["/answers", "/answers/", "/answers/a", "/answers/a%2Fb", "/answers/a/history", "/answers/a/b/c", "//a", "/a"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "PUT"])
async def test_a_request_meets_the_route_that_the_router_finds_first(one_port: Api, method: str, path: str) -> None:
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": []}
    matches = [(route.matches(scope)[0], route) for route in one_port.app.router.routes]
    found = [route for match in (Match.FULL, Match.PARTIAL) for matched, route in matches if matched is match]
    await one_port(method, path)
    assert one_port.lines[-1]["route"] == (found[0].path_format if found else "other")
