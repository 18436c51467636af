"""What MongoDB can do to a batch: fail in the middle, hang, step down, vanish at any step.

A wire between adapter and server injects the faults, so that they are the same on every server.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.recorded import START
from qaservice.stores.mongodb.answers import MongoAnswers
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
from tests.standins.mongodb_proxy import Command, Forward, as_it_is

pytestmark = pytest.mark.anyio

FAILURES = ["write error", "write error beside a duplicate", "not replicated", "stepped down", "hangs"]
STEPS = ["find", "update", "update", "find", "delete", "find", "update"]
"""The commands of a batch that ends a build: the checkpoint, the documents, those that are of an older build, what is
left of that, its removal, nothing left, the checkpoint."""

INVALID = {"code": 121, "errmsg": "Document failed validation"}
NOT_REPLICATED = {"code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting for replication timed out"}
STEPPED_DOWN = {"ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary"}


async def about_to_end(mongo: Wired) -> None:
    """A build that ends with the next batch, and leftovers of the one before."""
    await mongo.model.begin(FIRST)
    await mongo.model.apply([Document("a", "old", 9, 1), Document("old", "old", 0, 2)], FIRST)
    await mongo.model.begin(SECOND)


async def repeated(model: MongoReadModel, documents: Sequence[Document], checkpoint: Checkpoint) -> None:
    """Apply as the projector does: again after each failure. A try may take as long as the adapter's timeout."""
    async with asyncio.timeout(20):
        while True:
            with suppress(ReadModelUnavailable):
                assert await model.apply(documents, checkpoint)
                return


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_bulk_that_fails_in_the_middle_is_repeated_and_the_checkpoint_waits(failure: str, mongo: Wired) -> None:
    async def fails(command: Command, forward: Forward) -> Command:
        if not writes_documents(command):
            return await forward(command)
        if failure == "not replicated":
            return await forward(command) | {"writeConcernError": NOT_REPLICATED}
        if failure == "stepped down":
            return STEPPED_DOWN
        if failure == "hangs":
            await asyncio.Event().wait()
        reply = await forward(command | {"updates": command["updates"][:1]})
        errors = [INVALID | {"index": 1}, DUPLICATE | {"index": 0}]
        return reply | {"writeErrors": errors if "duplicate" in failure else errors[:1]}

    # given a server that fails, when a batch is applied, then the checkpoint stays and no message holds a value
    await mongo.model.begin(SECOND)
    mongo.proxy.fault = fails
    with pytest.raises(ReadModelUnavailable) as error:
        await mongo.hasty.apply(DOCUMENTS, AT_END)
    assert mongo.stored.position() == START
    assert "new" not in str(error.value)
    # and once the server has healed, the same adapter goes on
    mongo.proxy.fault = as_it_is
    await repeated(mongo.hasty, DOCUMENTS, AT_END)
    assert mongo.stored.revisions() == {"a": (2, 3), "b": (2, 1)}
    assert mongo.stored.position() == END


async def test_a_checkpoint_that_is_not_replicated_is_written_again(mongo: Wired) -> None:
    async def fails(command: Command, forward: Forward) -> Command:
        return await forward(command) | {"writeConcernError": NOT_REPLICATED}

    await mongo.model.begin(SECOND)
    mongo.proxy.fault = once(lambda command: "update" in command and not writes_documents(command), fails)
    with pytest.raises(ReadModelUnavailable, match=r"waiting for replication timed out$"):
        await mongo.patient.apply(DOCUMENTS, AT_END)
    assert await mongo.patient.apply(DOCUMENTS, AT_END)
    assert await mongo.model.checkpoint() == AT_END


async def test_a_server_too_slow_for_a_batch_gets_through_it_in_smaller_portions(mongo: Wired) -> None:
    async def slow(command: Command, forward: Forward) -> Command:
        if writes_documents(command) and len(command["updates"]) > 10:
            await asyncio.Event().wait()
        return await forward(command)

    batch = [Document(f"key {number}", "v", 0, number) for number in range(40)]
    await mongo.model.begin(FIRST)
    await mongo.model.apply(batch, FIRST)
    await mongo.model.begin(SECOND)
    mongo.proxy.fault = slow
    await repeated(mongo.hasty, batch, replace(SECOND, position=40))
    assert mongo.stored.revisions() == {one.key: (2, 0) for one in batch}
    assert mongo.stored.position() == 40


