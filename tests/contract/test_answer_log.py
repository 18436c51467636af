"""What every log does for the event store service."""

import asyncio
import random
import unicodedata
from uuid import uuid4

import pytest

from qaservice.domain.answers import Answer, AnswerCreated, AnswerDeleted, AnswerUpdated, Event, create, update
from qaservice.domain.errors import KeyExists, KeyNotFound, Refused
from qaservice.domain.recent import Recent
from services.eventstore.ports import AnswerLog
from services.projector.ports import EventFeed
from tests.given import a_key, appended, created, deleted, every_revision, history_of, updated

pytestmark = pytest.mark.anyio


async def test_the_first_revision_is_zero(answer_log: AnswerLog) -> None:
    assert (await created(answer_log, a_key())).revision == 0


async def test_revisions_go_on_over_delete_and_creation(answer_log: AnswerLog) -> None:
    key = a_key()
    await created(answer_log, key, "john")
    await updated(answer_log, key, "jane")
    await deleted(answer_log, key)
    await created(answer_log, key, "jack")
    history = await history_of(answer_log, key)
    assert [recorded.revision for recorded in history] == [0, 1, 2, 3]
    assert [recorded.event for recorded in history] == [
        AnswerCreated(key, "john"),
        AnswerUpdated(key, "jane"),
        AnswerDeleted(key),
        AnswerCreated(key, "jack"),
    ]


async def test_an_append_tells_what_the_log_then_holds(answer_log: AnswerLog) -> None:
    key, id_ = a_key(), uuid4()
    appended = await answer_log.append(
        key, lambda recent: create(recent.answer, key, "john"), id=id_, metadata={"actor": "a", "tags": ["é", 1]}
    )
    recorded = appended.recorded
    assert not appended.replayed
    assert recorded.id == id_
    assert recorded.metadata == {"actor": "a", "tags": ["é", 1]}
    assert await answer_log.last(key) == recorded
    assert await history_of(answer_log, key) == [recorded]


async def test_an_append_names_the_log(answer_log: AnswerLog, feed: EventFeed) -> None:
    key = a_key()
    appended = await answer_log.append(key, lambda recent: create(recent.answer, key, "john"), id=uuid4(), metadata={})
    assert appended.store == await feed.store_id()


async def test_a_decision_for_what_was_recorded_before_appends_nothing(answer_log: AnswerLog) -> None:
    key = a_key()
    first = await created(answer_log, key)
    again = await answer_log.append(key, lambda recent: first, id=uuid4(), metadata={})
    assert again.replayed
    assert again.recorded == first
    assert await history_of(answer_log, key) == [first]


async def test_a_decision_sees_the_answers_last_event(answer_log: AnswerLog) -> None:
    key = a_key()
    seen: list[Recent] = []

    def decide(recent: Recent) -> Event:
        seen.append(recent)
        return update(recent.answer, key, "jane") if recent.answer else create(recent.answer, key, "john")

    first = await appended(answer_log, key, decide)
    await appended(answer_log, key, decide)
    assert seen[0].last is None
    assert seen[-1].last == first
    assert seen[-1].answer == Answer(key, "john")


async def test_of_an_unknown_key_there_is_nothing(answer_log: AnswerLog) -> None:
    assert await answer_log.last(a_key()) is None
    assert await history_of(answer_log, a_key()) == []


async def test_a_refused_decision_stores_nothing(answer_log: AnswerLog) -> None:
    key, other = a_key(), a_key()
    first = await created(answer_log, key)
    with pytest.raises(KeyExists):
        await created(answer_log, key, "jane")
    with pytest.raises(KeyNotFound):
        await updated(answer_log, other)
    assert await history_of(answer_log, key) == [first]
    assert await history_of(answer_log, other) == []


async def test_what_a_decision_raises_comes_out_as_it_is(answer_log: AnswerLog) -> None:
    fault = ZeroDivisionError("a fault of the decision")

    def decide(recent: Recent) -> Event:
        raise fault

    with pytest.raises(ZeroDivisionError) as raised:
        await appended(answer_log, a_key(), decide)
    assert raised.value is fault


async def test_a_refusal_is_its_commands_alone(answer_log: AnswerLog) -> None:
    taken = a_key()
    await created(answer_log, taken)
    keys = [a_key() for _ in range(30)]
    outcomes = await asyncio.gather(
        *(created(answer_log, key) for pair in zip(keys, [taken] * 30, strict=True) for key in pair),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[1::2]] == [KeyExists] * 30
    for key, outcome in zip(keys, outcomes[::2], strict=True):
        assert await history_of(answer_log, key) == [outcome]


