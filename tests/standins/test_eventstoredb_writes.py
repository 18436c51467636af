"""The stand-in takes, refuses and repeats writes as the server does. Driven by the bare client."""

from itertools import pairwise
from uuid import uuid4

import pytest
from esdbclient import AsyncEventStoreDBClient, NewEvent, StreamState
from esdbclient.exceptions import (
    BadRequestError,
    MaximumAppendSizeExceededError,
    NotFound,
    StreamIsDeleted,
    WrongCurrentVersion,
)
from esdbclient.protos.Grpc.streams_pb2 import BatchAppendReq
from esdbclient.streams import AsyncStreamsService

from tests.standins.eventstoredb import EventStoreDB

pytestmark = pytest.mark.anyio

Client = AsyncEventStoreDBClient
NO_STREAM, ANY, EXISTS = StreamState.NO_STREAM, StreamState.ANY, StreamState.EXISTS


def event(name: str = "Happened", data: bytes = b"{}") -> NewEvent:
    return NewEvent(name, data)


async def append(client: Client, version: int | StreamState, *events: NewEvent, stream: str = "s") -> int:
    return await client.append_to_stream(stream, current_version=version, events=events, timeout=2)


async def types(client: Client, stream: str = "s") -> list[str]:
    return [found.type for found in await client.get_stream(stream)]


async def test_an_event_comes_back_as_it_was_given(client: Client) -> None:
    given = NewEvent("Täten", b"\x00\xff", metadata=b'{"a":1}', content_type="application/octet-stream")
    await append(client, NO_STREAM, given, stream="ö/§ ")
    (found,) = await client.get_stream("ö/§ ")
    assert (found.id, found.type, found.data, found.metadata) == (given.id, "Täten", b"\x00\xff", b'{"a":1}')
    assert (found.content_type, found.stream_name) == ("application/octet-stream", "ö/§ ")
    assert found.recorded_at is not None


async def test_every_event_has_a_position_of_its_own_and_the_append_answers_the_last(client: Client) -> None:
    position = await append(client, NO_STREAM, event(), event(), event())
    later = await append(client, NO_STREAM, event(), stream="other")
    positions = [found.commit_position or 0 for found in await client.get_stream("s")] + [later]
    assert positions[2] == position
    assert all(before + 1 < after for before, after in pairwise([0, *positions]))


@pytest.mark.parametrize(("version", "text"), [(1, "is 0 not 1"), (NO_STREAM, "is 0 not"), (0, "does not exist")])
async def test_another_version_than_the_expected_is_refused(
    client: Client, version: int | StreamState, text: str
) -> None:
    stream = "absent" if "exist" in text else "s"
    await append(client, NO_STREAM, event("First"))
    with pytest.raises(WrongCurrentVersion, match=text):
        await append(client, version, event(), stream=stream)
    assert [e.type async for e in await client.read_all()] == ["First"]


async def test_repeating_an_append_succeeds_with_the_old_position_and_stores_nothing(client: Client) -> None:
    one, two = event("One"), event("Two")
    created = await append(client, NO_STREAM, one)
    updated = await append(client, 0, two)
    await append(client, 1, event("Three"))
    assert await append(client, NO_STREAM, one) == created
    assert await append(client, 0, two) == updated
    assert await append(client, NO_STREAM, one, two) == updated
    assert await types(client) == ["One", "Two", "Three"]


async def test_a_repetition_is_known_by_the_log_also_after_a_restart(server: EventStoreDB, client: Client) -> None:
    one = event()
    position = await append(client, NO_STREAM, one)
    await append(client, 0, event())
    await server.restart()
    assert await append(client, NO_STREAM, one) == position


async def test_another_or_only_partly_the_same_content_is_no_repetition(client: Client) -> None:
    one, two = event(), event()
    await append(client, NO_STREAM, one, two)
    for events in ([event()], [two], [one, event()], [one, two, event()], []):
        with pytest.raises(WrongCurrentVersion):
            await append(client, NO_STREAM, *events)


async def test_an_id_is_not_unique(client: Client) -> None:
    same = event()
    await append(client, NO_STREAM, same)
    await append(client, 0, same)
    assert len(await client.get_stream("s")) == 2


@pytest.mark.parametrize("version", [ANY, EXISTS])
async def test_without_a_version_repetitions_are_known_until_the_restart_only(
    server: EventStoreDB, client: Client, version: StreamState
) -> None:
    again = event("Again")
    await append(client, NO_STREAM, event("First"))
    position = await append(client, version, again)
    assert await append(client, version, again) == position
    await server.restart()
    assert await append(client, version, again) > position


