"""The stand-in as a process: commanded, frozen, killed. Driven by the bare client."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from esdbclient import AsyncEventStoreDBClient, NewEvent, RecordedEvent, StreamState
from esdbclient.exceptions import EventStoreDBClientException, NotFound

from tests.standins.eventstoredb_process import EventStoreDBProcess, running

pytestmark = pytest.mark.anyio

Client = AsyncEventStoreDBClient


async def append(client: Client, stream: str = "s") -> int:
    event = NewEvent("E", b"")
    return await client.append_to_stream(stream, current_version=StreamState.ANY, events=event, timeout=2)


async def connected(uri: str) -> Client:
    client = Client(uri)
    await client.connect()
    return client


async def following(subscription: AsyncIterator[RecordedEvent]) -> RecordedEvent:
    async with asyncio.timeout(5):
        return await anext(subscription)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[EventStoreDBProcess]:
    with running(tmp_path / "log") as process:
        yield process


async def test_as_a_process_it_obeys_commands(process: EventStoreDBProcess) -> None:
    client = await connected(process.uri)
    process.command("queue append timeout 1 s")
    with pytest.raises(EventStoreDBClientException):
        await append(client)
    await append(client)
    process.command("latency 0.01")
    process.command("storm 0.5 7")
    process.command("calm")
    assert json.loads(process.command("calls"))["append"] == 2
    subscription = await client.subscribe_to_all()
    await following(subscription)
    assert process.command("disturb end") == "1"
    with pytest.raises(StopAsyncIteration):
        await following(subscription)
    process.command("restart 0.01")
    assert len(await client.get_stream("s")) == 1
    process.command("wipe")
    with pytest.raises(NotFound):
        await client.get_stream("s")
    for nonsense in ("", "unheard of", "queue append no-such-fault", "queue all cut", "restart soon"):
        with pytest.raises(ValueError, match="Error"):
            process.command(nonsense)
    await client.close()


async def test_what_it_acknowledged_survives_kill_9(process: EventStoreDBProcess, tmp_path: Path) -> None:
    client = await connected(process.uri)
    acknowledged = dict.fromkeys(range(16), 0)
    enough = asyncio.Event()

    async def write(number: int) -> None:
        while True:
            await append(client, f"s{number}")
            acknowledged[number] += 1
            if sum(acknowledged.values()) == 300:
                enough.set()

    async with asyncio.timeout(20):
        writers = [asyncio.create_task(write(number)) for number in acknowledged]
        await enough.wait()
        process.kill()
        await asyncio.gather(*writers, return_exceptions=True)
    await client.close()
    with running(tmp_path / "log") as again:
        client = await connected(again.uri)
        for number, count in acknowledged.items():
            numbers = [event.stream_position for event in await client.get_stream(f"s{number}")]
            assert numbers == list(range(len(numbers)))
            assert count <= len(numbers) <= count + 1
        await client.close()


async def test_a_frozen_process_answers_nothing_and_goes_on_when_it_thaws(process: EventStoreDBProcess) -> None:
    client = await connected(process.uri)
    await append(client)
    process.freeze()
    with pytest.raises(EventStoreDBClientException, match="DEADLINE_EXCEEDED"):
        await client.get_stream("s", timeout=0.3)
    process.thaw()
    assert len(await client.get_stream("s", timeout=5)) == 1
    await client.close()


def test_a_process_ends_with_0_on_sigterm(process: EventStoreDBProcess) -> None:
    assert process.stop() == 0


def test_a_process_ends_with_whoever_started_it(process: EventStoreDBProcess) -> None:
    assert process._process.stdin is not None
    process._process.stdin.close()
    assert process._process.wait(5) == 0


def test_a_taken_port_is_an_error(process: EventStoreDBProcess) -> None:
    with pytest.raises(RuntimeError), running(None, port=process.ports[0]):
        pass
