"""A batch's documents are in MongoDB before the checkpoint says so: who waits for one need not wait for that too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from qaservice.domain.errors import ReadModelBehind
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.tokens import Token
from services.projection.changes import Changes
from services.projection.reads import Found, Reads, Wish
from tests.contract.mongodb_wired import END, FIRST, SECOND, Wired, writes_documents
from tests.given import eventually
from tests.standins.mongodb_proxy import Command, Forward

pytestmark = pytest.mark.anyio

AHEAD = Document("a", "new", 0, END)


class CountingChanges(Changes):
    """Counts who was woken."""

    woken = 0

    async def of_position(self, *args: object, **options: object) -> None:
        await super().of_position(*args, **options)  # type: ignore[arg-type]  # passed on as they came
        self.woken += 1


@pytest.fixture
def changes(mongo: Wired) -> CountingChanges:
    return CountingChanges(mongo.answers)


@asynccontextmanager
async def stored_but_for_the_checkpoint(mongo: Wired, before: Checkpoint) -> AsyncIterator[None]:
    """A batch with AHEAD on its way: the server hangs when the checkpoint is to move."""

    async def hangs(command: Command, forward: Forward) -> Command:
        if "update" in command and not writes_documents(command):
            await asyncio.Event().wait()
        return await forward(command)

    await mongo.model.begin(before)
    mongo.proxy.fault = hangs
    applying = asyncio.create_task(mongo.patient.apply([AHEAD], replace(before, position=END, target=None)))
    try:
        await eventually(lambda: "a" in mongo.stored.revisions())
        yield
        assert mongo.stored.position() == before.position
    finally:
        applying.cancel()


async def read(mongo: Wired, changes: Changes, wait: int = 1) -> Found:
    """With the token of the write of AHEAD."""
    return await Reads(mongo.answers, changes).read("a", Wish(at_least=Token(FIRST.store, END), wait=wait))


async def test_a_document_ends_the_wait_for_it_before_the_checkpoint_moves(
    mongo: Wired, changes: CountingChanges
) -> None:
    complete = replace(FIRST, target=None)
    await mongo.model.begin(complete)
    waiting = asyncio.create_task(read(mongo, changes, wait=60))
    await eventually(lambda: bool(changes._for_position))
    async with stored_but_for_the_checkpoint(mongo, complete):
        async with asyncio.timeout(10):
            assert (await waiting).document == AHEAD


async def test_a_document_of_a_build_that_is_not_complete_ends_no_wait(mongo: Wired, changes: CountingChanges) -> None:
    async with stored_but_for_the_checkpoint(mongo, FIRST):
        with pytest.raises(ReadModelBehind):
            await read(mongo, changes)
    assert changes.woken == 1


async def test_a_document_of_an_older_build_ends_no_wait(mongo: Wired, changes: CountingChanges) -> None:
    of_old, of_new = replace(FIRST, target=None), replace(SECOND, target=None)
    await mongo.model.begin(of_old)
    await mongo.model.apply([], of_old)
    await mongo.other.begin(of_new)
    # It learns too late that it is overtaken.
    assert not await mongo.model.apply([AHEAD], replace(of_old, position=END))
    with pytest.raises(ReadModelBehind):
        await read(mongo, changes)
    assert changes.woken == 1
