"""The stand-in as a server, with the bare client: restarts, its log's file, several nodes, its life as a process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from esdbclient import AsyncEventStoreDBClient, NewEvent, RecordedEvent, StreamState
from esdbclient.exceptions import (
    DiscoveryFailed,
    GrpcDeadlineExceeded,
    NodeIsNotLeader,
    NotFound,
    ServiceUnavailable,
)
from esdbclient.protos.Grpc.streams_pb2 import BatchAppendReq
from esdbclient.streams import AsyncStreamsService
from grpc.aio import AioRpcError

from tests.standins.eventstoredb import EventStoreDB
from tests.standins.eventstoredb_log import Log, Proposed

pytestmark = pytest.mark.anyio

Client = AsyncEventStoreDBClient


async def append(client: Client, stream: str = "s", version: int | StreamState = StreamState.ANY) -> int:
    return await client.append_to_stream(stream, current_version=version, events=NewEvent("E", b""), timeout=2)


def batch(stream: str, version: int | StreamState) -> BatchAppendReq:
    return AsyncStreamsService._construct_batch_append_req(stream, version, [NewEvent("E", b"")], uuid4(), 2.0)


async def connected(uri: str) -> Client:
    client = Client(uri)
    await client.connect()
    return client


async def following(subscription: AsyncIterator[RecordedEvent]) -> RecordedEvent:
    async with asyncio.timeout(5):
        return await anext(subscription)


async def until_connected(client: Client) -> None:
    """The client's channels wait a second or more after a refused connection."""
    async with asyncio.timeout(10):
        while True:
            with suppress(ServiceUnavailable, DiscoveryFailed):
                await client.get_commit_position()
                return


async def test_a_restart_cuts_calls_and_keeps_events_and_ports(server: EventStoreDB, client: Client) -> None:
    position = await append(client)
    ports = list(server.ports)
    async with await client.subscribe_to_all() as subscription:
        await following(subscription)
        await server.restart()
        with pytest.raises(ServiceUnavailable):
            await following(subscription)
    assert server.ports == ports
    assert await client.get_commit_position() == position < await append(client, version=0)


async def test_a_stopped_server_is_unavailable_until_it_starts_again(server: EventStoreDB, client: Client) -> None:
    await append(client)
    await server.stop()
    with pytest.raises(ServiceUnavailable):
        await append(client)
    await server.start()
    await until_connected(client)
    assert len(await client.get_stream("s")) == 1


async def test_a_wiped_server_has_an_empty_log(server: EventStoreDB, client: Client) -> None:
    first = await append(client)
    await append(client)
    await server.restart(wiped=True)
    with pytest.raises(NotFound):
        await client.get_stream("s")
    assert await append(client) == first


async def test_a_client_may_ping_as_often_as_it_likes(server: EventStoreDB) -> None:
    client = Client(server.uri)
    client.grpc_options += (("grpc.keepalive_time_ms", 20), ("grpc.http2.max_pings_without_data", 0))
    await client.connect()
    subscription = await client.subscribe_to_all(timeout=3.5)  # pings go out once a second; gRPC's own limit is two
    with pytest.raises(GrpcDeadlineExceeded):
        await following(subscription)
    await client.close()


def proposed(id: str) -> Proposed:
    return Proposed(id, "E", True, b"{}", b"")


def test_an_append_that_the_file_holds_only_in_part_never_happened(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(path)
    log.write("s", 0, [proposed("0")])
    whole = path.stat().st_size
    log.write("s", 1, [proposed("1"), proposed("2")])
    log.close()
    stored = path.read_bytes()
    for size in range(whole, len(stored)):
        path.write_bytes(stored[:size])
        log = Log(path)
        assert [record.id for record in log.records] == ["0"]
        assert log.end == path.stat().st_size == whole
        log.close()


async def test_of_several_nodes_the_client_finds_the_leader() -> None:
    async with EventStoreDB(nodes=2) as server:
        server.lead(1)
        client = await connected(server.uri)
        await append(client)
        assert client.connection_target == f"127.0.0.1:{server.ports[1]}"
        assert server.calls["gossip"] == 1
        leader, follower = await client._connection.gossip.read()
        assert (leader.state, leader.port) == ("NODE_STATE_LEADER", server.ports[1])
        assert (follower.state, follower.port) == ("NODE_STATE_FOLLOWER", server.ports[0])
        await client.close()


async def test_another_leader_is_named_by_the_old_one_and_the_client_follows() -> None:
    async with EventStoreDB(nodes=2) as server:
        client = await connected(server.uri)
        bare = await connected(f"esdb://127.0.0.1:{server.ports[0]}?Tls=False")
        await append(client)
        server.lead(1)
        assert await append(client, version=0) == await client.get_commit_position()
        assert client.connection_target == f"127.0.0.1:{server.ports[1]}"
        with pytest.raises(NodeIsNotLeader) as refusal:
            await append(bare)
        assert refusal.value.leader_grpc_target == client.connection_target
        with pytest.raises(NodeIsNotLeader):
            await bare.get_stream("s")
        await bare.close()
        await client.close()


async def test_a_call_that_appends_ends_when_its_node_leads_no_more() -> None:
    async with EventStoreDB(nodes=2) as server:
        client = await connected(server.uri)
        call = client._connection.streams._stub.BatchAppend(timeout=5, metadata=(("requires-leader", "true"),))
        await call.write(batch("s", StreamState.NO_STREAM))
        assert (await call.read()).WhichOneof("result") == "success"
        server.lead(1)
        await call.write(batch("s", 0))
        with pytest.raises(AioRpcError, match="Leader info available"):
            await call.read()
        await client.close()


async def test_a_node_that_does_not_lead_answers_reads_that_ask_for_no_leader() -> None:
    async with EventStoreDB(nodes=2) as server:
        client = await connected(f"esdb://127.0.0.1:{server.ports[1]}?Tls=False&NodePreference=follower")
        with pytest.raises(NotFound):
            await client.get_stream("s")
        with pytest.raises(NodeIsNotLeader):
            await append(client)
        await client.close()


async def test_with_a_node_down_the_client_goes_to_the_other() -> None:
    async with EventStoreDB(nodes=2) as server:
        client = await connected(server.uri)
        await append(client)
        server.lead(1)
        await server.stop(0)
        await append(client, version=0)
        await server.stop()
        with pytest.raises(DiscoveryFailed):
            await append(client, version=1)
        await server.start()
        await until_connected(client)
        await append(client, version=1)
        await client.close()
