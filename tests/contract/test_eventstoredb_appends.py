"""All appends of a process share a few calls to the server: what they have from it, and what they must not suffer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from esdbclient import NewEvent, StreamState
from esdbclient.exceptions import EventStoreDBClientException, GrpcDeadlineExceeded, ServiceUnavailable
from esdbclient.streams import AsyncStreamsService

from qaservice.domain.errors import OutcomeUnknown
from qaservice.stores.eventstoredb import appends
from qaservice.stores.eventstoredb.append_stream import AppendStream
from qaservice.stores.eventstoredb.appends import _request
from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.errors import NotSent, NotStored, StreamBroke, outcome_of
from tests.contract.eventstoredb_given import a_server
from tests.given import a_key, created, eventually, history_of, updated
from tests.standins.eventstoredb import EventStoreDB
from tests.standins.eventstoredb_node import StreamsNode

pytestmark = pytest.mark.anyio


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The calls for appends that the server got."""
    calls: list[object] = []
    answer = StreamsNode.BatchAppend

    async def counted(node: StreamsNode, requests: object, context: Any) -> None:
        calls.append(context)
        await answer(node, requests, context)

    monkeypatch.setattr(StreamsNode, "BatchAppend", counted)
    return calls


@pytest.fixture
async def server(opened: list[object]) -> AsyncIterator[EventStoreDB]:
    async with EventStoreDB() as server:
        yield server


@pytest.fixture
async def client(server: EventStoreDB) -> AsyncIterator[Client]:
    client = Client(server.uri)
    await client.connect()
    yield client
    await client.close()


async def append(client: Client, stream: str = "", *, timeout: float = 5) -> int:
    return await client.append(stream or uuid4().hex, None, [NewEvent(type="Some", data=b"{}")], timeout)


@pytest.mark.parametrize(("expected", "version"), [(None, StreamState.NO_STREAM), (0, 0), (7, 7)])
def test_a_request_is_what_the_client_would_send(expected: int | None, version: StreamState | int) -> None:
    events = [NewEvent("Some", b"{}"), NewEvent("Other", b"1", metadata=b'{"a":1}', content_type="application/x")]
    request = _request(5, "a stream", expected, events, 2.25)
    clients = AsyncStreamsService._construct_batch_append_req("a stream", version, events, UUID(int=5), 2.25)
    clients.correlation_id.CopyFrom(request.correlation_id)
    assert request == clients


async def test_appends_share_a_few_calls(client: Client, opened: list[object]) -> None:
    positions = await asyncio.gather(*(append(client) for _ in range(200)))
    assert len(set(positions)) == 200
    assert 1 < len(opened) < 20


async def test_appends_one_after_the_other_need_one_call(client: Client, opened: list[object]) -> None:
    for _ in range(20):
        await append(client)
    assert len(opened) == 1


async def test_everyone_gets_the_answer_to_his_own_append(client: Client, server: EventStoreDB) -> None:
    server.faults.queue("append", "lost", stream="lost")
    lost = asyncio.create_task(append(client, "lost", timeout=0.5))
    positions = await asyncio.gather(*(append(client, f"{number}") for number in range(5)))
    stored = {record.stream: record.position for record in server.records}
    assert positions == [stored[f"{number}"] for number in range(5)]
    with pytest.raises(GrpcDeadlineExceeded):
        await lost


@pytest.mark.usefixtures("one_call")
async def test_who_stops_waiting_disturbs_nobody(client: Client, server: EventStoreDB, opened: list[object]) -> None:
    server.append_latency = 0.05
    appends = [asyncio.create_task(append(client)) for _ in range(20)]
    await eventually(lambda: server.calls["append"] > 0)
    for impatient in appends[::2]:
        impatient.cancel()
    assert len(set(await asyncio.gather(*appends[1::2]))) == 10
    assert len(opened) == 1


