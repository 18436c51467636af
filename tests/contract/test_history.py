"""Parts of a history, and an answer as it was, over every log."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from qaservice.domain.answers import AnswerDeleted, evolve
from qaservice.domain.codec import value_of
from qaservice.domain.errors import KeyNotFound, LogUnavailable
from qaservice.domain.recorded import Recorded
from services.eventstore.as_of import at_moment, at_revision
from services.eventstore.ports import AnswerLog
from tests.given import a_key, created, deleted, history_of, updated

pytestmark = pytest.mark.anyio

LENGTH = 600
MOMENT = timedelta(microseconds=1)


async def an_answer(log: AnswerLog, updates: int) -> str:
    key = a_key()
    await created(log, key)
    for number in range(updates):
        await updated(log, key, f"{number}")
    return key


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


async def test_each_revision_is_found_and_no_other(answer_log: AnswerLog) -> None:
    key = a_key()
    stored = [await created(answer_log, key), await deleted(answer_log, key), await created(answer_log, key, "jack")]
    assert [await answer_log.at(key, revision) for revision in range(3)] == stored
    assert [await answer_log.at(key, revision) for revision in (3, 4, 300, 10**18 - 1)] == [None] * 4
    assert [await answer_log.at(a_key(), revision) for revision in (0, 10)] == [None] * 2


async def test_a_stretch_of_a_history_comes_whole_and_in_its_order(answer_log: AnswerLog) -> None:
    key = await an_answer(answer_log, LENGTH - 1)
    every = await history_of(answer_log, key)
    assert [recorded.revision for recorded in every] == list(range(LENGTH))
    fixed = [range(LENGTH), range(LENGTH)[::-1], range(0), range(1), range(LENGTH - 1, LENGTH), range(255, 513)]
    drawn = [range(*sorted(random.choices(range(LENGTH), k=2)))[:: random.choice([1, -1])] for _ in range(10)]
    for revisions in fixed + drawn:
        found = [recorded async for page in answer_log.history(key, revisions) for recorded in page]
        assert found == [every[revision] for revision in revisions], revisions


@pytest.mark.parametrize("step", [1, -1])
async def test_a_history_of_large_values_comes_in_small_pages(answer_log: AnswerLog, step: int) -> None:
    key = a_key()
    values = [letter * 400_000 for letter in "abcdefgh"]
    await created(answer_log, key, values[0])
    for value in values[1:]:
        await updated(answer_log, key, value)
    pages = [page async for page in answer_log.history(key, range(8)[::step])]
    assert max(len(page) for page in pages) <= 4
    assert [value_of(one.event) for page in pages for one in page] == values[::step]


async def test_a_history_that_is_not_there_whole_does_not_end_as_if_it_were(answer_log: AnswerLog) -> None:
    key = await an_answer(answer_log, 4)
    for revisions in (range(7), range(9, 3, -1)):
        with pytest.raises(LogUnavailable):
            _ = [page async for page in answer_log.history(key, revisions)]


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

    async def counted(log: AnswerLog, key: str, revision: int) -> Recorded | None:
        nonlocal reads
        reads += 1
        return await at(log, key, revision)

    monkeypatch.setattr(type(answer_log), "at", counted)
    assert (await at_moment(answer_log, key, first.time)).time == first.time
    assert reads <= 9
