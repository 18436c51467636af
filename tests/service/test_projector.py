"""The projector between embedded stores that fail."""

import asyncio
import logging
import random
import time
from itertools import pairwise

import pytest

from qaservice.domain.errors import LogUnavailable, ReadModelUnavailable
from qaservice.domain.recorded import START
from qaservice.stores.sqlite import feed as sqlite_feed
from services.projector import service
from services.projector.service import Projector
from tests.given import a_key, created, deleted, eventually, updated
from tests.service.conftest import Stores, has_followed, running
from tests.service.faults import Crash, Faults, FaultyFeed, FaultyModel, at_step

pytestmark = pytest.mark.anyio


def projector_of(stores: Stores, faults: Faults | None = None, **feed: int) -> Projector:
    """A projector whose stores fail as ordered, and whose batches are small."""
    faults = faults or Faults()
    feeding = FaultyFeed(stores.feed, faults, **({"largest_batch": 3} | feed))
    return Projector(feeding, FaultyModel(stores.model, faults), lambda count: None)


async def some_history(stores: Stores) -> list[str]:
    """Answers created, updated, deleted and created again."""
    keys = [a_key() for _ in range(5)]
    for key in keys:
        await created(stores.log, key)
        await updated(stores.log, key)
    for key in keys[:3]:
        await deleted(stores.log, key)
    await created(stores.log, keys[0], "again")
    return keys


async def test_the_read_model_is_a_fold_of_the_log(stores: Stores) -> None:
    await some_history(stores)
    projector = projector_of(stores)
    async with running(projector):
        await has_followed(projector, stores)
        await some_history(stores)
        await has_followed(projector, stores)
    assert projector.position == await stores.feed.end()


async def test_of_an_empty_log_the_read_model_is_complete_at_once(stores: Stores) -> None:
    projector = projector_of(stores)
    async with running(projector):
        await has_followed(projector, stores)
    assert projector.position == START


async def test_every_durable_event_is_counted_once(stores: Stores) -> None:
    await some_history(stores)
    counts: list[int] = []
    projector = Projector(stores.feed, stores.model, counts.append)
    async with running(projector):
        await has_followed(projector, stores)
    assert sum(counts) == 14


async def test_after_a_crash_at_any_step_nothing_is_missing(stores: Stores) -> None:
    await some_history(stores)
    end = await stores.feed.end()
    crashed = 0
    while True:
        await stores.empty_model()
        dying = projector_of(stores, at_step(crashed, Crash()))
        task = asyncio.create_task(dying.run())
        await eventually(lambda task=task, dying=dying: task.done() or dying.position == end)  # type: ignore[misc]
        dying.stop()
        await asyncio.wait([task])
        if task.exception() is None:
            break
        crashed += 1
        projector = projector_of(stores)
        async with running(projector):
            await has_followed(projector, stores)
    assert crashed > 20


@pytest.mark.parametrize("seed", range(3))
async def test_in_a_storm_of_faults_nothing_is_skipped(stores: Stores, seed: int) -> None:
    chance = random.Random(seed)
    faults = Faults(
        *(
            chance.choice([LogUnavailable("storm"), ReadModelUnavailable("storm"), ValueError("storm")])
            if chance.random() < 0.15
            else None
            for _ in range(400)
        )
    )
    projector = projector_of(stores, faults)
    async with running(projector):
        while faults.steps < 400:
            await some_history(stores)
            await asyncio.sleep(0)
        await has_followed(projector, stores)


@pytest.mark.parametrize("fault", [LogUnavailable("down"), ReadModelUnavailable("down")])
async def test_a_store_that_is_down_is_said_once_and_waited_for(
    stores: Stores, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "qaservice.projector")
    await some_history(stores)
    faults = Faults(then=fault)
    projector = projector_of(stores, faults)
    assert projector.trouble == "starting"
    async with running(projector):
        await eventually(lambda: faults.steps > 5)
        assert projector.trouble == f"{type(fault).__name__}: down"
        turned = projector.last_turn
        await eventually(lambda: projector.last_turn > turned)
        faults.end()
        await has_followed(projector, stores)
    said = [record.getMessage() for record in caplog.records if "follow" in record.getMessage()]
    assert said == [f"stopped following the log: {type(fault).__name__}: down", "following the log"]
    assert all(record.exc_info is None for record in caplog.records)


