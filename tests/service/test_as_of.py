"""An answer as it is; and any history, at any moment: the answer is what a replay by hand gives."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaservice.domain.answers import Answer, evolve
from qaservice.domain.errors import KeyNotFound, Refused
from qaservice.domain.recent import Recent
from qaservice.stores.sqlite import commit
from qaservice.stores.sqlite.log import SqliteLog
from services.eventstore.as_of import at_moment, at_revision, current
from tests.given import a_key, created, deleted, history_of, updated

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


class Clock:
    """Goes on only as it is told, and may stand still or go back."""

    def __init__(self) -> None:
        self.ticks = 0

    def time_ns(self) -> int:
        return int(BEGIN.timestamp()) * 10**9 + self.ticks * 1000


async def differences(steps: Sequence[tuple[str, int]]) -> list[object]:
    """The revisions and moments at which what is found is not what a replay gives."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit, "time", clock)
        log = SqliteLog(None, timeout=5)
        for name, ticks in steps:
            clock.ticks += ticks
            try:
                await {"create": created, "update": updated, "delete": deleted}[name](log, "name")
            except Refused:
                continue
        history = await history_of(log, "name")
        moments = [BEGIN + TICK * ticks for ticks in range(-3, clock.ticks + 3)]
        states = dict.fromkeys([*moments, len(history)])
        answer = None
        for recorded in history:
            answer = evolve(answer, recorded.event)
            state = answer and (answer, recorded.revision)
            states |= {recorded.revision: state} | {m: state for m in moments if m >= recorded.time}
        wrong = [when for when, state in states.items() if await found(log, when) != state]
        await log.close()
        return wrong


async def found(log: SqliteLog, when: int | datetime) -> tuple[Answer | None, int] | None:
    try:
        search = at_revision(log, "name", when) if isinstance(when, int) else at_moment(log, "name", when)
        recorded = await search
    except KeyNotFound:
        return None
    return Recent(recorded).answer, recorded.revision


@given(st.lists(st.tuples(st.sampled_from(["create", "update", "delete"]), st.integers(-2, 4)), max_size=40))
@settings(deadline=None, max_examples=60)
def test_an_answer_as_it_was_is_what_a_replay_gives(steps: list[tuple[str, int]]) -> None:
    assert asyncio.run(differences(steps)) == []


@pytest.fixture
async def log() -> AsyncIterator[SqliteLog]:
    log = SqliteLog(None, timeout=5)
    yield log
    await log.close()


@pytest.mark.anyio
async def test_the_current_event_holds_the_answer(log: SqliteLog) -> None:
    key = a_key()
    await created(log, key)
    last = await updated(log, key)
    assert await current(log, key) == last


@pytest.mark.anyio
async def test_without_an_answer_there_is_no_current_event(log: SqliteLog) -> None:
    key = a_key()
    with pytest.raises(KeyNotFound):
        await current(log, key)
    await created(log, key)
    await deleted(log, key)
    with pytest.raises(KeyNotFound):
        await current(log, key)
