"""The stand-in's subscriptions deliver, checkpoint and resume as the server's do. Driven by the bare client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from esdbclient import AsyncEventStoreDBClient, Checkpoint, NewEvent, RecordedEvent, StreamState
from esdbclient.exceptions import GrpcError, StreamIsDeleted

pytestmark = pytest.mark.anyio

Client = AsyncEventStoreDBClient
OURS = {"filter_include": ("Ours.*",), "include_checkpoints": True, "include_caught_up": True}


async def append(client: Client, *names: str, stream: str = "s") -> list[int]:
    """Each in an append of its own; their positions."""
    return [
        await client.append_to_stream(stream, current_version=StreamState.ANY, events=NewEvent(name, b""), timeout=2)
        for name in names
    ]


async def take(subscription: AsyncIterator[RecordedEvent], count: int) -> list[RecordedEvent]:
    async with asyncio.timeout(5):
        return [await anext(subscription) for _ in range(count)]


def kinds(messages: list[RecordedEvent]) -> list[str]:
    return [
        "checkpoint" if message.is_checkpoint else "caught up" if message.is_caught_up else message.type
        for message in messages
    ]


async def until_caught_up(client: Client, **arguments: Any) -> list[RecordedEvent]:
    messages: list[RecordedEvent] = []
    async with asyncio.timeout(5), await client.subscribe_to_all(**{**OURS, **arguments}) as subscription:
        while not messages or not messages[-1].is_caught_up:
            messages.append(await anext(subscription))
    return messages


async def test_history_comes_in_order_then_caught_up_then_what_is_appended(client: Client) -> None:
    positions = await append(client, "A", "B")
    async with await client.subscribe_to_all(include_caught_up=True) as subscription:
        assert kinds(await take(subscription, 3)) == ["A", "B", "caught up"]
        positions += await append(client, "C", "D")
        live = await take(subscription, 2)
    assert kinds(live) == ["C", "D"]
    assert [event.commit_position for event in live] == positions[2:]


async def test_an_empty_log_is_caught_up_at_once(client: Client) -> None:
    assert kinds(await until_caught_up(client)) == ["caught up"]


async def test_it_resumes_behind_a_position(client: Client) -> None:
    positions = await append(client, *"ABCD")
    async with await client.subscribe_to_all(commit_position=positions[1], include_caught_up=True) as subscription:
        assert kinds(await take(subscription, 3)) == ["C", "D", "caught up"]
    async with await client.subscribe_to_all(commit_position=positions[3], include_caught_up=True) as subscription:
        assert kinds(await take(subscription, 1)) == ["caught up"]


async def test_from_the_end_only_later_events_come(client: Client) -> None:
    await append(client, "A")
    async with await client.subscribe_to_all(from_end=True, include_caught_up=True) as subscription:
        assert kinds(await take(subscription, 1)) == ["caught up"]
        await append(client, "B")
        assert kinds(await take(subscription, 1)) == ["B"]


async def test_a_position_beyond_the_end_is_taken_and_delivers_nothing(client: Client) -> None:
    (last,) = await append(client, "A")
    async with await client.subscribe_to_all(commit_position=last + 10_000, include_caught_up=True) as subscription:
        assert kinds(await take(subscription, 1)) == ["caught up"]
        later = await append(client, *["B"] * 200)
        first = await take(subscription, 1)
    assert first[0].commit_position in later
    assert first[0].commit_position == min(position for position in later if position > last + 10_000)


async def test_a_position_where_no_record_starts_is_an_error_on_the_first_message(client: Client) -> None:
    positions = await append(client, "A", "B")
    async with await client.subscribe_to_all(commit_position=positions[0] + 1) as subscription:
        with pytest.raises(GrpcError, match="invalid position"):
            await anext(subscription)


async def test_only_what_the_filter_accepts_comes_of_history_and_live(client: Client) -> None:
    await append(client, "Ours1", "Other")
    await client.set_stream_metadata("s", metadata={})
    async with await client.subscribe_to_all(filter_include=("Ours.*",)) as subscription:
        await append(client, "Other", "Ours2")
        assert kinds(await take(subscription, 2)) == ["Ours1", "Ours2"]


async def test_streams_are_filtered_by_name(client: Client) -> None:
    await append(client, "A", stream="ours-1")
    await append(client, "B", stream="other-1")
    filters: dict[str, Any] = {"filter_include": ("ours-.*",), "filter_by_stream_name": True}
    async with await client.subscribe_to_all(**filters) as subscription:
        await append(client, "C", stream="not-ours-1")
        await append(client, "D", stream="ours-2")
        assert kinds(await take(subscription, 2)) == ["A", "D"]


async def test_a_history_of_excluded_events_gives_a_checkpoint_every_so_many_and_one_at_the_end(client: Client) -> None:
    positions = await append(client, *["Other"] * 35)
    messages = await until_caught_up(client, window_size=5, checkpoint_interval_multiplier=2)
    assert kinds(messages) == ["checkpoint"] * 4 + ["caught up"]
    assert [message.commit_position for message in messages[:3]] == [positions[5], positions[15], positions[25]]


async def test_a_live_checkpoint_comes_after_every_so_many_events_excluded_ones_counted(client: Client) -> None:
    settings: dict[str, Any] = {**OURS, "window_size": 2, "checkpoint_interval_multiplier": 2}
    async with await client.subscribe_to_all(**settings) as subscription:
        await take(subscription, 1)
        positions = await append(client, "Other", "Ours", "Other", "Other", "Other", "Other", "Other", "Ours")
        messages = await take(subscription, 4)
    assert kinds(messages) == ["Ours", "checkpoint", "Ours", "checkpoint"]
    assert [message.commit_position for message in messages] == [positions[n] for n in (1, 3, 7, 7)]


async def test_resuming_from_any_checkpoint_of_a_history_repeats_and_loses_nothing(client: Client) -> None:
    await append(client, *(["Ours"] + ["Other"] * 6) * 6)
    messages = await until_caught_up(client, window_size=3, checkpoint_interval_multiplier=1)
    for index, message in enumerate(messages):
        if message.is_checkpoint:
            rest = [later.type for later in messages[index:] if type(later) is RecordedEvent]
            again = await until_caught_up(client, commit_position=message.commit_position)
            assert [found.type for found in again if type(found) is RecordedEvent] == rest


async def test_a_checkpoint_with_another_prepare_position_can_be_the_place_of_the_next_event(client: Client) -> None:
    """The window ends with the log: the checkpoint says (end, 0), the client resumes at (end, end)."""
    await append(client, *["Other"] * 5)
    messages = await until_caught_up(client, window_size=5)
    checkpoint = messages[0]
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.prepare_position == 0
    lost, *_ = await append(client, "Ours1", "Ours2")
    assert checkpoint.commit_position == lost
    assert kinds(await until_caught_up(client, commit_position=lost))[0] == "Ours2"


async def test_who_lets_the_server_wait_falls_behind_and_is_told_again_when_caught_up(client: Client) -> None:
    count = 1500
    async with await client.subscribe_to_all(include_caught_up=True) as subscription:
        assert kinds(await take(subscription, 1)) == ["caught up"]
        for _ in range(count // 50):
            events = [NewEvent("E", bytes(2000)) for _ in range(50)]
            await client.append_to_stream("s", current_version=StreamState.ANY, events=events)
        messages = await take(subscription, count + 1)
    numbers = [message.stream_position for message in messages if not message.is_caught_up]
    assert numbers == list(range(len(numbers)))
    assert "caught up" in kinds(messages)


async def test_one_stream_can_be_followed(client: Client) -> None:
    await append(client, "A", "B")
    await append(client, "X", stream="other")
    async with await client.subscribe_to_stream("s", stream_position=0, include_caught_up=True) as subscription:
        assert kinds(await take(subscription, 2)) == ["B", "caught up"]
        await append(client, "Y", stream="other")
        await append(client, "C")
        assert kinds(await take(subscription, 1)) == ["C"]
        await client.tombstone_stream("s", current_version=StreamState.ANY)
        with pytest.raises(StreamIsDeleted):
            await anext(subscription)
