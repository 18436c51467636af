"""How the log of answers writes to EventStoreDB: how many calls it needs, and what it makes of every outcome."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from esdbclient import NewEvent, StreamState
from esdbclient.exceptions import NotFound
from esdbclient.streams import AsyncReadResponse

from qaservice.domain.answers import AnswerCreated, AnswerUpdated, Event, create, update
from qaservice.domain.codec import CREATED, answer_json
from qaservice.domain.errors import KeyExists, KeyNotFound, LogUnavailable, TooLarge, UndecodableEvent
from qaservice.domain.recent import Recent
from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.connection import Connection
from qaservice.stores.eventstoredb.log import EventStoreDbLog
from tests.contract.eventstoredb_given import Given, overtaken, seconds, stored, stream_of
from tests.given import a_key, appended, created, deleted, eventually, history_of, updated

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(given: Given) -> AsyncIterator[EventStoreDbLog]:
    """Another process's."""
    async with given.another_log() as log:
        yield log


def calls(given: Given) -> Counter[str]:
    """The calls since it was asked last."""
    made = Counter(given.server.calls)
    given.server.calls.clear()
    return made


# Calls to the server


async def test_creating_takes_one_call(given: Given) -> None:
    await created(given.log, a_key())
    assert calls(given) == {"append": 1}