async def test_a_fault_of_the_program_is_said_with_its_traceback_and_survived(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    faults = Faults(then=ZeroDivisionError("a bug"))
    projector = projector_of(stores, faults)
    async with running(projector):
        await eventually(lambda: faults.steps > 5)
        assert projector.trouble == "unexpected ZeroDivisionError('a bug')"
        faults.end()
        await has_followed(projector, stores)
    (record,) = [record for record in caplog.records if "a bug" in record.getMessage()]
    assert record.exc_info is not None


async def test_a_feed_that_ends_is_followed_again(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    await some_history(stores)
    projector = projector_of(stores, endings=4)
    async with running(projector):
        await has_followed(projector, stores)
    assert "stopped following the log: the log's feed ended" in caplog.text


async def test_a_time_out_within_a_store_is_a_fault_like_any_other(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    await some_history(stores)
    projector = projector_of(stores, at_step(11, TimeoutError("the store's own")))
    async with running(projector):
        await has_followed(projector, stores)
    assert "unexpected TimeoutError" in caplog.text


async def test_pauses_grow_and_are_bounded(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(service, "_LONGEST_PAUSE", 0.04)
    moments: list[float] = []

    class Watched(Faults):
        def step(self) -> None:
            moments.append(time.monotonic())
            super().step()

    projector = projector_of(stores, Watched(then=LogUnavailable("down")))
    async with running(projector):
        await eventually(lambda: len(moments) > 8)
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert all(pause >= least for pause, least in zip(pauses, [0.005, 0.01, 0.02, 0.02, 0.02], strict=False))
    assert sum(pauses[:8]) < 2


async def test_after_a_success_the_first_pause_is_short_again(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_LONGEST_PAUSE", 60)
    down, up = LogUnavailable("down"), None
    faults = Faults(*[down] * 8, *[up] * 11, *[down] * 8)
    await some_history(stores)
    projector = projector_of(stores, faults)
    async with running(projector):
        await has_followed(projector, stores)


@pytest.mark.parametrize("moment", ["waiting for events", "pausing", "before it ran"])
async def test_stopping_is_prompt(stores: Stores, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_FIRST_PAUSE", 60)
    monkeypatch.setattr(service, "_LONGEST_PAUSE", 60)
    monkeypatch.setattr(sqlite_feed, "_LOOK_AGAIN_AFTER", 60)
    faults = Faults(then=LogUnavailable("down") if moment == "pausing" else None)
    projector = projector_of(stores, faults)
    if moment == "before it ran":
        projector.stop()
    task = asyncio.create_task(projector.run())
    if moment == "waiting for events":
        await has_followed(projector, stores)
        await eventually(lambda: faults.calls[-1] == "apply")
    if moment == "pausing":
        await eventually(lambda: faults.steps > 0)
    projector.stop()
    await asyncio.wait_for(task, 10)


async def test_stopping_finishes_the_batch_under_way(stores: Stores) -> None:
    await some_history(stores)
    faults = Faults()
    projector = projector_of(stores, faults, largest_batch=500)
    task = asyncio.create_task(projector.run())
    await eventually(lambda: "apply" in faults.calls)
    projector.stop()
    await asyncio.wait_for(task, 10)
    assert projector.position == await stores.feed.end()
    assert await stores.projected()


async def test_the_moment_at_which_nothing_was_missing_is_renewed_while_idle(stores: Stores) -> None:
    await some_history(stores)
    projector = projector_of(stores)
    async with running(projector):
        await has_followed(projector, stores)
        first = await stores.answers.checkpoint()
        assert first is not None
        assert first.confirmed is not None
        confirmed = first.confirmed

        async def renewed() -> bool:
            checkpoint = await stores.answers.checkpoint()
            return checkpoint is not None and checkpoint.confirmed is not None and checkpoint.confirmed > confirmed

        await eventually(renewed, within=5)
        await eventually(lambda: projector.confirmed is not None and projector.confirmed > confirmed)


async def test_events_that_never_cease_do_not_count_as_missing(stores: Stores) -> None:
    projector = Projector(stores.feed, stores.model, lambda count: None)
    moments = set()
    async with running(projector):
        await has_followed(projector, stores)
        for _ in range(20):
            recorded = await created(stores.log, a_key())
            await eventually(lambda position=recorded.position: projector.position >= position)  # type: ignore[misc]
            moments.add(projector.confirmed)
    assert len(moments) == 20


async def test_two_projectors_at_once_are_harmless(stores: Stores) -> None:
    one, other = projector_of(stores), projector_of(stores, largest_batch=2)
    async with running(one), running(other):
        for _ in range(10):
            await some_history(stores)
        await has_followed(one, stores)
        await has_followed(other, stores)