async def test_exists_needs_an_event_or_metadata(client: Client) -> None:
    with pytest.raises(WrongCurrentVersion, match="does not exist"):
        await append(client, EXISTS, event())
    await client.set_stream_metadata("s", metadata={"owner": "me"})
    await append(client, EXISTS, event())


async def test_an_append_of_nothing_at_the_right_version_succeeds(client: Client) -> None:
    assert await append(client, NO_STREAM) == 0
    with pytest.raises(NotFound):
        await client.get_stream("s")


@pytest.mark.parametrize("version", [NO_STREAM, ANY, 1])
async def test_a_soft_deleted_stream_is_not_found_until_an_append_revives_it_and_its_numbers_go_on(
    client: Client, version: int | StreamState
) -> None:
    await append(client, NO_STREAM, event("One"), event("Two"))
    await client.delete_stream("s", current_version=1)
    with pytest.raises(NotFound):
        await client.get_stream("s")
    assert await client.get_current_version("s") is NO_STREAM
    await append(client, version, event("Three"))
    assert [(e.type, e.stream_position) for e in await client.get_stream("s")] == [("Three", 2)]
    assert [e.type for e in await client.get_stream("s", backwards=True)] == ["Three"]
    every = [e.type async for e in await client.read_all(filter_exclude=())]
    assert every == ["One", "Two", "$metadata", "Three", "$metadata"]


async def test_a_soft_deleted_stream_does_not_exist(client: Client) -> None:
    await append(client, NO_STREAM, event())
    await client.delete_stream("s", current_version=ANY)
    with pytest.raises(StreamIsDeleted):
        await append(client, EXISTS, event())
    with pytest.raises(WrongCurrentVersion):
        await append(client, 5, event())


async def test_a_delete_at_another_version_is_refused(client: Client) -> None:
    await append(client, NO_STREAM, event())
    with pytest.raises(WrongCurrentVersion):
        await client.delete_stream("s", current_version=3)
    with pytest.raises(NotFound):
        await client.delete_stream("absent", current_version=0)
    assert await types(client) == ["Happened"]


async def test_a_tombstone_is_for_ever(server: EventStoreDB, client: Client) -> None:
    await append(client, NO_STREAM, event())
    await client.tombstone_stream("s", current_version=0)
    await server.restart()
    with pytest.raises(StreamIsDeleted):
        await client.get_stream("s")
    for version in (NO_STREAM, ANY, EXISTS, 0):
        with pytest.raises(StreamIsDeleted):
            await append(client, version, event())


async def test_what_is_too_large_or_no_event_is_refused(client: Client) -> None:
    await append(client, NO_STREAM, event("T", data=bytes(1024 * 1024 - 2)))
    with pytest.raises(MaximumAppendSizeExceededError):
        await append(client, 0, event("T", data=bytes(1024 * 1024 - 1)))
    with pytest.raises(BadRequestError):
        await append(client, 0, event(""))
    with pytest.raises(BadRequestError):
        await append(client, NO_STREAM, event(), stream="")


async def test_one_call_carries_many_appends_each_answered_under_its_correlation_id(client: Client) -> None:
    requests = [_request(f"s{number % 3}", ANY) for number in range(50)] + [_request("s0", 99)]
    call = client._connection.streams._stub.BatchAppend(iter(requests))
    answers = {answer.correlation_id.string: answer async for answer in call}
    assert set(answers) == {request.correlation_id.string for request in requests}
    assert answers[requests[-1].correlation_id.string].WhichOneof("result") == "error"
    assert [answer.WhichOneof("result") for answer in answers.values()].count("success") == 50
    assert [len(await client.get_stream(f"s{number}")) for number in range(3)] == [17, 17, 16]


async def test_an_append_may_come_in_parts(client: Client) -> None:
    first, last = _request("s", NO_STREAM), _request("s", NO_STREAM)
    first.is_final = False
    last.ClearField("options")
    last.correlation_id.CopyFrom(first.correlation_id)
    call = client._connection.streams._stub.BatchAppend(iter([first, last]))
    (answer,) = [answer async for answer in call]
    assert answer.success.current_revision == 1


async def test_answers_wait_for_the_latency_but_not_for_each_other(server: EventStoreDB, client: Client) -> None:
    server.append_latency = 0.2
    requests = [_request("s", ANY) for _ in range(20)]
    call = client._connection.streams._stub.BatchAppend(iter(requests), timeout=2)
    assert [answer.correlation_id async for answer in call] == [request.correlation_id for request in requests]


def _request(stream: str, version: int | StreamState) -> BatchAppendReq:
    return AsyncStreamsService._construct_batch_append_req(stream, version, [event()], uuid4(), 2.0)