@pytest.mark.usefixtures("one_call")
async def test_one_answer_that_is_missing_costs_the_others_nothing(
    client: Client, server: EventStoreDB, opened: list[object]
) -> None:
    server.faults.queue("append", "hang", stream="silent")
    silent = asyncio.create_task(append(client, "silent", timeout=0.2))
    await eventually(lambda: server.calls["append"] == 1)
    await append(client)
    with pytest.raises(GrpcDeadlineExceeded):
        await silent
    await append(client)
    assert len(opened) == 1


async def test_a_call_on_which_nothing_is_answered_is_left(
    client: Client, server: EventStoreDB, opened: list[object]
) -> None:
    await append(client)
    server.faults.queue("append", "hang")
    with pytest.raises(GrpcDeadlineExceeded):
        await append(client, timeout=0.5)
    await append(client)
    assert len(opened) == 2


async def test_a_call_on_which_answers_come_too_late_is_not_left(
    client: Client, server: EventStoreDB, opened: list[object]
) -> None:
    await append(client)
    server.append_latency = 0.2
    for _ in range(5):
        with pytest.raises(GrpcDeadlineExceeded):
            await append(client, timeout=0.15)
    await append(client)
    assert len(opened) == 1


async def test_a_call_is_left_where_nobody_is_answered_however_short_each_waits(
    client: Client, server: EventStoreDB, opened: list[object]
) -> None:
    await append(client)
    server.faults.queue("append", "hang", times=3)
    for _ in range(3):
        with pytest.raises(GrpcDeadlineExceeded):
            await append(client, timeout=0.15)
    await append(client)
    assert len(opened) == 2


@pytest.mark.usefixtures("one_call")
async def test_calls_that_were_left_count_among_those_there_may_be(
    client: Client, server: EventStoreDB, opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appends, "_MOST_WITH_LEFT", 2)
    server.faults.queue("append", "hang", times=4)
    patient = []
    for calls in (1, 3):
        patient.append(asyncio.create_task(append(client, timeout=60)))
        await eventually(lambda calls=calls: server.calls["append"] == calls)  # type: ignore[misc]
        with pytest.raises(GrpcDeadlineExceeded):
            await append(client, timeout=0.5)
    with pytest.raises(NotSent) as refused:
        await append(client)
    assert isinstance(outcome_of(refused.value), NotStored)
    assert len(opened) == 2
    for waiting in patient:
        waiting.cancel()
    await eventually(lambda: not client._appends._running)
    await append(client)


async def test_where_there_may_be_no_more_calls_the_busy_ones_are_used(
    client: Client, opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appends, "_MOST_WITH_LEFT", 2)
    await asyncio.gather(*(append(client) for _ in range(20)))
    assert len(opened) == 2


async def test_each_client_has_a_connection_of_its_own(client: Client, server: EventStoreDB, opened: list[Any]) -> None:
    other = Client(server.uri)
    await other.connect()
    await asyncio.gather(append(client), append(other))
    assert len({call.peer() for call in opened}) == 2
    await other.close()


@pytest.mark.usefixtures("one_call")
@pytest.mark.parametrize("fault", ["cut", "error", "end", "wrong-leader"])
async def test_what_ends_the_call_says_nothing_of_the_appends_under_way(
    client: Client, server: EventStoreDB, fault: str
) -> None:
    server.append_latency = 0.2
    under_way = [asyncio.create_task(append(client)) for _ in range(5)]
    await eventually(lambda: server.calls["append"] == 5)
    server.faults.queue("append", fault)
    for outcome in await asyncio.gather(append(client), *under_way, return_exceptions=True):
        assert isinstance(outcome, EventStoreDBClientException)
        assert isinstance(outcome_of(outcome), OutcomeUnknown)


@pytest.mark.usefixtures("one_call")
async def test_a_call_that_breaks_under_several_appends_names_the_leader_to_all(
    client: Client, server: EventStoreDB
) -> None:
    server.append_latency = 0.2
    under_way = [asyncio.create_task(append(client)) for _ in range(5)]
    await eventually(lambda: server.calls["append"] == 5)
    server.faults.queue("append", "wrong-leader")
    outcomes = await asyncio.gather(append(client), *under_way, return_exceptions=True)
    assert [outcome.leader_grpc_target for outcome in outcomes if isinstance(outcome, StreamBroke)] == [
        f"127.0.0.1:{server.ports[0]}"
    ] * 6


