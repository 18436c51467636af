"""Writers against an EventStoreDB where acknowledgements are lost, calls fail or hang, and the server restarts twice.

Every write that was acknowledged is stored once, every other one once at most and not at all where it was refused;
refusals are true; nobody waits longer than the time limit; a follower that resumes gets every event once.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from qaservice.domain import answers
from qaservice.domain.answers import Answer, Event
from qaservice.domain.errors import KeyExists, KeyNotFound, LogUnavailable, OutcomeUnknown, QaserviceError
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import START, Recorded
from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
from qaservice.stores.eventstoredb.log import EventStoreDbLog
from tests.given import history_of
from tests.standins.eventstoredb import EventStoreDB

pytestmark = pytest.mark.anyio

PREFIX = "qa-storm.answer-"
SECONDS = 30.0 if os.environ.get("QA_TEST_LONG") else 8.0
TIMEOUT, SLACK = 1.0, 2.0
WRITERS, KEYS = 24, 40
FAULTY_SHARE = 0.25
CLOCK_ERROR = timedelta(milliseconds=5)


@dataclass
class Write:
    """A command and what its caller heard of it."""

    id: UUID
    key: str
    value: str
    began: datetime
    ended: datetime
    outcome: Recorded | QaserviceError


async def write(log: EventStoreDbLog, key: str, value: str) -> Write:
    """A random command."""
    decision = random.choice((answers.create, answers.update, answers.update, _delete))
    id, began = uuid4(), datetime.now(UTC)
    outcome: Recorded | QaserviceError
    try:
        appended = await log.append(key, lambda recent: decision(recent.answer, key, value), id=id, metadata={})
        outcome = appended.recorded
    except QaserviceError as error:
        outcome = error
    return Write(id, key, value, began, datetime.now(UTC), outcome)


async def write_until(stop: float, log: EventStoreDbLog, name: str) -> list[Write]:
    done: list[Write] = []
    while time.monotonic() < stop:
        done.append(await write(log, f"key {random.randrange(KEYS)}", f"{name}-{len(done)}"))
    return done


async def follow(feed: EventStoreDbFeed, seen: list[Recorded], until: asyncio.Event) -> None:
    """All events, resumed behind every end after a trouble; until there is nothing more once `until` is set."""
    after = START
    while True:
        try:
            async with aclosing(feed.follow(after)) as batches:
                async for batch in batches:
                    seen += [event for event in batch.events if isinstance(event, Recorded)]
                    after = batch.end
                    if batch.at_end and until.is_set():
                        return
        except LogUnavailable:
            await asyncio.sleep(0.05)


def _delete(state: Answer | None, key: str, _: str) -> Event:
    return answers.delete(state, key)


@pytest.mark.parametrize("nodes", [1, 2])
async def test_a_storm_loses_nothing_and_doubles_nothing(nodes: int) -> None:
    async with EventStoreDB(nodes=nodes) as server:
        logs = [EventStoreDbLog(server.uri, PREFIX, TIMEOUT) for _ in range(2)]
        feed = EventStoreDbFeed(server.uri, PREFIX, TIMEOUT)
        seen: list[Recorded] = []
        calm = asyncio.Event()
        follower = asyncio.create_task(follow(feed, seen, calm))
        stop = time.monotonic() + SECONDS
        server.faults.storm(FAULTY_SHARE, seed=random.randrange(1_000_000))
        writers = [
            asyncio.create_task(write_until(stop, logs[number % len(logs)], f"writer {number}"))
            for number in range(WRITERS)
        ]
        for restart in range(2):
            await asyncio.sleep(SECONDS / 3)
            server.lead((restart + 1) % nodes)
            await server.restart(down=0.3)
        writes = [write for done in await asyncio.gather(*writers) for write in done]
        server.faults.calm()
        calm.set()
        await asyncio.wait_for(follower, 20)
        stored = await histories(logs[0])
        await asyncio.gather(feed.close(), *(log.close() for log in logs))

    assert_every_write_is_stored_as_often_as_its_caller_was_told(writes, stored)
    assert_histories_are_ones_that_the_decisions_allow(stored)
    assert_refusals_were_true(writes, stored)
    assert max(write.ended - write.began for write in writes) < timedelta(seconds=TIMEOUT + SLACK)
    assert Counter(event.id for event in seen) == Counter(event.id for events in stored.values() for event in events)
    assert [event.position for event in seen] == sorted(event.position for event in seen)
    outcomes = Counter(type(write.outcome).__name__ for write in writes)
    assert outcomes["Recorded"] > 5 * SECONDS, outcomes
    assert outcomes.keys() <= {"Recorded", "LogUnavailable", "OutcomeUnknown", "KeyExists", "KeyNotFound"}


async def histories(log: EventStoreDbLog) -> dict[str, list[Recorded]]:
    """Every key's events."""
    keys = [f"key {number}" for number in range(KEYS)]
    return {key: await history_of(log, key) for key in keys}


def assert_every_write_is_stored_as_often_as_its_caller_was_told(
    writes: Sequence[Write], stored: dict[str, list[Recorded]]
) -> None:
    found = Counter(event.id for events in stored.values() for event in events)
    for write in writes:
        match write.outcome:
            case Recorded(event, revision, position):
                there = stored[write.key][revision]
                assert (there.id, there.event, there.position) == (write.id, event, position)
                assert found[write.id] == 1
            case OutcomeUnknown():
                assert found[write.id] <= 1
            case _:
                assert found[write.id] == 0
    assert sum(found.values()) == sum(found[write.id] for write in writes)


def assert_histories_are_ones_that_the_decisions_allow(stored: dict[str, list[Recorded]]) -> None:
    for key, events in stored.items():
        last: Recorded | None = None
        for revision, recorded in enumerate(events):
            state = Recent(last).answer
            assert (recorded.revision, recorded.event.key) == (revision, key)
            assert isinstance(recorded.event, answers.AnswerCreated) == (state is None)
            last = recorded


def assert_refusals_were_true(writes: Sequence[Write], stored: dict[str, list[Recorded]]) -> None:
    """At some moment of the command the answer was there, or not there, as its caller was told."""
    for write in writes:
        if isinstance(write.outcome, KeyExists | KeyNotFound):
            states = states_between(write.began - CLOCK_ERROR, write.ended + CLOCK_ERROR, stored[write.key])
            assert isinstance(write.outcome, KeyExists) in states


def states_between(began: datetime, ended: datetime, events: Sequence[Recorded]) -> set[bool]:
    """Whether the answer was there, at all moments between two."""
    before = [event for event in events if event.time <= began]
    during = [event for event in events if began < event.time <= ended]
    first = Recent(before[-1] if before else None).answer is not None
    return {first, *(Recent(event).answer is not None for event in during)}
