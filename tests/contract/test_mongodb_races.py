"""Projectors that meet each other in MongoDB: lost races to insert, builds begun at once, writes that come too late."""

import asyncio
from dataclasses import replace

import pytest

from qaservice.domain.readmodel import Document
from qaservice.stores.mongodb.read_model import MongoReadModel
from tests.contract.mongodb_wired import (
    AT_END,
    DOCUMENTS,
    DUPLICATE,
    END,
    FIRST,
    SECOND,
    Wired,
    once,
    writes_documents,
)
from tests.standins.mongodb_proxy import Command, Forward

pytestmark = pytest.mark.anyio


async def test_a_higher_revision_that_lost_the_race_to_insert_is_stored(mongo: Wired) -> None:
    async def loses(command: Command, forward: Forward) -> Command:
        await mongo.model.apply([Document("a", "old", 0, 1)], SECOND)  # the winner, between this one's look and insert
        *others, lost = command["updates"]
        assert lost["q"]["_id"] == "a"
        return await forward(command | {"updates": others}) | {"writeErrors": [DUPLICATE | {"index": len(others)}]}

    await mongo.patient.begin(SECOND)
    mongo.proxy.fault = once(writes_documents, loses)
    assert await mongo.patient.apply(DOCUMENTS[::-1], AT_END)
    assert mongo.stored.revisions() == {"a": (2, 3), "b": (2, 1)}


async def test_a_higher_build_that_lost_the_race_to_insert_is_begun(mongo: Wired) -> None:
    async def loses(command: Command, forward: Forward) -> Command:
        assert await mongo.model.begin(FIRST)
        return {"ok": 1.0, "n": 0, "nModified": 0, "writeErrors": [DUPLICATE | {"index": 0}]}

    mongo.proxy.fault = once(lambda command: "update" in command, loses)
    assert await mongo.patient.begin(SECOND)
    assert await mongo.model.checkpoint() == SECOND


async def test_what_is_stored_already_is_sent_again_alone_and_not_for_ever(mongo: Wired) -> None:
    await mongo.patient.begin(SECOND)
    await mongo.patient.apply([Document("a", "newer", 7, 7)], SECOND)
    mongo.proxy.commands.clear()
    assert await mongo.patient.apply(DOCUMENTS, AT_END)
    assert [len(command["updates"]) for command in mongo.proxy.commands if writes_documents(command)] == [2, 1, 1]
    assert mongo.stored.revisions() == {"a": (2, 7), "b": (2, 1)}
    assert mongo.stored.position() == AT_END.position


async def test_of_builds_begun_at_once_the_highest_stands_and_each_is_begun_at_most_once(
    mongo: Wired, mongodb_uri: str, mongodb_database: str
) -> None:
    projectors = [MongoReadModel(mongodb_uri, mongodb_database, 5.0) for _ in range(12)]
    builds = [1 + number % 4 for number in range(12)]
    begun = await asyncio.gather(*(p.begin(replace(FIRST, build=b)) for p, b in zip(projectors, builds, strict=True)))
    winners = [build for build, won in zip(builds, begun, strict=True) if won]
    assert len(winners) == len(set(winners))
    assert await mongo.model.checkpoint() == replace(FIRST, build=4)
    await asyncio.gather(*(projector.close() for projector in projectors))


async def test_a_projector_that_is_behind_another_is_not_told_to_stop_and_moves_nothing_back(mongo: Wired) -> None:
    await mongo.model.begin(SECOND)
    await mongo.model.apply(DOCUMENTS, AT_END)
    assert await mongo.other.apply([Document("a", "old", 0, 1)], replace(SECOND, position=1))
    assert await mongo.model.checkpoint() == AT_END
    assert mongo.stored.revisions() == {"a": (2, 3), "b": (2, 1)}


async def test_a_projector_of_an_older_build_writes_nothing(mongo: Wired) -> None:
    await mongo.model.begin(SECOND)
    assert not await mongo.other.apply(DOCUMENTS, replace(AT_END, build=1))
    assert mongo.stored.revisions() == {}


async def test_a_build_that_ends_while_another_begins_takes_nothing_from_it(mongo: Wired) -> None:
    async def overtaken(command: Command, forward: Forward) -> Command:
        await mongo.model.begin(SECOND)
        await mongo.model.apply([Document("c", "c", 0, 3)], replace(SECOND, position=3))
        return await forward(command)

    await mongo.model.begin(FIRST)
    mongo.proxy.fault = once(lambda command: "$lt" in command.get("filter", {}).get("build", {}), overtaken)
    assert not await mongo.patient.apply(DOCUMENTS, replace(AT_END, build=1))
    assert mongo.stored.revisions() == {"a": (1, 3), "b": (1, 1), "c": (2, 0)}
    assert await mongo.model.checkpoint() == replace(SECOND, position=3)


async def test_a_projector_whose_completed_build_was_replaced_is_told_so_and_what_it_wrote_is_not_served(
    mongo: Wired,
) -> None:
    await mongo.model.begin(FIRST)
    assert await mongo.other.apply([], replace(AT_END, build=1))
    await mongo.model.begin(SECOND)
    await mongo.model.apply(DOCUMENTS, AT_END)
    ghost = [Document("ghost", "boo", 0, END + 1)]
    assert not await mongo.other.apply(ghost, replace(AT_END, build=1, position=END + 1))
    assert (await mongo.answers.get("ghost")).document is None
    assert await mongo.model.checkpoint() == AT_END
    # and from then on it writes nothing
    assert not await mongo.other.apply([Document("other", "boo", 0, END + 1)], replace(AT_END, build=1))
    assert "other" not in mongo.stored.revisions()


async def test_what_an_overtaken_projector_writes_late_is_not_served_and_goes_with_the_next_build(
    mongo: Wired,
) -> None:
    async def comes_late(command: Command, forward: Forward) -> Command:
        await mongo.model.begin(SECOND)
        await mongo.model.apply(DOCUMENTS, AT_END)
        return await forward(command)

    await mongo.model.begin(FIRST)
    mongo.proxy.fault = once(writes_documents, comes_late)
    assert not await mongo.patient.apply([Document("ghost", "boo", 0, 1)], FIRST)
    assert mongo.stored.revisions() == {"a": (2, 3), "b": (2, 1), "ghost": (1, 0)}
    assert (await mongo.answers.get("ghost")).document is None
    assert await mongo.model.begin(replace(SECOND, build=3))
    assert await mongo.model.apply(DOCUMENTS, replace(AT_END, build=3))
    assert mongo.stored.revisions() == {"a": (3, 3), "b": (3, 1)}
