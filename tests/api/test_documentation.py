"""The documentation: every route with its statuses, bodies and the one error shape; readable without the internet."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.stores import Together
from tests.api.conftest import Api
from tests.given import a_key, created

pytestmark = pytest.mark.anyio

ERROR = {"$ref": "#/components/schemas/ErrorBody"}
HEALTH = {
    "/ping": {"get": {"200"}},
    "/health/live": {"get": {"200", "503"}},
    "/health/ready": {"get": {"200", "503"}},
    "/metrics": {"get": {"200"}},
}
UPDATE = {"200", "400", "404", "412", "413", "422", "503"}
WRITES = HEALTH | {
    "/eventstore/ping": {"get": {"200"}},
    "/answers": {"post": {"201", "400", "409", "412", "413", "422", "503"}, "patch": UPDATE},
    "/answers/{key}": {
        "get": {"200", "304", "400", "404", "503"},
        "patch": UPDATE,
        "delete": {"200", "400", "404", "412", "422", "503"},
    },
    "/answers/{key}/history": {"get": {"200", "400", "404", "503"}},
    "/answers/{key}/watch": {"get": {"200", "400", "503"}},
    "/watch": {"get": {"200", "400", "503"}},
}
READS = HEALTH | {
    "/projection/ping": {"get": {"200"}},
    "/answers": {"get": {"200", "400", "503"}},
    "/answers/{key}": {"get": {"200", "304", "400", "404", "503"}},
}

Operation = tuple[str, str, dict[str, Any]]


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


@pytest.fixture
def sides(writes: Api, reads: Api, one_port: Api, follower: Api) -> dict[str, Api]:
    return {"writes": writes, "reads": reads, "one_port": one_port, "follower": follower}


@pytest.mark.parametrize(("side", "documented"), [("writes", WRITES), ("reads", READS)])
async def test_every_route_is_documented_with_every_status(
    sides: dict[str, Api], side: str, documented: dict[str, Any]
) -> None:
    document = (await sides[side]("GET", "/openapi.json")).json()

    found: dict[str, dict[str, set[str]]] = {}
    for path, method, operation in operations(document):
        found.setdefault(path, {})[method] = set(operation["responses"]) - {"default"}
    assert found == documented


@pytest.mark.parametrize("side", ["writes", "reads", "one_port", "follower"])
async def test_every_error_has_the_one_shape_and_an_example(sides: dict[str, Api], side: str) -> None:
    document = (await sides[side]("GET", "/openapi.json")).json()

    for path, method, operation in operations(document):
        for status, reply in operation["responses"].items():
            if status >= "400":
                body = reply["content"]["application/json"]
                assert (body["schema"], list(body["example"])) == (ERROR, ["error"]), (path, method, status)
    assert "ValidationError" not in str(document)


@pytest.mark.parametrize("side", ["writes", "reads", "one_port", "follower"])
async def test_every_success_has_a_schema_and_an_example(sides: dict[str, Api], side: str) -> None:
    document = (await sides[side]("GET", "/openapi.json")).json()

    for path, method, operation in operations(document):
        (success,) = [reply for status, reply in operation["responses"].items() if status < "300"]
        (body,) = success["content"].values()
        assert body["schema"], (path, method)
        assert body["example"], (path, method)
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)


@pytest.mark.parametrize("side", ["writes", "reads", "one_port", "follower"])
async def test_every_503_says_when_to_come_again(sides: dict[str, Api], side: str) -> None:
    document = (await sides[side]("GET", "/openapi.json")).json()

    unavailable = [each["responses"]["503"] for _, _, each in operations(document) if "503" in each["responses"]]
    assert unavailable
    assert all("Retry-After" in reply["headers"] for reply in unavailable)


async def test_a_loop_that_stands_still_is_no_trouble_of_a_store(follower: Api) -> None:
    document = (await follower("GET", "/openapi.json")).json()

    assert "store" not in document["paths"]["/health/live"]["get"]["responses"]["503"]["description"]


async def test_the_examples_of_requests_are_what_the_service_takes(writes: Api) -> None:
    schemas = (await writes("GET", "/openapi.json")).json()["components"]["schemas"]

    new = {name: field["examples"][0] for name, field in schemas["NewAnswer"]["properties"].items()}

    assert (await writes("POST", "/answers", str(new).replace("'", '"').encode())).status_code == 201


async def test_the_page_offers_a_value_alone_where_the_path_has_the_key(together: Together, writes: Api) -> None:
    key = a_key()
    await created(together.log, key)
    schema = (await writes("GET", "/openapi.json")).json()["components"]["schemas"]["NewValue"]

    (offered,) = schema["examples"]

    assert (await writes("PATCH", f"/answers/{key}", json.dumps(offered).encode())).status_code == 200
    assert "default" not in str(schema)


@pytest.mark.parametrize("side", ["writes", "reads", "one_port", "follower"])
async def test_the_page_needs_no_other_host(sides: dict[str, Api], side: str) -> None:
    api = sides[side]

    page = await api("GET", "/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text).replace("window.location", "")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 3
    for path in (*assets, "openapi.json"):
        assert (await api("GET", f"/{path}")).status_code == 200, path
