"""The documentation: every route with its statuses, bodies and the one error shape; readable without the internet."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from services.stores import Together
from tests.api.conftest import Api, event_store_service, in_memory, projection_service
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


async def document_of(api: Api) -> dict[str, Any]:
    document: dict[str, Any] = (await api("GET", "/openapi.json")).json()
    return document


@pytest.fixture(params=["writes", "reads", "one_port", "follower"])
def api(request: pytest.FixtureRequest) -> Api:
    """Each application."""
    application: Api = request.getfixturevalue(request.param)
    return application


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    """Each application's."""
    return await document_of(api)


async def test_every_route_is_documented_with_every_status(writes: Api, reads: Api) -> None:
    for api, documented in ((writes, WRITES), (reads, READS)):
        found: dict[str, dict[str, set[str]]] = {}
        for path, method, operation in operations(await document_of(api)):
            found.setdefault(path, {})[method] = set(operation["responses"]) - {"default"}
        assert found == documented


async def test_every_error_has_the_one_shape_and_an_example(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, reply in operation["responses"].items():
            if status >= "400":
                body = reply["content"]["application/json"]
                assert (body["schema"], list(body["example"])) == (ERROR, ["error"]), (path, method, status)
    assert "ValidationError" not in str(document)


async def test_every_success_has_a_schema_and_an_example(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        (success,) = [reply for status, reply in operation["responses"].items() if status < "300"]
        (body,) = success["content"].values()
        assert body["schema"], (path, method)
        assert body["example"], (path, method)
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)


async def test_every_reply_has_the_id_of_its_request(document: dict[str, Any]) -> None:
    replies = [reply for _, _, each in operations(document) for reply in each["responses"].values()]
    assert {reply["headers"]["X-Request-ID"]["$ref"] for reply in replies} == {"#/components/headers/X-Request-ID"}
    assert document["components"]["headers"]["X-Request-ID"]["schema"]


async def test_errors_are_problems_too_as_they_are_sent(writes: Api) -> None:
    document = await document_of(writes)
    sent = (await writes("GET", f"/answers/{a_key()}", accept="application/problem+json")).json()

    documented = document["paths"]["/answers/{key}"]["get"]["responses"]["404"]["content"]["application/problem+json"]

    assert documented["example"] == sent
    assert documented["schema"] == {"$ref": "#/components/schemas/ProblemBody"}
    assert list(document["components"]["schemas"]["ProblemBody"]["properties"]) == list(sent)


async def test_what_a_read_of_the_read_model_says_of_the_log_is_documented(reads: Api) -> None:
    replies = (await document_of(reads))["paths"]["/answers/{key}"]["get"]["responses"]

    for status in ("200", "304", "404"):
        assert {"Consistency-Token", "Stale"} < set(replies[status]["headers"]), status


async def test_examples_are_of_their_own_route() -> None:
    async with in_memory() as together:
        writes = event_store_service(together)
        paths = (await document_of(writes))["paths"]
        link = paths["/answers/{key}/history"]["get"]["responses"]["200"]["headers"]["Link"]["example"]
        refused = paths["/answers"]["post"]["responses"]["412"]["content"]["application/json"]["example"]
        await created(together.log, "name")

        assert (await writes("GET", link.partition("<")[2].partition(">")[0])).status_code == 200
        assert (await writes("POST", "/answers", b'{"key":"name","value":"x"}', if_none_match="*")).json() == refused


async def test_examples_are_of_their_own_service(api: Api, document: dict[str, Any]) -> None:
    figure = document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]["text/plain"]["example"]

    name = re.split("[ {]", figure)[0].removesuffix("_total")
    assert f"# TYPE {name}" in (await api("GET", "/metrics")).text


async def test_the_read_side_is_not_ready_for_reasons_of_its_own() -> None:
    async with in_memory() as together:
        reads = projection_service(together)
        unready = (await reads("GET", "/health/ready")).json()
    replies = (await document_of(reads))["paths"]["/health/ready"]["get"]["responses"]

    assert replies["503"]["content"]["application/json"]["example"] == unready


async def test_parameters_say_what_they_are(writes: Api, reads: Api) -> None:
    for api in (writes, reads):
        document = await document_of(api)
        given = [parameter for _, _, each in operations(document) for parameter in each.get("parameters", [])]

        assert all(parameter["description"] for parameter in given)
        assert all(parameter["schema"]["examples"] for parameter in given if parameter["name"] == "key")

    (limit,) = [parameter for parameter in given if parameter["name"] == "limit"]
    assert "100" in limit["description"]


async def test_the_document_says_what_it_is_of(writes: Api) -> None:
    info = (await document_of(writes))["info"]

    assert info["version"] == version("qaservice")
    assert info["description"]


async def test_every_503_says_when_to_come_again(document: dict[str, Any]) -> None:
    unavailable = [each["responses"]["503"] for _, _, each in operations(document) if "503" in each["responses"]]
    assert unavailable
    assert all("Retry-After" in reply["headers"] for reply in unavailable)


async def test_a_loop_that_stands_still_is_no_trouble_of_a_store(follower: Api) -> None:
    document = await document_of(follower)

    assert "store" not in document["paths"]["/health/live"]["get"]["responses"]["503"]["description"]


async def test_the_examples_of_requests_are_what_the_service_takes(writes: Api) -> None:
    schemas = (await document_of(writes))["components"]["schemas"]

    new = {name: field["examples"][0] for name, field in schemas["NewAnswer"]["properties"].items()}

    assert (await writes("POST", "/answers", str(new).replace("'", '"').encode())).status_code == 201


async def test_the_page_offers_a_value_alone_where_the_path_has_the_key(together: Together, writes: Api) -> None:
    key = a_key()
    await created(together.log, key)
    schema = (await document_of(writes))["components"]["schemas"]["NewValue"]

    (offered,) = schema["examples"]

    assert (await writes("PATCH", f"/answers/{key}", json.dumps(offered).encode())).status_code == 200
    assert "default" not in str(schema)


async def test_the_page_needs_no_other_host(api: Api) -> None:
    page = await api("GET", "/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text).replace("window.location", "")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 3
    for path in (*assets, "openapi.json"):
        assert (await api("GET", f"/{path}")).status_code == 200, path