@pytest.mark.parametrize("reply_is_lost", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(len(STEPS)))
async def test_a_batch_that_breaks_off_at_any_step_is_repeated_without_harm(
    step: int, reply_is_lost: bool, mongo: Wired
) -> None:
    await about_to_end(mongo)
    steps = count()

    async def breaks_off(command: Command, forward: Forward) -> Command | None:
        now = next(steps)
        if now == step and reply_is_lost:
            await forward(command)
        return await forward(command) if now < step else None

    # when the server is lost at a step
    mongo.proxy.fault = breaks_off
    with pytest.raises(ReadModelUnavailable):
        await mongo.hasty.apply(DOCUMENTS, AT_END)
    # then the checkpoint has moved only with its own step, and the same batch again completes it
    last = step == len(STEPS) - 1
    assert mongo.stored.position() == (END if last and reply_is_lost else START)
    assert await mongo.model.apply(DOCUMENTS, AT_END)
    assert mongo.stored.revisions() == {"a": (2, 3), "b": (2, 1)}
    assert await mongo.model.checkpoint() == AT_END


async def test_every_step_of_a_batch_is_confirmed_by_majority_and_journal_and_none_goes_on_for_ever(
    mongo: Wired,
) -> None:
    await about_to_end(mongo)
    await mongo.patient.apply(DOCUMENTS, AT_END)
    assert [next(iter(command)) for command in mongo.proxy.commands] == STEPS
    writes = [command for command in mongo.proxy.commands if "find" not in command]
    assert all(command["writeConcern"] == {"w": "majority", "j": True} for command in writes)
    assert all(0 < command["maxTimeMS"] <= 5000 for command in mongo.proxy.commands)


async def test_a_batch_of_a_complete_build_is_two_commands(mongo: Wired) -> None:
    await mongo.model.begin(SECOND)
    await mongo.patient.apply([], AT_END)
    mongo.proxy.commands.clear()
    later = replace(AT_END, position=END + 1)
    assert await mongo.patient.apply([Document("c", "c", 0, END + 1)], later)
    assert [next(iter(command)) for command in mongo.proxy.commands] == ["update", "update"]
    assert await mongo.model.checkpoint() == later


async def test_no_write_has_the_server_keep_a_note_of_it(mongo: Wired) -> None:
    await mongo.model.begin(SECOND)
    await mongo.patient.apply(DOCUMENTS, AT_END)
    assert not [command for command in mongo.proxy.commands if "txnNumber" in command]


async def test_what_older_builds_left_and_what_changed_is_found_by_an_index(mongo: Wired) -> None:
    await mongo.model.begin(FIRST)
    assert mongo.stored.indexes() == {"_id_", "build_1_position_1"}


async def test_one_query_reads_the_checkpoint_and_then_the_document(mongo: Wired, mongodb_database: str) -> None:
    replies: list[Command] = []

    async def keep(command: Command, forward: Forward) -> Command:
        replies.append(await forward(command))
        return replies[-1]

    await mongo.model.begin(SECOND)
    await mongo.model.apply(DOCUMENTS, AT_END)
    reader = MongoAnswers(mongo.proxy.uri, mongodb_database, 5.0)
    mongo.proxy.fault = keep
    snapshot = await reader.get("a")
    assert (snapshot.document, snapshot.checkpoint) == (DOCUMENTS[0], AT_END)
    assert [[row["_id"] for row in reply["cursor"]["firstBatch"]] for reply in replies] == [[0, "a"]]
    await reader.close()


async def test_a_document_of_a_build_that_began_after_the_checkpoint_was_read_is_not_believed(
    mongo: Wired, mongodb_database: str
) -> None:
    async def begun_between_the_two(command: Command, forward: Forward) -> Command:
        reply = await forward(command)
        reply["cursor"]["firstBatch"][1]["build"] += 1
        return reply

    await mongo.model.begin(SECOND)
    await mongo.model.apply(DOCUMENTS, AT_END)
    reader = MongoAnswers(mongo.proxy.uri, mongodb_database, 5.0)
    mongo.proxy.fault = begun_between_the_two
    with pytest.raises(ReadModelUnavailable, match="begun anew"):
        await reader.get("a")
    await reader.close()
