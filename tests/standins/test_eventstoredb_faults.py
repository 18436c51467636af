"""Each fault of the stand-in shows to the bare client as the real thing would."""

import asyncio
from typing import Any

import pytest
from esdbclient import AsyncEventStoreDBClient, NewEvent, StreamState
from esdbclient.exceptions import (
    AbortedByServer,
    AppendDeadlineExceeded,
    EventStoreDBClientException,
    ExceptionThrownByHandler,
    GrpcDeadlineExceeded,
    NodeIsNotLeader,
    NotFound,
    ServiceUnavailable,
)

from tests.standins.eventstoredb import EventStoreDB
from tests.standins.eventstoredb_faults import FAULTS, Fault, Then

pytestmark = pytest.mark.anyio

Client = AsyncEventStoreDBClient
# What the client raises, whether the event is stored, and how often the client tried.
APPENDS: dict[str, tuple[type[Exception], str | None, bool, int]] = {
    "lost": (GrpcDeadlineExceeded, None, True, 2),
    "lost-and-cut": (ServiceUnavailable, "Socket closed", True, 4),
    "error-after": (ExceptionThrownByHandler, None, True, 2),
    "timeout-after": (AppendDeadlineExceeded, None, True, 1),
    "error": (ExceptionThrownByHandler, None, False, 2),
    "cut": (ServiceUnavailable, "Socket closed", False, 4),
    "timeout": (AppendDeadlineExceeded, None, False, 1),
    "hang": (GrpcDeadlineExceeded, None, False, 2),
    "end": (EventStoreDBClientException, "response not received", False, 1),
    "not-ready": (EventStoreDBClientException, "google.protobuf.Empty", False, 1),
    "wrong-leader": (NodeIsNotLeader, "Leader info available", False, 1),
}
READS: dict[str, type[Exception]] = {
    "error": ExceptionThrownByHandler,
    "cut": ServiceUnavailable,
    "timeout": AbortedByServer,
    "hang": GrpcDeadlineExceeded,
    "not-ready": ServiceUnavailable,
    "wrong-leader": NodeIsNotLeader,
}


async def append(client: Client, stream: str = "s", version: StreamState = StreamState.ANY) -> int:
    return await client.append_to_stream(stream, current_version=version, events=NewEvent("E", b""), timeout=0.2)


def test_every_fault_has_its_row() -> None:
    assert set(APPENDS) == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
async def test_an_append_goes_wrong_before_or_after_it_is_stored(
    server: EventStoreDB, client: Client, name: str
) -> None:
    error, text, is_stored, tries = APPENDS[name]
    server.faults.queue("append", name, times=9)
    with pytest.raises(error, match=text):
        await append(client, version=StreamState.NO_STREAM)
    assert server.calls["append"] == tries
    if is_stored:
        assert len(await client.get_stream("s")) == 1
    else:
        with pytest.raises(NotFound):
            await client.get_stream("s")


@pytest.mark.parametrize("name", READS)
async def test_a_read_goes_wrong(server: EventStoreDB, client: Client, name: str) -> None:
    await append(client)
    server.faults.queue("read", name, times=4)
    with pytest.raises(READS[name]):
        await client.get_stream("s", timeout=0.2)
    server.faults.calm()
    assert len(await client.get_stream("s")) == 1


async def test_a_read_that_ends_early_looks_complete_to_the_client(server: EventStoreDB, client: Client) -> None:
    for _ in range(3):
        await append(client)
    server.faults.queue("read", Fault(Then.END, after=2))
    assert len(await client.get_stream("s")) == 2


async def test_faults_hit_the_next_calls_to_the_named_streams_in_their_order(
    server: EventStoreDB, client: Client
) -> None:
    server.faults.queue("append", "timeout", stream="a-")
    server.faults.queue("append", "not-ready", stream="a-")
    await append(client, "b-1")
    with pytest.raises(AppendDeadlineExceeded):
        await append(client, "a-1")
    with pytest.raises(EventStoreDBClientException, match="Empty"):
        await append(client, "a-2")
    await append(client, "a-1")


async def test_a_fault_of_one_append_leaves_the_others_of_its_call_alone(server: EventStoreDB, client: Client) -> None:
    await append(client, "waits")
    server.faults.queue("append", "hang", stream="waits")
    waiting = asyncio.create_task(append(client, "waits"))
    async with asyncio.timeout(5):
        while server.calls["append"] < 2:
            await append(client, "other")
    await append(client, "waits")
    await waiting


SUBSCRIPTIONS: dict[str, type[Exception] | None] = {
    "cut": ServiceUnavailable,
    "error": ExceptionThrownByHandler,
    "end": StopAsyncIteration,
    "hang": None,
}


async def outcome(subscription: Any) -> type[Exception] | None:
    """What the next message is instead of one; None for silence. The time limit is the client's own."""
    try:
        await anext(subscription)
    except GrpcDeadlineExceeded:
        return None
    except (StopAsyncIteration, EventStoreDBClientException) as error:
        return type(error)
    raise AssertionError("a message came")


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
async def test_a_running_subscription_drops_ends_or_freezes(server: EventStoreDB, client: Client, name: str) -> None:
    await append(client)
    async with await client.subscribe_to_all(timeout=0.4, include_caught_up=True) as subscription:
        assert [(await anext(subscription)).type for _ in range(2)] == ["E", ""]
        await client.get_stream("s")  # by then the subscription waits for news
        assert server.disturb(name) == 1
        if name == "hang":
            await append(client)
        assert await outcome(subscription) is SUBSCRIPTIONS[name]
    async with await client.subscribe_to_all() as subscription:
        assert (await anext(subscription)).stream_position == 0


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
async def test_a_subscription_to_come_goes_wrong_after_so_many_events(
    server: EventStoreDB, client: Client, name: str
) -> None:
    for _ in range(3):
        await append(client)
    server.faults.queue("subscribe", FAULTS[name]._replace(after=2))
    async with await client.subscribe_to_all(timeout=0.4) as subscription:
        assert [(await anext(subscription)).stream_position for _ in range(2)] == [0, 1]
        assert await outcome(subscription) is SUBSCRIPTIONS[name]


async def test_a_storm_disturbs_a_share_until_it_calms(server: EventStoreDB, client: Client) -> None:
    server.faults.storm(1.0, seed=1)
    with pytest.raises(EventStoreDBClientException):
        await append(client)
    server.faults.calm()
    await append(client)
    server.faults.storm(0.2, seed=2)
    faults = [server.faults.next("append", "s") for _ in range(1000)]
    assert 150 < sum(fault is not None for fault in faults) < 250
    assert server.faults.next("subscribe") is None
