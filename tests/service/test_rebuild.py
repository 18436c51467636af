"""The projector when the log is another one than before, holds what can't be read, or the read model is gone."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import START, Batch, Position
from services.projector.service import Projector
from tests.contract.sqlite_given import query
from tests.given import a_key, created, deleted, eventually, remove, updated
from tests.service.conftest import Stores, has_followed, running
from tests.service.faults import Faults, FaultyFeed, FaultyModel

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("looking_often")]


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    stores = Stores(tmp_path)
    await stores.log.check()
    yield stores
    await stores.close()


def projector_of(stores: Stores) -> Projector:
    return Projector(stores.feed, stores.model, lambda count: None)


async def project(stores: Stores) -> Projector:
    """Bring the read model up to the log's end."""
    projector = projector_of(stores)
    async with running(projector):
        await has_followed(projector, stores)
    return projector


async def checkpoint_of(stores: Stores) -> Checkpoint:
    checkpoint = await stores.answers.checkpoint()
    assert checkpoint is not None
    return checkpoint


def backup(folder: Path) -> Path:
    query(folder / "events.sqlite", f"VACUUM INTO '{folder / 'backup.sqlite'}'")
    return folder / "backup.sqlite"


@asynccontextmanager
async def another_log(stores: Stores, folder: Path) -> AsyncIterator[Stores]:
    """The same read model beside another log, which holds one event."""
    await stores.close()
    remove(folder / "events.sqlite")
    replaced = Stores(folder)
    await created(replaced.log, a_key())
    yield replaced
    await replaced.close()


def put_back(copy: Path) -> None:
    """Replace the log, which is closed, by a copy."""
    log = copy.with_name("events.sqlite")
    remove(log)
    os.replace(copy, log)


