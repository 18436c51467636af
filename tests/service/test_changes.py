"""Waiting for the read model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest.mock import patch
from uuid import uuid4

import pytest

from qaservice.domain.errors import ReadModelBehind
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.recorded import START
from qaservice.domain.tokens import Token
from qaservice.stores.sqlite.answers import SqliteAnswers
from qaservice.stores.sqlite.read_model import SqliteReadModel
from services.projection.changes import Changes
from services.projection.reads import Reads, Wish
from tests.given import a_key, eventually

pytestmark = pytest.mark.anyio


class CountingChanges(Changes):
    """Counts who was woken."""

    woken = 0

    async def of_key(self, key: str, since: Checkpoint, seconds: float) -> None:
        await super().of_key(key, since, seconds)
        self.woken += 1


class Model:
    """A read model that takes one document after the other."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.model = SqliteReadModel(None, timeout=5)
        self.changes = CountingChanges(self.model.answers())
        self.reads = Reads(self.model.answers(), self.changes)

    async def store(self, *documents: tuple[str, str | None]) -> None:
        applied = []
        for key, value in documents:
            self.checkpoint = replace(self.checkpoint, position=self.checkpoint.position + 1)
            applied.append(Document(key, value, self.checkpoint.position, self.checkpoint.position))
        assert await self.model.apply(applied, self.checkpoint)


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    made = Model(Checkpoint(uuid4(), 1, 0))
    await made.model.begin(made.checkpoint)
    yield made
    made.changes.close()
    await made.model.close()


def poll(model: Model, key: str, known: int, wait: int = 10) -> "asyncio.Task[object]":
    return asyncio.create_task(model.reads.read(key, Wish(known=lambda revision: revision == known, wait=wait)))


async def test_who_waits_is_woken_by_a_change_of_his_key_alone(model: Model) -> None:
    key = a_key()
    await model.store((key, "john"))
    waiting = poll(model, key, known=1)
    for _ in range(100):
        await model.store(*((a_key(), "x") for _ in range(100)))
        await asyncio.sleep(0)
    assert not waiting.done()
    await model.store((key, "jane"))
    found = await waiting
    assert found.document.value == "jane"  # type: ignore[attr-defined]
    assert model.changes.woken <= 2


async def test_who_waits_for_an_answer_that_does_not_exist_hears_of_its_creation(model: Model) -> None:
    key = a_key()
    waiting = poll(model, key, known=0)
    await asyncio.sleep(0)
    await model.store((key, "john"))
    assert (await waiting).document.value == "john"  # type: ignore[attr-defined]


async def test_who_waits_for_a_change_hears_of_the_deletion(model: Model) -> None:
    key = a_key()
    await model.store((key, "john"))
    waiting = poll(model, key, known=1)
    await asyncio.sleep(0)
    await model.store((key, None))
    assert (await waiting).document is None  # type: ignore[attr-defined]


async def test_at_the_end_of_the_wait_there_is_what_there_was(model: Model) -> None:
    key = a_key()
    await model.store((key, "john"))
    found = await poll(model, key, known=1, wait=0)
    assert found.document.revision == 1  # type: ignore[attr-defined]


async def test_after_a_look_that_failed_there_are_others(model: Model) -> None:
    """As where somebody else has put a document into the collection."""
    key = a_key()
    with patch.object(SqliteAnswers, "progress", side_effect=KeyError("build")) as look:
        waiting = poll(model, key, known=0)
        await eventually(lambda: look.call_count > 1)
        assert look.call_count < 10
    await model.store((key, "john"))
    async with asyncio.timeout(5):
        await waiting


async def test_nobody_polls_while_nobody_waits(model: Model) -> None:
    key = a_key()
    await model.store((key, "john"))
    waiting = poll(model, key, known=1)
    await eventually(lambda: model.changes._poller is not None)
    await model.store((key, "jane"))
    await waiting
    await eventually(lambda: model.changes._poller is None)


async def test_when_the_process_stops_every_wait_ends_at_once(model: Model) -> None:
    key = a_key()
    await model.store((key, "john"))
    ahead = Wish(at_least=Token(model.checkpoint.store, 1_000), wait=60)

    async def waits() -> None:
        with pytest.raises(ReadModelBehind):
            await model.reads.read(key, ahead)
        await poll(model, key, known=1, wait=60)

    waiting = [poll(model, key, known=1, wait=60), asyncio.create_task(waits())]
    await asyncio.sleep(0)
    model.changes.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
        await waits()


async def test_a_change_among_many_with_long_keys_is_heard_of(model: Model) -> None:
    keys = [f"{number:01024}" for number in range(1_500)]
    waiting = poll(model, keys[-1], known=0, wait=60)
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await model.store(*((key, "x") for key in keys))
        await waiting


@asynccontextmanager
async def somebody_who_waits(model: Model, checkpoint: Checkpoint) -> AsyncIterator[None]:
    """So that the poller runs; it has seen what there is now."""
    wish = Wish(at_least=Token(checkpoint.store, 1_000), wait=60)
    waiting = asyncio.create_task(model.reads.read(a_key(), wish))
    await eventually(lambda: model.changes._poller is not None)
    yield
    waiting.cancel()


async def looks_of_a_read(model: Model, checkpoint: Checkpoint) -> int:
    """How often a read looks that waits a second for what does not come."""
    wish = Wish(at_least=Token(checkpoint.store, 1_000), wait=1)
    with (
        patch.object(SqliteAnswers, "get", autospec=True, side_effect=SqliteAnswers.get) as looks,
        pytest.raises(ReadModelBehind),
    ):
        await model.reads.read(a_key(), wish)
    return looks.call_count


async def test_who_knows_of_a_build_that_the_poller_has_not_seen_end_waits_for_it(model: Model) -> None:
    building = Checkpoint(uuid4(), 2, 10, target=100)
    await model.model.begin(building)
    async with somebody_who_waits(model, building):
        await model.model.apply([], replace(building, position=150, target=None))
        assert await looks_of_a_read(model, building) < 50


async def test_who_knows_of_a_build_that_the_poller_has_not_seen_begin_waits_for_it(model: Model) -> None:
    async with somebody_who_waits(model, model.checkpoint):
        await model.model.begin(replace(model.checkpoint, build=2, position=START, target=100))
        assert await looks_of_a_read(model, model.checkpoint) < 50


async def test_who_knows_less_than_the_poller_lets_it_look_again(model: Model) -> None:
    """As when an older copy of the file was put in its place."""
    async with somebody_who_waits(model, model.checkpoint):
        model.changes._seen = replace(model.checkpoint, position=500)
        assert await looks_of_a_read(model, model.checkpoint) < 50


async def test_what_the_poller_saw_before_one_began_to_wait_is_not_missed(model: Model) -> None:
    key, before = a_key(), model.checkpoint
    async with somebody_who_waits(model, before):
        await model.store((key, "john"))
        await eventually(lambda: model.changes._seen == model.checkpoint)
        async with asyncio.timeout(5):
            await model.changes.of_key(key, before, 60)
            await model.changes.of_position(model.checkpoint.position, before, 60)


async def test_while_nothing_happens_the_poller_looks_less_and_less(model: Model) -> None:
    with patch.object(SqliteAnswers, "progress", autospec=True, side_effect=SqliteAnswers.progress) as looks:
        await looks_of_a_read(model, model.checkpoint)
    assert looks.call_count < 50
