"""What every read model does for the projector and for readers."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from qaservice.domain.readmodel import Checkpoint, Document, Snapshot
from qaservice.domain.recorded import START
from services.projection.ports import Answers
from services.projector.ports import ReadModel
from tests.given import a_key

pytestmark = pytest.mark.anyio

Model = tuple[ReadModel, Answers]

STORE = UUID("6a1f3f64-6f0f-4f3a-9f44-0d6d1f0c9a11")
FIRST = Checkpoint(STORE, build=1, position=START, target=50)
SECOND = replace(FIRST, build=2)


def at(position: int, build: int = 1, target: int | None = 50) -> Checkpoint:
    """The checkpoint after the event at `position`."""
    return Checkpoint(STORE, build, position, position, UUID(int=position), target)


def document(key: str, revision: int, value: str | None = "john") -> Document:
    return Document(key, value, revision, position=revision + 1)


async def begun(read_model: Model) -> Model:
    assert await read_model[0].begin(FIRST)
    return read_model


async def stored(answers: Answers, key: str) -> Document | None:
    return (await answers.get(key)).document


async def test_before_the_first_build_there_is_nothing(read_model: Model) -> None:
    model, answers = read_model
    assert await model.checkpoint() is None
    assert await answers.checkpoint() is None
    assert await answers.get(a_key()) == Snapshot(None, None)
    assert await answers.progress([a_key()]) == (None, {})


async def test_a_begun_build_shows_in_the_checkpoint(read_model: Model) -> None:
    model, answers = await begun(read_model)
    assert await model.checkpoint() == FIRST
    assert await answers.checkpoint() == FIRST
    assert await answers.get(a_key()) == Snapshot(None, FIRST)


async def test_a_build_is_begun_once(read_model: Model) -> None:
    model, _ = read_model
    outcomes = await asyncio.gather(*(model.begin(replace(FIRST, target=number)) for number in range(10)))
    assert sorted(outcomes) == [False] * 9 + [True]
    checkpoint = await model.checkpoint()
    assert checkpoint == replace(FIRST, target=outcomes.index(True))


async def test_only_a_newer_build_takes_the_place_of_one(read_model: Model) -> None:
    model, _ = read_model
    assert await model.begin(SECOND)
    assert not await model.begin(FIRST)
    assert not await model.begin(replace(SECOND, store=uuid4()))
    assert await model.checkpoint() == SECOND
    assert await model.begin(replace(FIRST, build=3))


async def test_nothing_is_applied_before_a_build_was_begun(read_model: Model) -> None:
    model, answers = read_model
    key = a_key()
    assert not await model.apply([document(key, 0)], at(1))
    assert await answers.get(key) == Snapshot(None, None)


async def test_a_document_comes_with_the_checkpoint_it_belongs_to(read_model: Model) -> None:
    model, answers = await begun(read_model)
    key = a_key()
    assert await model.apply([document(key, 0)], at(1))
    assert await answers.get(key) == Snapshot(document(key, 0), at(1))


async def test_progress_tells_of_no_document_that_cannot_be_read(read_model: Model) -> None:
    model, answers = await begun(read_model)
    key = a_key()
    assert await model.apply([document(key, 0), document(a_key(), 0)], at(1))
    checkpoint, positions = await answers.progress([key, a_key()])
    assert checkpoint == at(1)
    assert positions in ({}, {key: document(key, 0).position})


async def test_a_checkpoint_comes_back_as_it_was(read_model: Model) -> None:
    model, answers = await begun(read_model)
    whole = replace(at(3, target=None), confirmed=datetime(2025, 1, 2, 3, 4, 5, 678_000, UTC))
    assert await model.apply([], whole)
    assert await model.checkpoint() == whole
    assert await answers.checkpoint() == whole


@pytest.mark.parametrize("revision", [0, 1, 2])
async def test_a_stored_document_yields_to_a_higher_revision_alone(read_model: Model, revision: int) -> None:
    model, answers = await begun(read_model)
    key = a_key()
    await model.apply([document(key, 1)], at(2))
    assert await model.apply([document(key, revision, "jane")], at(2))
    assert await stored(answers, key) == (document(key, 2, "jane") if revision == 2 else document(key, 1))


async def test_a_deleted_answer_is_kept_as_one_that_an_older_event_cannot_revive(read_model: Model) -> None:
    model, answers = await begun(read_model)
    key = a_key()
    await model.apply([document(key, 3, None)], at(4))
    await model.apply([document(key, 2)], at(4))
    assert await stored(answers, key) == document(key, 3, None)


async def test_a_deleted_answer_is_there_again_after_a_later_creation(read_model: Model) -> None:
    model, answers = await begun(read_model)
    key = a_key()
    await model.apply([document(key, 3, None)], at(4))
    await model.apply([document(key, 4)], at(5))
    assert await stored(answers, key) == document(key, 4)


async def test_a_batch_applied_again_changes_nothing(read_model: Model) -> None:
    model, answers = await begun(read_model)
    keys = [a_key() for _ in range(20)]
    batch = [document(key, number) for number, key in enumerate(keys)]
    for _ in range(2):
        assert await model.apply(batch, at(20))
    assert [await stored(answers, key) for key in keys] == batch
    assert await model.checkpoint() == at(20)


async def test_the_checkpoint_moves_up_alone(read_model: Model) -> None:
    model, _ = await begun(read_model)
    await model.apply([], at(7))
    assert await model.apply([], at(6))
    assert await model.checkpoint() == at(7)
    await model.apply([], at(8))
    assert await model.checkpoint() == at(8)


async def test_of_an_older_build_nothing_is_applied(read_model: Model) -> None:
    model, answers = await begun(read_model)
    key = a_key()
    await model.begin(SECOND)
    assert not await model.apply([document(key, 9)], at(10))
    assert await answers.get(key) == Snapshot(None, SECOND)


async def test_a_newer_builds_document_replaces_an_older_ones_of_any_revision(read_model: Model) -> None:
    model, answers = await begun(read_model)
    key = a_key()
    await model.apply([document(key, 9)], at(10))
    await model.begin(SECOND)
    assert await model.apply([document(key, 0, "jane")], at(1, build=2))
    assert await stored(answers, key) == document(key, 0, "jane")


async def test_what_older_builds_left_goes_when_a_build_is_complete(read_model: Model) -> None:
    model, answers = await begun(read_model)
    gone, kept = a_key(), a_key()
    await model.apply([document(gone, 0), document(kept, 0)], at(2, target=None))
    await model.begin(SECOND)
    await model.apply([document(kept, 0, "jane")], at(1, build=2))
    assert await stored(answers, gone) == document(gone, 0)
    assert await model.apply([], at(50, build=2, target=None))
    assert await stored(answers, gone) is None
    assert await stored(answers, kept) == document(kept, 0, "jane")


async def test_a_complete_build_stays_complete(read_model: Model) -> None:
    model, _ = await begun(read_model)
    await model.apply([], at(50, target=None))
    assert await model.apply([], at(50, target=60))
    checkpoint = await model.checkpoint()
    assert checkpoint is not None
    assert checkpoint.target is None


async def test_the_moment_at_which_nothing_was_missing_goes_back_with_the_clock(read_model: Model) -> None:
    model, _ = await begun(read_model)
    late, early = datetime(2025, 1, 1, 12, 0, 1, tzinfo=UTC), datetime(2025, 1, 1, 12, 0, 0, 5000, UTC)
    for confirmed in (late, early, None):
        assert await model.apply([], replace(at(50, target=None), confirmed=confirmed))
    checkpoint = await model.checkpoint()
    assert checkpoint is not None
    assert checkpoint.confirmed == early


async def test_projectors_at_once_move_no_document_back(read_model: Model) -> None:
    """In the end it would be the newest in any case, since each of them ends with that: so they look on the way."""
    model, answers = await begun(read_model)
    key = a_key()
    documents = [document(key, revision, random.choice(["john", "jane", None])) for revision in range(200)]
    reached = 0

    async def project(sizes: Sequence[int]) -> None:
        nonlocal reached
        last = -1
        while last < 199:
            last = min(last + random.choice(sizes), 199)
            assert await model.apply([documents[last]], at(documents[last].position, target=None))
            before = reached
            found = await stored(answers, key)
            assert found is not None
            assert found.revision >= before
            reached = max(reached, found.revision)

    await asyncio.gather(project([1, 2, 3]), project([5, 20]), project([200]))
    assert await stored(answers, key) == documents[-1]
    assert await model.checkpoint() == at(documents[-1].position, target=None)


@pytest.mark.parametrize("text", ["\0", "日本", "🙂", "\u2028", "'\"\\", "$ne", "a.b", "v" * 524_288])
async def test_any_value_comes_back_as_it_was(read_model: Model, text: str) -> None:
    model, answers = await begun(read_model)
    key = a_key() + text[:10].replace("\0", "")
    await model.apply([document(key, 0, text)], at(1))
    assert await stored(answers, key) == document(key, 0, text)