async def test_of_twenty_racing_creators_one_wins(answer_log: AnswerLog) -> None:
    key = a_key()
    racing = (created(answer_log, key, f"value {number}") for number in range(20))
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    winners = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert sum(isinstance(outcome, KeyExists) for outcome in outcomes) == 19
    assert await history_of(answer_log, key) == winners


async def test_racing_updates_of_one_key_all_succeed_in_consecutive_revisions(answer_log: AnswerLog) -> None:
    key = a_key()
    first = await created(answer_log, key)
    outcomes = await asyncio.gather(*(updated(answer_log, key, f"value {number}") for number in range(64)))
    history = await history_of(answer_log, key)
    assert [recorded.revision for recorded in history] == list(range(65))
    assert history == [first, *sorted(outcomes, key=lambda recorded: recorded.revision)]


async def test_a_cancelled_append_is_there_whole_or_not_at_all(answer_log: AnswerLog) -> None:
    key = a_key()
    await created(answer_log, key)
    tasks = [asyncio.create_task(updated(answer_log, key, f"value {number}")) for number in range(200)]
    for task in random.sample(tasks, 100):
        await asyncio.sleep(0)
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    history = await history_of(answer_log, key)
    assert [recorded.revision for recorded in history] == list(range(len(history)))
    values = [recorded.event for recorded in history]
    assert all(values.count(outcome.event) == 1 for outcome in outcomes if not isinstance(outcome, BaseException))


async def test_a_history_may_be_left_early(answer_log: AnswerLog) -> None:
    key = a_key()
    await created(answer_log, key)
    await asyncio.gather(*(updated(answer_log, key) for _ in range(400)))
    pages = answer_log.history(key, await every_revision(answer_log, key))
    assert (await anext(pages))[0].revision == 0
    await pages.aclose()
    assert (await updated(answer_log, key)).revision == 401


async def test_recorded_time_never_runs_backwards(answer_log: AnswerLog) -> None:
    keys = [a_key() for _ in range(3)]
    recorded = [await created(answer_log, key) for key in keys] + [await updated(answer_log, key) for key in keys]
    in_order = sorted(recorded, key=lambda one: one.position)
    times = [one.time for one in in_order]
    assert times == sorted(times)
    assert all(time.utcoffset() is not None for time in times)


@pytest.mark.parametrize(
    "text", ["a b", "a/b?c#d", "%2F", "日本", "🙂", "\u2028", "'\"\\", "..a", "$ne", "A", "ﬀ", "ı"]
)
async def test_any_text_comes_back_as_it_was(answer_log: AnswerLog, text: str) -> None:
    key = a_key() + text
    recorded = await created(answer_log, key, text)
    assert recorded.event == AnswerCreated(key, text)
    assert await answer_log.last(key) == recorded


@pytest.mark.parametrize(
    "value", ["\0", "a\0b", "\r\n\t\b", "".join(map(chr, range(0x20))), "\x7f\x80", "\ufeff", "v" * 524_288]
)
async def test_any_value_comes_back_as_it_was(answer_log: AnswerLog, value: str) -> None:
    key = a_key()
    await created(answer_log, key, value)
    assert [recorded.event for recorded in await history_of(answer_log, key)] == [AnswerCreated(key, value)]


async def test_keys_that_look_alike_are_different(answer_log: AnswerLog) -> None:
    stem = a_key()
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    keys = [stem + end for end in ["", " ", "a", "A", composed, decomposed, "%61", "_", "-"]] + [stem[:-1]]
    for number, key in enumerate(keys):
        await created(answer_log, key, f"value {number}")
    for number, key in enumerate(keys):
        assert [one.event for one in await history_of(answer_log, key)] == [AnswerCreated(key, f"value {number}")]


async def test_a_log_that_works_passes_its_check(answer_log: AnswerLog) -> None:
    await answer_log.check()


async def test_a_refusal_raised_many_times_at_once_is_every_callers_own(answer_log: AnswerLog) -> None:
    outcomes = await asyncio.gather(*(deleted(answer_log, a_key()) for _ in range(20)), return_exceptions=True)
    assert len({id(outcome) for outcome in outcomes}) == 20
    assert all(isinstance(outcome, Refused) for outcome in outcomes)