async def test_a_process_changes_what_it_wrote_itself_with_one_call_each(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    await updated(given.log, key)
    await deleted(given.log, key)
    assert (await created(given.log, key)).revision == 3
    assert calls(given) == {"append": 4}


async def test_what_another_process_wrote_is_read_before_it_is_changed(given: Given, other: EventStoreDbLog) -> None:
    key = a_key()
    await created(other, key)
    calls(given)
    assert (await updated(given.log, key)).revision == 1
    assert calls(given) == {"read": 1, "append": 1}


async def test_a_creation_that_is_refused_has_read_why(given: Given, other: EventStoreDbLog) -> None:
    key = a_key()
    await created(other, key)
    calls(given)
    with pytest.raises(KeyExists):
        await created(given.log, key)
    assert calls(given) == {"append": 1, "read": 1}


async def test_what_is_remembered_wrongly_costs_a_round(given: Given, other: EventStoreDbLog) -> None:
    key = a_key()
    await created(given.log, key)
    await updated(other, key)
    calls(given)
    assert (await updated(given.log, key)).revision == 2
    assert calls(given) == {"append": 2, "read": 1}


async def test_commands_on_one_key_take_turns(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    await asyncio.gather(*(updated(given.log, key) for _ in range(64)))
    assert calls(given) == {"append": 65}


async def test_appends_without_number_share_one_call(given: Given) -> None:
    await asyncio.gather(*(created(given.log, a_key()) for _ in range(400)))
    assert calls(given) == {"append": 400}


async def test_more_reads_than_a_connection_takes_calls_wait_for_each_other(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many at once are refused by the server, again and again."""
    read, under_way = Connection.tried, [0]

    async def counted(*arguments: Any) -> Any:
        under_way.append(under_way[-1] + 1)
        try:
            return await read(*arguments)
        finally:
            under_way.append(under_way[-1] - 1)

    monkeypatch.setattr(Connection, "tried", counted)
    await asyncio.gather(*(given.log.last(a_key()) for _ in range(400)))
    assert max(under_way) < 100
    assert calls(given) == {"read": 400}


# Refusals are decided on what was read


async def test_an_answer_that_another_process_deleted_can_be_created(given: Given, other: EventStoreDbLog) -> None:
    key = a_key()
    await created(given.log, key)
    await deleted(other, key)
    assert (await created(given.log, key)).revision == 2


async def test_an_answer_that_another_process_created_can_be_updated(given: Given, other: EventStoreDbLog) -> None:
    key = a_key()
    await created(given.log, key)
    await deleted(given.log, key)
    await created(other, key)
    assert (await updated(given.log, key)).revision == 3


async def test_an_answer_that_another_process_deleted_is_not_updated(given: Given, other: EventStoreDbLog) -> None:
    key = a_key()
    await created(given.log, key)
    await deleted(other, key)
    with pytest.raises(KeyNotFound):
        await updated(given.log, key)
    assert len(await history_of(given.log, key)) == 2


# Unclear outcomes


@pytest.mark.parametrize(
    "fault",
    ["lost-and-cut", "error-after", "timeout-after", "cut", "error", "timeout", "end", "not-ready", "wrong-leader"],
)
async def test_an_append_that_went_wrong_is_stored_once(given: Given, fault: str) -> None:
    key = a_key()
    await created(given.log, key)
    given.server.faults.queue("append", fault, times=2)
    recorded = await updated(given.log, key)
    assert [one.id for one in await history_of(given.log, key)][1:] == [recorded.id]


async def test_an_append_whose_answer_was_lost_is_recognised_below_what_came_after(
    given: Given, other: EventStoreDbLog
) -> None:
    key = a_key()
    await created(given.log, key)
    given.server.faults.queue("append", "lost")
    under_way = asyncio.create_task(updated(given.log, key, "first"))
    await eventually(lambda: given.server.calls["append"] == 2)
    await updated(other, key, "second")
    assert (await under_way).revision == 1
    assert [one.event for one in await history_of(given.log, key)] == [
        AnswerCreated(key, "john"),
        AnswerUpdated(key, "first"),
        AnswerUpdated(key, "second"),
    ]


async def test_an_append_rides_out_a_restart(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    restart = asyncio.create_task(given.server.restart(down=0.5))
    assert (await updated(given.log, key)).revision == 1
    await restart


async def test_waiting_for_ones_turn_counts(given: Given) -> None:
    key = a_key()
    given.server.faults.queue("append", "hang", times=100)
    async with given.another_log(timeout=0.5) as log:
        waited = await asyncio.gather(*(seconds(created(log, key)) for _ in range(5)))
    assert max(waited) < 1.5


async def test_a_writer_that_loses_every_round_gives_up(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    decided = 0

    def decide(recent: Recent) -> Event:
        nonlocal decided
        decided += 1
        overtaken(given, key)
        return update(recent.answer, key, "late")

    with pytest.raises(LogUnavailable, match="rounds to other writers"):
        await appended(given.log, key, decide)
    assert len(await history_of(given.log, key)) == 1 + decided


async def test_a_position_that_the_server_does_not_tell_is_read(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Client.append

    async def without_position(*arguments: object) -> int:
        await append(*arguments)  # type: ignore[arg-type]
        return 0

    monkeypatch.setattr(Client, "append", without_position)
    recorded = await created(given.log, a_key())
    assert recorded.position == await given.feed.end()


async def test_a_stranger_that_knows_no_such_thing_is_no_log_without_the_answer(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC's status NOT_FOUND may come from any proxy; the server's own answer names the stream."""
    key = a_key()
    await created(given.log, key)
    read_stream, strange = Client.read_stream, iter([NotFound(), NotFound()])

    async def read(*arguments: object, **options: object) -> AsyncReadResponse:
        for error in strange:
            raise error
        return await read_stream(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "read_stream", read)
    assert await given.log.last(key) is not None


# What can't be written or read


async def test_an_event_that_is_too_large_is_refused(given: Given) -> None:
    key = a_key()
    with pytest.raises(TooLarge):
        await created(given.log, key, "v" * 1_100_000)
    assert await given.log.last(key) is None


async def test_an_answer_whose_stream_has_a_tombstone_can_not_be_written(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    await given.others.tombstone_stream(stream_of(key), current_version=StreamState.ANY)
    assert await seconds(updated(given.log, key)) < 3
    with pytest.raises(LogUnavailable):
        await created(given.log, key)
    assert await given.log.last(key) is None


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (CREATED, b"not JSON"),
        (CREATED, b"[" * 100_000),
        (CREATED, answer_json("another key", "john").encode()),
        ("AnswerRenamedEvent", answer_json("key", "john").encode()),
    ],
)
async def test_an_event_that_is_not_ours_is_said_to_be_unreadable(given: Given, type_: str, data: bytes) -> None:
    await stored(given.others, stream_of("key"), data=data, type_=type_)
    for call in (given.log.last("key"), history_of(given.log, "key"), created(given.log, "key")):
        with pytest.raises(UndecodableEvent, match="event 0 of stream"):
            await call


async def test_metadata_that_is_not_ours_is_said_to_be_unreadable(given: Given) -> None:
    event = NewEvent(type=CREATED, data=answer_json("key", "john").encode(), metadata=b"[]")
    await given.others.append_to_stream(stream_of("key"), current_version=StreamState.NO_STREAM, events=[event])
    with pytest.raises(UndecodableEvent, match="metadata"):
        await given.log.last("key")


async def test_what_was_brought_over_from_another_log_keeps_its_time(given: Given) -> None:
    key = a_key()
    await appended(
        given.log, key, lambda recent: create(recent.answer, key, "john"), time="2001-02-03T04:05:06.000007Z"
    )
    last = await given.log.last(key)
    assert last is not None
    assert last.time == datetime(2001, 2, 3, 4, 5, 6, 7, UTC)
    assert last.metadata == {}
    await appended(given.log, key, lambda recent: update(recent.answer, key, "jane"), time="yesterday")
    with pytest.raises(UndecodableEvent, match="yesterday"):
        await given.log.last(key)