async def test_a_call_that_carried_one_append_says_what_came_of_it(client: Client, server: EventStoreDB) -> None:
    server.faults.queue("append", "wrong-leader")
    with pytest.raises(EventStoreDBClientException) as failed:
        await append(client)
    assert isinstance(outcome_of(failed.value), NotStored)
    await append(client, timeout=0.5)


async def test_an_append_whose_caller_left_before_it_was_sent_is_not_sent(client: Client, server: EventStoreDB) -> None:
    leaving = asyncio.create_task(append(client, "left"))
    await asyncio.sleep(0)
    leaving.cancel()
    await append(client, "stayed")
    assert [record.stream for record in server.records] == ["stayed"]


@pytest.mark.parametrize("fault", ["cut", "error", "end", "wrong-leader", "lost-and-cut"])
async def test_appends_that_lost_their_call_are_stored_once(fault: str) -> None:
    keys = [a_key() for _ in range(20)]
    async with a_server() as given:
        given.server.append_latency = 0.1
        given.server.faults.queue("append", "timeout-after", times=10)
        given.server.faults.queue("append", fault)
        recorded = await asyncio.gather(*(created(given.log, key) for key in keys))
        histories = [await history_of(given.log, key) for key in keys]
    assert [[one.id for one in history] for history in histories] == [[one.id] for one in recorded]


async def test_the_leader_is_followed_when_it_changes_under_an_open_call() -> None:
    keys = [a_key() for _ in range(10)]
    async with a_server(nodes=2) as given:
        await asyncio.gather(*(created(given.log, key) for key in keys))
        for leader in (1, 0):
            given.server.lead(leader)
            await asyncio.gather(*(updated(given.log, key) for key in keys))
        assert [len(await history_of(given.log, key)) for key in keys] == [3] * 10


async def test_a_new_channel_gets_a_call_of_its_own_and_the_old_one_its_answers(opened: list[Any]) -> None:
    async with a_server(nodes=2) as given:
        client = await given.log._database.connection.connected()
        given.server.append_latency = 0.3
        under_way = asyncio.create_task(append(client))
        await eventually(lambda: given.server.calls["append"] == 1)
        before = len(opened)
        await client.reconnect(f"127.0.0.1:{given.server.ports[0]}")
        await append(client)
        assert len(opened) == before + 1
        assert await under_way > 0
        await eventually(opened[before - 1].done, within=2)


async def test_closing_waits_for_the_answers(client: Client, server: EventStoreDB) -> None:
    server.append_latency = 0.2
    under_way = asyncio.create_task(append(client))
    await eventually(lambda: server.calls["append"] == 1)
    await client.close()
    assert await under_way > 0
    with pytest.raises(ServiceUnavailable):
        await append(client)


async def test_a_call_that_never_began_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # who connects waits for its first word
        client = Client(f"esdb://127.0.0.1:{silent.getsockname()[1]}?Tls=False")
        await client.connect()
        leaving = asyncio.create_task(append(client))
        streams = client._appends._running
        await eventually(lambda: any(stream._sent for stream in streams.values()))
        leaving.cancel()
        async with asyncio.timeout(3):
            await client.close()
        assert not streams


async def test_closing_does_not_wait_for_what_does_not_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appends, "_GRACE", 0.1)
    monkeypatch.setattr(appends, "_END_SECONDS", 0.1)
    monkeypatch.setattr(AppendStream, "run", lambda _: asyncio.sleep(60))
    under_way = asyncio.create_task(append(client))
    streams = client._appends._running
    await eventually(lambda: bool(streams))
    async with asyncio.timeout(3):
        await client.close()
    under_way.cancel()
    for stuck in [*streams]:
        stuck.cancel()