async def test_the_first_build_says_why(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    await created(stores.log, a_key())
    await project(stores)
    assert "building the read model from the start: the read model is empty" in caplog.text


async def test_a_restart_goes_on_where_it_was(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    await created(stores.log, a_key())
    await project(stores)
    build = (await checkpoint_of(stores)).build
    caplog.clear()
    await created(stores.log, a_key())
    await project(stores)
    assert "building" not in caplog.text
    assert (await checkpoint_of(stores)).build == build


async def test_another_log_is_noticed_and_the_read_model_built_anew(
    stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = (await created(stores.log, a_key())).event.key
    await project(stores)
    before = await checkpoint_of(stores)
    async with another_log(stores, tmp_path) as replaced:
        await project(replaced)
        after = await checkpoint_of(replaced)
        assert f"the log was replaced: store {before.store} became {after.store}" in caplog.text
        assert after.build > before.build
        assert (await replaced.answers.get(gone)).document is None


async def test_why_the_read_model_is_built_anew_is_its_trouble_until_something_is_built(
    stores: Stores, tmp_path: Path
) -> None:
    await created(stores.log, a_key())
    await project(stores)
    before = await checkpoint_of(stores)
    troubles: list[str | None] = []
    async with another_log(stores, tmp_path) as replaced:
        projector = Projector(replaced.feed, replaced.model, lambda count: troubles.append(projector.trouble))
        async with running(projector):
            await has_followed(projector, replaced)
        why = f"the log was replaced: store {before.store} became {await replaced.feed.store_id()}"
    assert troubles[0] == f"building the read model from the start: {why}"


@pytest.mark.parametrize("appended_since", [0, 3], ids=["which ends earlier", "which went on differently"])
async def test_an_older_copy_of_the_log_is_noticed_and_the_read_model_built_anew(
    stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture, appended_since: int
) -> None:
    kept = (await created(stores.log, a_key())).event.key
    copy = backup(tmp_path)
    gone = (await created(stores.log, a_key())).event.key
    await updated(stores.log, kept)
    await project(stores)
    await stores.close()
    put_back(copy)
    stores = Stores(tmp_path)
    for _ in range(appended_since):
        await created(stores.log, a_key())
    await project(stores)
    assert "the log was replaced: it no longer holds the event at position 3" in caplog.text
    assert (await stores.answers.get(gone)).document is None
    document = (await stores.answers.get(kept)).document
    assert document is not None
    assert document.revision == 0
    await stores.close()


async def test_a_log_replaced_while_followed_is_noticed(
    stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = (await created(stores.log, a_key())).event.key
    copy = backup(tmp_path)
    gone = (await created(stores.log, a_key())).event.key
    projector = projector_of(stores)
    async with running(projector):
        await has_followed(projector, stores)
        before = await checkpoint_of(stores)
        os.replace(copy, tmp_path / "events.sqlite")

        async def rebuilt() -> bool:
            checkpoint = await checkpoint_of(stores)
            return checkpoint.build > before.build and checkpoint.target is None

        await eventually(rebuilt)
        await has_followed(projector, stores)
        await created(stores.log, a_key())
        await has_followed(projector, stores)
    assert "LogReplaced: the log's file is another one than before" in caplog.text
    assert (await stores.answers.get(gone)).document is None
    assert (await stores.answers.get(kept)).document is not None


async def test_a_build_aims_at_the_end_that_the_log_has_at_its_start(stores: Stores) -> None:
    for _ in range(10):
        await created(stores.log, a_key())
    end = await stores.feed.end()
    faults = Faults()
    targets = []

    class Watched(FaultyModel):
        async def apply(self, documents, checkpoint):  # type: ignore[no-untyped-def]
            targets.append((checkpoint.position, (await checkpoint_of(stores)).target))
            if len(targets) == 1:
                await created(stores.log, a_key())
            return await super().apply(documents, checkpoint)

    feed = FaultyFeed(stores.feed, faults, largest_batch=3)
    projector = Projector(feed, Watched(stores.model, faults), lambda count: None)
    async with running(projector):
        await has_followed(projector, stores)
    assert targets[:5] == [(3, end), (6, end), (9, end), (10, end), (11, None)]


async def test_a_build_ends_at_its_target_though_events_keep_coming(stores: Stores) -> None:
    for _ in range(5):
        await created(stores.log, a_key())

    class NeverAtEnd(FaultyFeed):
        async def follow(self, after: Position) -> AsyncGenerator[Batch, None]:
            async with aclosing(super().follow(after)) as batches:
                async for batch in batches:
                    yield replace(batch, at_end=False)

    projector = Projector(NeverAtEnd(stores.feed, Faults(), largest_batch=3), stores.model, lambda count: None)
    async with running(projector):
        await eventually(lambda: projector.position == 5)
        assert (await checkpoint_of(stores)).target is None


async def test_a_build_begins_with_the_moment_at_which_nothing_was_missing_before(
    stores: Stores, tmp_path: Path
) -> None:
    """So that the lag goes on growing from there."""
    await created(stores.log, a_key())
    await project(stores)
    before = await checkpoint_of(stores)
    begun = []

    class Watched(FaultyModel):
        async def begin(self, checkpoint: Checkpoint) -> bool:
            begun.append(checkpoint.confirmed)
            return await super().begin(checkpoint)

    async with another_log(stores, tmp_path) as replaced:
        projector = Projector(replaced.feed, Watched(replaced.model, Faults()), lambda count: None)
        async with running(projector):
            await has_followed(projector, replaced)
    assert before.confirmed is not None
    assert begun == [before.confirmed]


async def test_a_build_of_a_log_that_became_shorter_ends_at_its_end(stores: Stores, tmp_path: Path) -> None:
    kept = (await created(stores.log, a_key())).event.key
    first = Checkpoint(await stores.feed.store_id(), build=1, position=START, target=1000)
    await stores.model.begin(first)
    await project(stores)
    assert (await checkpoint_of(stores)).target is None
    assert (await stores.answers.get(kept)).document is not None


async def test_a_crash_in_a_build_goes_on_with_the_same_build(stores: Stores) -> None:
    for _ in range(3):
        await created(stores.log, a_key())
    await stores.model.begin(Checkpoint(await stores.feed.store_id(), build=1, position=START, target=3))
    projector = await project(stores)
    assert (await checkpoint_of(stores)).build == 1
    assert projector.position == 3


async def test_a_read_model_deleted_while_it_is_kept_is_built_anew(stores: Stores, tmp_path: Path) -> None:
    await created(stores.log, a_key())
    projector = projector_of(stores)
    async with running(projector):
        await has_followed(projector, stores)
        remove(tmp_path / "answers.sqlite")
        await created(stores.log, a_key())
        await eventually(lambda: (tmp_path / "answers.sqlite").exists())
        await has_followed(projector, stores)


async def test_a_build_begun_by_another_projector_is_joined(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    await created(stores.log, a_key())
    projector = projector_of(stores)
    async with running(projector):
        await has_followed(projector, stores)
        build = (await checkpoint_of(stores)).build + 1
        assert await stores.model.begin(Checkpoint(await stores.feed.store_id(), build, START, target=1))
        await created(stores.log, a_key())
        await has_followed(projector, stores)
    assert (await checkpoint_of(stores)).build == build
    assert "is being built by another projector" in caplog.text


async def test_a_build_begun_by_a_faster_projector_is_joined(stores: Stores) -> None:
    await created(stores.log, a_key())
    begun = []

    class Slower(FaultyModel):
        async def begin(self, checkpoint: Checkpoint) -> bool:
            assert await stores.model.begin(checkpoint)
            begun.append(await super().begin(checkpoint))
            return begun[-1]

    projector = Projector(stores.feed, Slower(stores.model, Faults()), lambda count: None)
    async with running(projector):
        await has_followed(projector, stores)
    assert begun == [False]


async def test_the_build_of_a_read_model_that_was_deleted_is_not_mistaken_for_the_next(
    stores: Stores, tmp_path: Path
) -> None:
    await created(stores.log, a_key())
    await project(stores)
    before = await checkpoint_of(stores)
    remove(tmp_path / "answers.sqlite")
    await project(stores)
    assert not await stores.model.apply([], before)


async def test_the_projector_stops_at_an_event_that_it_cannot_read_and_says_which(
    stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, broken, after = [(await created(stores.log, key)) for key in (a_key(), a_key(), a_key())]
    query(tmp_path / "events.sqlite", "UPDATE events SET type = 'AnswerMovedEvent' WHERE position = 2")
    projector = projector_of(stores)
    trouble = (
        f"UndecodableEvent: the event at position 2 of {broken.event.key!r} can't be read: "
        "unknown event type 'AnswerMovedEvent'"
    )
    async with running(projector):
        await eventually(lambda: projector.trouble == trouble)
        turned = projector.last_turn
        await eventually(lambda: projector.last_turn > turned)
        await deleted(stores.log, before.event.key)
        assert projector.trouble == trouble
        assert projector.position == 1
        assert (await checkpoint_of(stores)).position == 1
        assert (await stores.answers.get(before.event.key)).document is not None
        assert (await stores.answers.get(after.event.key)).document is None
        assert caplog.text.count(trouble) == 1
        query(tmp_path / "events.sqlite", "UPDATE events SET type = 'AnswerCreatedEvent' WHERE position = 2")
        await has_followed(projector, stores)


async def test_a_build_is_not_complete_before_an_event_that_cannot_be_read(stores: Stores, tmp_path: Path) -> None:
    for _ in range(3):
        await created(stores.log, a_key())
    query(tmp_path / "events.sqlite", "UPDATE events SET value = '' WHERE position = 3")
    projector = projector_of(stores)
    async with running(projector):
        await eventually(lambda: projector.position == 2)
        await eventually(lambda: "position 3" in (projector.trouble or ""))
        assert (await checkpoint_of(stores)).target == 3
        await asyncio.sleep(0)
        assert projector.confirmed is None
