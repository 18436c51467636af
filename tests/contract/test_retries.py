"""Commands that come again with the same idempotency key, on every log."""

import asyncio
from uuid import uuid4

import pytest

from qaservice.domain.errors import IdempotencyKeyReused, KeyNotFound, RevisionDiffers
from qaservice.domain.idempotency import WINDOW, Idempotency
from services.eventstore.ports import AnswerLog
from services.eventstore.service import Commands, Terms
from tests.given import a_key, history_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def commands(answer_log: AnswerLog) -> Commands:
    return Commands(answer_log, uuid4)


def again(value: str, key: str = "retry-1", caller: str | None = None) -> Terms:
    return Terms(retry=Idempotency(key, Idempotency.of(key, value).fingerprint, caller))


async def test_the_same_command_again_is_answered_by_its_first_event(commands: Commands, answer_log: AnswerLog) -> None:
    key = a_key()
    first = await commands.create(key, "john", again("john"))
    await commands.update(key, "jane")
    await commands.delete(key)
    second = await commands.create(key, "john", again("john"))
    assert (second.recorded.revision, second.recorded.position, second.store) == (
        0,
        first.recorded.position,
        first.store,
    )
    assert (first.replayed, second.replayed, len(await history_of(answer_log, key))) == (False, True, 3)


async def test_the_key_with_another_value_is_refused(commands: Commands, answer_log: AnswerLog) -> None:
    key = a_key()
    await commands.create(key, "john", again("john"))
    with pytest.raises(IdempotencyKeyReused):
        await commands.create(key, "jane", again("jane"))
    assert len(await history_of(answer_log, key)) == 1


async def test_a_key_counts_for_one_kind_of_command_one_caller_and_one_answer(commands: Commands) -> None:
    key, other = a_key(), a_key()
    await commands.create(key, "john", again("john"))
    assert not (await commands.update(key, "john", again("john"))).replayed
    assert not (await commands.update(key, "john", again("john", caller="ann"))).replayed
    assert not (await commands.create(other, "john", again("john"))).replayed
    assert (await commands.update(key, "john", again("john", caller="ann"))).replayed


async def test_a_replay_does_not_look_at_the_revision(commands: Commands) -> None:
    key = a_key()
    await commands.create(key, "john")
    terms = Terms(revisions=frozenset({0}), retry=again("jane").retry)
    await commands.update(key, "jane", terms)
    assert (await commands.update(key, "jane", terms)).replayed
    with pytest.raises(RevisionDiffers):
        await commands.update(key, "jane", Terms(revisions=frozenset({0})))


async def test_a_refused_command_is_not_remembered(commands: Commands) -> None:
    key = a_key()
    with pytest.raises(KeyNotFound):
        await commands.update(key, "jane", again("jane"))
    await commands.create(key, "john")
    assert not (await commands.update(key, "jane", again("jane"))).replayed


async def test_twins_at_the_same_time_are_one_event_and_two_equal_answers(
    commands: Commands, answer_log: AnswerLog
) -> None:
    key = a_key()
    answers = await asyncio.gather(*(commands.create(key, "john", again("john")) for _ in range(16)))
    assert {(answer.recorded.id, answer.recorded.position) for answer in answers} == {
        (answers[0].recorded.id, answers[0].recorded.position)
    }
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(await history_of(answer_log, key)) == 1


async def test_a_command_is_remembered_for_the_window_and_no_longer(commands: Commands) -> None:
    key = a_key()
    await commands.create(key, "john")
    await commands.update(key, "jane", again("jane"))
    for _ in range(WINDOW - 1):
        await commands.update(key, "x")
    assert (await commands.update(key, "jane", again("jane"))).replayed
    await commands.update(key, "x")
    assert not (await commands.update(key, "jane", again("jane"))).replayed


async def test_each_command_of_the_window_is_remembered(commands: Commands) -> None:
    key = a_key()
    await commands.create(key, "john", again("john", "retry-0"))
    for number in range(1, 40):
        await commands.update(key, "jane", again("jane", f"retry-{number}"))
    for number in range(1, 40):
        second = await commands.update(key, "jane", again("jane", f"retry-{number}"))
        assert (second.replayed, second.recorded.revision) == (True, number)


async def test_large_values_do_not_shorten_the_window(commands: Commands) -> None:
    key = a_key()
    await commands.create(key, "john", again("john"))
    for _ in range(20):
        await commands.update(key, "x" * 100_000)
    assert (await commands.create(key, "john", again("john"))).replayed
