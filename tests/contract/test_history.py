"""Parts of a history, and an answer as it was, over every log."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from qaservice.domain.answers import AnswerDeleted, evolve
from qaservice.domain.codec import value_of
from qaservice.domain.errors import KeyNotFound
from qaservice.domain.recorded import Recorded
from services.eventstore.as_of import at_moment, at_revision
from services.eventstore.ports import AnswerLog
from tests.given import a_key, created, deleted, history_of, updated

pytestmark = pytest.mark.anyio

MOMENT = timedelta(microseconds=1)


async def an_answer(log: AnswerLog, updates: int) -> str:
    key = a_key()
    await created(log, key)
    for number in range(updates):
        await updated(log, key, f"{number}")
    return key


async def revisions(
    log: AnswerLog, key: str, first: int, last: int | None = None, *, newest_first: bool = False
) -> list[int]:
    pages = log.history(key, first, last, newest_first=newest_first)
    return [recorded.revision async for page in pages for recorded in page]


async def a_life(log: AnswerLog) -> tuple[str, list[Recorded]]:
    """An answer that was created, changed and deleted at random, and its history."""
    key = a_key()
    exists = False
    for _ in range(30):
        if not exists:
            await created(log, key)
        else:
            await random.choice((updated, updated, deleted))(log, key)
        exists = not isinstance((await history_of(log, key))[-1].event, AnswerDeleted)
    return key, await history_of(log, key)


def replayed(history: Sequence[Recorded]) -> str | None:
    """The value after these events."""
    state = None
    for recorded in history:
        state = evolve(state, recorded.event)
    return None if state is None else state.value


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_part_of_a_history_is_what_lies_between_its_bounds(answer_log: AnswerLog, newest_first: bool) -> None:
    key = await an_answer(answer_log, 9)
    for first, last in ((0, None), (3, None), (0, 4), (3, 7), (9, 9), (9, None), (0, 0), (0, 99), (10, None), (5, 4)):
        expected = list(range(first, min(9, 9 if last is None else last) + 1))
        found = await revisions(answer_log, key, first, last, newest_first=newest_first)
        assert found == (expected[::-1] if newest_first else expected), (first, last)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_part_may_be_longer_than_a_page(answer_log: AnswerLog, newest_first: bool) -> None:
    key = await an_answer(answer_log, 600)
    expected = list(range(50, 591))
    found = await revisions(answer_log, key, 50, 590, newest_first=newest_first)
    assert found == (expected[::-1] if newest_first else expected)


async def test_an_event_is_found_by_its_revision(answer_log: AnswerLog) -> None:
    key = await an_answer(answer_log, 5)
    for recorded in await history_of(answer_log, key):
        assert await answer_log.at(key, recorded.revision) == recorded


async def test_an_answer_at_a_revision_is_what_replaying_to_it_gives(answer_log: AnswerLog) -> None:
    key, history = await a_life(answer_log)
    for revision in range(len(history) + 2):
        value = replayed(history[: revision + 1]) if revision < len(history) else None
        if value is None:
            with pytest.raises(KeyNotFound):
                await at_revision(answer_log, key, revision)
        else:
            found = await at_revision(answer_log, key, revision)
            assert (found.revision, value_of(found.event)) == (revision, value)


async def test_an_answer_at_a_moment_is_what_replaying_to_it_gives(answer_log: AnswerLog) -> None:
    key, history = await a_life(answer_log)
    moments = {recorded.time + shift for recorded in history for shift in (-MOMENT, 0 * MOMENT, MOMENT)}
    for moment in moments | {datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)}:
        before = [recorded for recorded in history if recorded.time <= moment]
        value = replayed(before)
        if value is None:
            with pytest.raises(KeyNotFound):
                await at_moment(answer_log, key, moment)
        else:
            found = await at_moment(answer_log, key, moment)
            assert (found.revision, value_of(found.event)) == (len(before) - 1, value)


async def test_an_answer_that_never_was_was_not_there_at_any_time(answer_log: AnswerLog) -> None:
    with pytest.raises(KeyNotFound):
        await at_revision(answer_log, a_key(), 0)
    with pytest.raises(KeyNotFound):
        await at_moment(answer_log, a_key(), datetime.now(UTC))


async def test_looking_back_takes_few_reads(answer_log: AnswerLog, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await an_answer(answer_log, 300)
    first = (await history_of(answer_log, key))[0]
    reads, at = 0, type(answer_log).at

    async def counted(log: AnswerLog, key: str, revision: int) -> Recorded:
        nonlocal reads
        reads += 1
        return await at(log, key, revision)

    monkeypatch.setattr(type(answer_log), "at", counted)
    assert (await at_moment(answer_log, key, first.time)).time == first.time
    assert reads <= 9
