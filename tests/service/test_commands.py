"""The commands, on the embedded log."""

from collections.abc import AsyncIterator
from itertools import product
from uuid import UUID, uuid4

import pytest

from qaservice.domain.answers import Answer, AnswerDeleted, AnswerUpdated
from qaservice.domain.errors import KeyExists, KeyNotFound, MustNotExist, Refused, RevisionDiffers
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import Recorded
from qaservice.stores.sqlite.log import SqliteLog
from services.eventstore.service import Commands, Terms
from tests.given import a_key, history_of

pytestmark = pytest.mark.anyio

SEQUENCES = [sequence for length in range(1, 7) for sequence in product(("create", "update", "delete"), repeat=length)]


@pytest.fixture
async def log() -> AsyncIterator[SqliteLog]:
    log = SqliteLog(None, timeout=5)
    yield log
    await log.close()


@pytest.fixture
def commands(log: SqliteLog) -> Commands:
    return Commands(log, uuid4)


async def commanded(commands: Commands, command: str, key: str, value: str) -> Recorded | Refused:
    try:
        if command == "delete":
            return (await commands.delete(key)).recorded
        return (await (commands.create if command == "create" else commands.update)(key, value)).recorded
    except Refused as refusal:
        return refusal


async def test_every_sequence_of_commands_does_what_a_key_with_a_value_would(
    commands: Commands, log: SqliteLog
) -> None:
    for sequence in SEQUENCES:
        key = a_key()
        model: str | None = None
        allowed = []
        for number, command in enumerate(sequence):
            if (model is None) == (command == "create"):
                model = None if command == "delete" else str(number)
                allowed.append(number)
            outcome = await commanded(commands, command, key, str(number))
            assert isinstance(outcome, Recorded) == (number in allowed), sequence
        last = await log.last(key)
        assert Recent(last).answer == (None if model is None else Answer(key, model)), sequence
        assert len(await history_of(log, key)) == len(allowed), sequence


async def test_what_was_recorded_is_told(commands: Commands, log: SqliteLog) -> None:
    key = a_key()
    await commands.create(key, "john")
    assert (await commands.update(key, "john")).recorded.event == AnswerUpdated(key, "john")
    assert (await commands.delete(key)).recorded.event == AnswerDeleted(key)
    assert [recorded.revision for recorded in await history_of(log, key)] == [0, 1, 2]


async def test_a_refusal_names_the_answers_present_revision(commands: Commands) -> None:
    key = a_key()
    with pytest.raises(KeyNotFound) as never_created:
        await commands.update(key, "john")
    await commands.create(key, "john")
    await commands.update(key, "jane")
    with pytest.raises(KeyExists) as exists:
        await commands.create(key, "jack")
    await commands.delete(key)
    with pytest.raises(KeyNotFound) as deleted:
        await commands.delete(key)
    assert [refused.value.revision for refused in (never_created, exists, deleted)] == [None, 1, 2]


async def test_a_command_on_terms_of_other_revisions_is_refused(commands: Commands, log: SqliteLog) -> None:
    key = a_key()
    await commands.create(key, "john")
    for command in (
        commands.update(key, "jane", Terms(revisions=frozenset({1, 2}))),
        commands.delete(key, Terms(revisions=frozenset())),
    ):
        with pytest.raises(RevisionDiffers) as refused:
            await command
        assert refused.value.revision == 0
    assert (await commands.update(key, "jane", Terms(revisions=frozenset({0, 7})))).recorded.revision == 1


async def test_where_there_is_no_answer_its_absence_is_said_whatever_the_terms(commands: Commands) -> None:
    with pytest.raises(KeyNotFound):
        await commands.update(a_key(), "jane", Terms(revisions=frozenset({0})))


async def test_a_creation_that_knows_of_no_answer_is_told_so(commands: Commands) -> None:
    key = a_key()
    terms = Terms(must_not_exist=True)
    assert (await commands.create(key, "john", terms)).recorded.revision == 0
    with pytest.raises(MustNotExist) as refused:
        await commands.create(key, "jane", terms)
    assert refused.value.revision == 0


async def test_each_command_has_an_id_of_its_own(log: SqliteLog) -> None:
    ids = iter([UUID(int=1), UUID(int=2)])
    commands = Commands(log, lambda: next(ids))
    assert [(await commands.create(a_key(), "john")).recorded.id for _ in range(2)] == [UUID(int=1), UUID(int=2)]
