"""The stand-in answers reads of streams and of $all as the server does. Driven by the bare client."""

from typing import Any

import pytest
from esdbclient import AsyncEventStoreDBClient, NewEvent, StreamState
from esdbclient.exceptions import GrpcError, NotFound

from tests.standins.eventstoredb import EventStoreDB

pytestmark = pytest.mark.anyio

Client = AsyncEventStoreDBClient


@pytest.fixture
async def positions(client: Client) -> list[int]:
    """a-1: A0, A1, A2; b-1: B0; and the metadata of a-1."""
    found = []
    for stream, name in (("a-1", "A0"), ("b-1", "B0"), ("a-1", "A1"), ("a-1", "A2")):
        found.append(await client.append_to_stream(stream, current_version=StreamState.ANY, events=NewEvent(name, b"")))
    await client.set_stream_metadata("a-1", metadata={"owner": "me"})
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["A0", "A1", "A2"]),
        ({"stream_position": 1}, ["A1", "A2"]),
        ({"limit": 2}, ["A0", "A1"]),
        ({"stream_position": 1, "limit": 1}, ["A1"]),
        ({"stream_position": 3}, []),
        ({"backwards": True}, ["A2", "A1", "A0"]),
        ({"backwards": True, "limit": 1}, ["A2"]),
        ({"backwards": True, "stream_position": 1}, ["A1", "A0"]),
        ({"backwards": True, "stream_position": 9, "limit": 2}, ["A2", "A1"]),
        ({"backwards": True, "stream_position": 0}, ["A0"]),
    ],
)
@pytest.mark.usefixtures("positions")
async def test_a_stream_is_read_from_a_number_in_either_direction_up_to_a_limit(
    client: Client, arguments: dict[str, Any], expected: list[str]
) -> None:
    assert [event.type for event in await client.get_stream("a-1", **arguments)] == expected


async def test_a_stream_without_events_is_not_found(client: Client) -> None:
    for backwards in (False, True):
        with pytest.raises(NotFound):
            await client.get_stream("absent", backwards=backwards)
    assert await client.get_stream_metadata("absent") == ({}, StreamState.NO_STREAM)


@pytest.mark.usefixtures("positions")
async def test_metadata_is_the_last_event_of_the_streams_own_metadata_stream(client: Client) -> None:
    assert await client.get_stream_metadata("a-1") == ({"owner": "me"}, 0)


async def test_truncate_before_hides_the_beginning_of_a_stream(client: Client, positions: list[int]) -> None:
    await client.set_stream_metadata("a-1", metadata={"$tb": 2})
    assert [event.type for event in await client.get_stream("a-1")] == ["A2"]
    assert [event.type for event in await client.get_stream("a-1", backwards=True)] == ["A2"]
    assert [event.commit_position async for event in await client.read_all()] == positions


async def test_all_holds_every_event_in_the_order_of_positions(client: Client, positions: list[int]) -> None:
    everything = [event async for event in await client.read_all(filter_exclude=())]
    assert [event.type for event in everything] == ["A0", "B0", "A1", "A2", "$metadata"]
    assert [event.commit_position for event in everything[:4]] == positions
    assert [event.type async for event in await client.read_all()] == ["A0", "B0", "A1", "A2"]
    assert await client.get_commit_position() == positions[-1]


async def test_a_position_is_inclusive_forwards_and_exclusive_backwards(client: Client, positions: list[int]) -> None:
    forwards = await client.read_all(commit_position=positions[1])
    assert [event.type async for event in forwards] == ["B0", "A1", "A2"]
    backwards = await client.read_all(commit_position=positions[1], backwards=True)
    assert [event.type async for event in backwards] == ["A0"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"filter_include": ("A.*",)}, ["A0", "A1", "A2"]),
        ({"filter_include": ("A.*",), "limit": 2}, ["A0", "A1"]),
        ({"filter_include": ("A.*",), "limit": 2, "backwards": True}, ["A2", "A1"]),
        ({"filter_include": (r"b-\d+",), "filter_by_stream_name": True}, ["B0"]),
        ({"filter_exclude": (r"\$.+", "A0")}, ["B0", "A1", "A2"]),
        ({"filter_exclude": (r"a-\d", r"\$.*"), "filter_by_stream_name": True}, ["B0"]),
    ],
)
@pytest.mark.usefixtures("positions")
async def test_all_is_filtered_by_event_type_or_stream_name(
    client: Client, arguments: dict[str, Any], expected: list[str]
) -> None:
    assert [event.type async for event in await client.read_all(**arguments)] == expected


async def test_a_regex_matches_anywhere_so_joined_includes_match_too_much(client: Client) -> None:
    for name in ("Foo", "FooX", "Bar", "XBar", "Other"):
        await client.append_to_stream("s", current_version=StreamState.ANY, events=NewEvent(name, b""))
    joined = await client.read_all(filter_include=("Foo", "Bar"))
    assert [event.type async for event in joined] == ["Foo", "FooX", "Bar", "XBar"]
    grouped = await client.read_all(filter_include=("(Foo|Bar)",))
    assert [event.type async for event in grouped] == ["Foo", "Bar"]


@pytest.mark.parametrize("backwards", [False, True])
async def test_nothing_can_be_read_where_no_record_starts(
    client: Client, positions: list[int], backwards: bool
) -> None:
    with pytest.raises(GrpcError, match="invalid position"):
        [_ async for _ in await client.read_all(commit_position=positions[1] + 1, backwards=backwards)]


async def test_beyond_the_end_there_is_nothing_forwards_and_an_error_backwards(
    client: Client, positions: list[int]
) -> None:
    beyond = positions[-1] + 1_000_000
    assert [_ async for _ in await client.read_all(commit_position=beyond)] == []
    with pytest.raises(GrpcError, match="invalid position"):
        [_ async for _ in await client.read_all(commit_position=beyond, backwards=True)]


async def test_a_read_gives_what_is_there_while_others_write(server: EventStoreDB, client: Client) -> None:
    for _ in range(300):
        await client.append_to_stream("s", current_version=StreamState.ANY, events=NewEvent("E", bytes(1000)))
    reading = await client.read_stream("s")
    numbers = [(await anext(reading)).stream_position]
    for _ in range(50):
        await client.append_to_stream("s", current_version=StreamState.ANY, events=NewEvent("E", b""))
    numbers += [event.stream_position async for event in reading]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 300
    assert server.calls["read"] == 1
