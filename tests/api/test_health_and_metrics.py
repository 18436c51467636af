"""What watches a process: pings, probes, figures."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from qaservice.domain.readmodel import Document
from qaservice.web.app import App
from qaservice.web.health import health
from qaservice.web.metrics import new_registry
from services.stores import Together
from tests.api.conftest import (
    Api,
    Line,
    build,
    event_store_service,
    in_memory,
    monolith_on_one_port,
    projection_service,
    projector_at_rest,
)
from tests.given import a_key, created, deleted

pytestmark = pytest.mark.anyio

PONG = b'{"message":"pong"}'
REQUESTS = "qaservice_http_request_duration_seconds_count"
JOHN = b'{"key":"name","value":"john"}'


async def figures(api: Api) -> dict[tuple[str, frozenset[str]], float]:
    """All samples of an application by name and label values."""
    text = (await api("GET", "/metrics")).text
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("path", ["/ping", "/eventstore/ping"])
async def test_the_event_store_service_says_pong(writes: Api, path: str) -> None:
    assert (await writes("GET", path)).content == PONG


@pytest.mark.parametrize("path", ["/ping", "/projection/ping"])
async def test_the_projection_service_says_pong(reads: Api, path: str) -> None:
    assert (await reads("GET", path)).content == PONG


async def test_each_side_pings_under_its_own_name(writes: Api, reads: Api) -> None:
    assert (await writes("GET", "/projection/ping")).status_code == 404
    assert (await reads("GET", "/eventstore/ping")).status_code == 404


async def test_the_event_store_service_is_ready_while_the_log_can_be_written() -> None:
    async with in_memory() as together:
        writes = event_store_service(together)
        ready = await writes("GET", "/health/ready")

    down = await writes("GET", "/health/ready")

    assert (ready.status_code, ready.content) == (200, b'{"status":"ready"}')
    assert (down.status_code, down.headers["retry-after"]) == (503, "1")
    assert down.json()["error"].startswith("LogUnavailable: ")


async def test_the_projection_service_is_ready_once_the_read_model_is_complete() -> None:
    async with in_memory() as together:
        reads = projection_service(together)
        empty = await reads("GET", "/health/ready")
        await build(together, complete=False)
        half = await reads("GET", "/health/ready")
        await build(together)
        complete = await reads("GET", "/health/ready")

    assert [each.status_code for each in (empty, half, complete)] == [503, 503, 200]
    assert empty.json()["error"].startswith("ReadModelUnavailable: ")
    assert half.json()["error"].startswith("ReadModelBehind: ")


async def test_one_port_is_ready_when_both_stores_are() -> None:
    async with in_memory() as together:
        one_port = monolith_on_one_port(together)
        before = await one_port("GET", "/health/ready")
        await build(together)
        after = await one_port("GET", "/health/ready")

    assert (before.status_code, after.status_code) == (503, 200)


async def test_a_projector_that_does_not_follow_is_live_and_not_ready(follower: Api) -> None:
    live, ready = await follower("GET", "/health/live"), await follower("GET", "/health/ready")

    assert (live.status_code, live.content) == (200, b'{"status":"live"}')
    assert (ready.status_code, ready.json()) == (503, {"error": "starting"})


async def test_a_process_whose_loop_stands_still_is_not_live_and_says_when_to_ask_again() -> None:
    async def ready() -> None:
        """It says so all the time."""

    lines: list[Line] = []
    registry = new_registry()
    watched = health(ready, registry, unready="why", figure="how_much 1.0", live=lambda: False)
    api = Api(App("one", watched, registry, lines.append), lines)

    live = await api("GET", "/health/live")

    assert (live.status_code, live.headers["retry-after"]) == (503, "1")
    assert live.json() == {"error": "The process's loop stands still"}


async def test_an_outage_of_its_store_leaves_a_process_live() -> None:
    async with in_memory() as together:
        apis = [event_store_service(together), projection_service(together), projector_at_rest(together)]

    assert {(await api("GET", "/health/live")).status_code for api in apis} == {200}


async def test_requests_are_counted_by_route_template_method_and_status(writes: Api) -> None:
    before = await figures(writes)
    for _ in range(3):
        await writes("GET", f"/answers/{a_key()}")
    await writes("POST", "/answers", b"{}")
    await writes("PUT", "/answers/name")
    await writes("GET", f"/{a_key()}")

    after = await figures(writes)

    for labels, times in [("/answers/{key} GET 404", 3), ("/answers POST 400", 1), ("/answers/{key} PUT 405", 1)]:
        assert after[REQUESTS, frozenset(labels.split())] == times
    nowhere = REQUESTS, frozenset({"other", "GET", "404"})
    assert after[nowhere] - before.get(nowhere, 0) == 1


async def test_durations_have_buckets_from_100_microseconds(writes: Api) -> None:
    await writes("GET", "/ping")

    text = (await writes("GET", "/metrics")).text

    edges = re.findall(r'duration_seconds_bucket\{le="([^"]+)",method="GET",route="/ping"', text)
    assert (edges[0], edges[-1]) == ("0.0001", "+Inf")


async def test_appends_are_counted_by_type_and_refusals_are_not() -> None:
    async with in_memory() as together:
        writes = event_store_service(together)
        for _ in range(2):
            await writes("POST", "/answers", JOHN)
        await writes("PATCH", "/answers", JOHN)
        await writes("DELETE", "/answers/name")

        found = await figures(writes)

    for type_ in ("AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"):
        assert found["qaservice_appends_total", frozenset({type_})] == 1


async def test_failures_of_a_store_are_counted() -> None:
    async with in_memory() as together:
        writes = event_store_service(together)
    await writes("GET", "/answers/name")

    assert (await figures(writes))["qaservice_store_errors_total", frozenset({"LogUnavailable"})] == 1


async def test_the_lag_of_a_read_model_nobody_keeps_grows(reads: Api) -> None:
    lag = "qaservice_projection_lag_seconds", frozenset[str]()

    first, second = [(await figures(reads))[lag] for _ in range(2)]

    assert 0 <= first < second


async def test_the_projector_knows_how_many_events_are_missing() -> None:
    async with in_memory() as together:
        for step in (created, deleted, created):
            await step(together.log, "name")

        found = await figures(projector_at_rest(together))

    assert found["qaservice_projection_lag_events", frozenset()] == 3
    assert found["qaservice_events_applied_total", frozenset()] == 0


async def test_each_application_has_figures_of_its_own(together: Together, writes: Api, reads: Api) -> None:
    await build(together, Document("name", "john", 0, 1))
    await reads("GET", "/answers/name")
    read = REQUESTS, frozenset({"/answers/{key}", "GET", "200"})

    assert (await figures(reads))[read] == 1
    assert read not in await figures(writes)
    assert ("process_resident_memory_bytes", frozenset()) in await figures(writes)
