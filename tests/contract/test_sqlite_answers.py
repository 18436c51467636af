"""What a read model in a file does when disk, folder or file fail it, and when two write it."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.listing import KeyRange
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.recorded import START
from qaservice.stores.sqlite.answers import SqliteAnswers
from qaservice.stores.sqlite.read_model import SqliteReadModel
from tests.contract.sqlite_given import disk_with, largest_file, query, read_only
from tests.given import eventually

pytestmark = pytest.mark.anyio

FIRST = Checkpoint(UUID(int=1), build=1, position=START)


def at(position: int) -> Checkpoint:
    return Checkpoint(UUID(int=1), 1, position, position, UUID(int=position))


@pytest.fixture
async def model(path: Path) -> AsyncIterator[SqliteReadModel]:
    model = SqliteReadModel(path, timeout=5)
    yield model
    await model.close()


@pytest.fixture
async def answers(path: Path) -> AsyncIterator[SqliteAnswers]:
    answers = SqliteAnswers(path)
    yield answers
    await answers.close()


async def test_a_full_disk_leaves_documents_and_checkpoint_together(
    model: SqliteReadModel, answers: SqliteAnswers, path: Path
) -> None:
    await model.begin(FIRST)
    await model.apply([Document("name", "john", 0, 1)], at(1))
    large = [Document("name", "jane", 1, 2), *(Document(str(number), "v" * 5000, 0, 3) for number in range(50))]
    with disk_with(largest_file(path.parent) + 20_000):
        with pytest.raises(ReadModelUnavailable, match="free space"):
            await model.apply(large, at(3))
        snapshot = await answers.get("name")
        assert (snapshot.document, snapshot.checkpoint) == (Document("name", "john", 0, 1), at(1))
    assert await model.apply(large, at(3))
    assert (await answers.get("49")).document == large[-1]


@pytest.mark.usefixtures("looking_often")
async def test_a_read_model_deleted_while_open_takes_no_more_of_the_old_build(
    model: SqliteReadModel, answers: SqliteAnswers, path: Path
) -> None:
    await model.begin(FIRST)
    await model.apply([Document("name", "john", 0, 1)], at(1))
    assert await answers.checkpoint() == at(1)
    os.unlink(path)
    assert not await model.apply([Document("name", "jane", 1, 2)], at(2))
    assert await model.checkpoint() is None

    async def gone() -> bool:
        return await answers.checkpoint() is None

    await eventually(gone)
    assert await model.begin(FIRST)
    assert (await answers.get("name")).document is None


async def test_a_read_only_folder_is_said_and_read(answers: SqliteAnswers, path: Path) -> None:
    model = SqliteReadModel(path, timeout=5)
    await model.begin(FIRST)
    await model.close()
    model = SqliteReadModel(path, timeout=5)
    with read_only(path.parent):
        with pytest.raises(ReadModelUnavailable, match="give this user the right to write"):
            await model.apply([], at(1))
        assert await answers.checkpoint() == FIRST
    assert await model.apply([], at(1))
    await model.close()


async def test_a_file_of_a_newer_program_is_refused(model: SqliteReadModel, answers: SqliteAnswers, path: Path) -> None:
    query(path, "PRAGMA user_version=2")
    for question in (model.checkpoint(), model.begin(FIRST), answers.checkpoint(), answers.get("name")):
        with pytest.raises(ReadModelUnavailable, match="newer version"):
            await question


async def test_without_a_file_there_is_nothing_to_read(answers: SqliteAnswers) -> None:
    with pytest.raises(ReadModelUnavailable, match="check that the folder exists"):
        await answers.checkpoint()


async def test_a_locked_file_is_waited_for_no_longer_than_the_timeout(path: Path) -> None:
    model = SqliteReadModel(path, timeout=0.1)
    await model.begin(FIRST)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ReadModelUnavailable, match="another process holds it locked"):
            await model.apply([], at(1))
    assert await model.apply([], at(1))
    await model.close()


async def test_a_close_does_not_wait_for_another_writer(path: Path) -> None:
    model = SqliteReadModel(path, timeout=8)
    await model.begin(FIRST)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        batch = asyncio.create_task(model.apply([], at(1)))
        await asyncio.sleep(0)  # it waits in its thread, or is about to
        began = time.monotonic()
        await model.close()
        assert time.monotonic() - began < 5
        with pytest.raises(ReadModelUnavailable, match="another process holds it locked"):
            await batch


async def test_a_batch_handed_over_before_the_close_is_finished(path: Path, answers: SqliteAnswers) -> None:
    model = SqliteReadModel(path, timeout=5)
    await model.begin(FIRST)
    batch = asyncio.create_task(model.apply([], at(1)))
    await asyncio.sleep(0)
    await model.close()
    assert await batch
    assert await answers.checkpoint() == at(1)


async def test_a_document_that_cannot_be_stored_takes_the_batch_along(
    model: SqliteReadModel, answers: SqliteAnswers
) -> None:
    await model.begin(FIRST)
    with pytest.raises(UnicodeEncodeError):
        await model.apply([Document("name", "john", 0, 1), Document("\ud800", "john", 0, 2)], at(2))
    assert (await answers.get("name")).document is None
    assert await answers.checkpoint() == FIRST


async def test_two_writers_of_one_file_take_turns(model: SqliteReadModel, answers: SqliteAnswers, path: Path) -> None:
    second = SqliteReadModel(path, timeout=5)
    assert sorted(await asyncio.gather(model.begin(FIRST), second.begin(FIRST))) == [False, True]

    async def project(one: SqliteReadModel) -> None:
        for position in range(1, 101):
            assert await one.apply([Document("name", str(position), position - 1, position)], at(position))

    await asyncio.gather(project(model), project(second))
    snapshot = await answers.get("name")
    assert (snapshot.document, snapshot.checkpoint) == (Document("name", "100", 99, 100), at(100))
    await second.close()


async def test_others_take_their_turn_while_deleted_answers_are_passed_over(
    model: SqliteReadModel, answers: SqliteAnswers
) -> None:
    await model.begin(FIRST)
    await model.apply([Document(f"{number:05}", None, 1, 1) for number in range(20_000)], at(1))
    await model.apply([Document("z", "v", 0, 2)], at(2))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(others())
    page = await answers.page(KeyRange.of("", None), 1)
    counting.cancel()
    assert (page.answers, page.more, page.checkpoint) == ([("z", "v")], False, at(2))
    assert turns >= 20


async def test_a_list_that_meets_another_build_half_way_is_not_told(
    model: SqliteReadModel, answers: SqliteAnswers, path: Path
) -> None:
    await model.begin(FIRST)
    await model.apply([Document(f"{number:05}", None, 1, 1) for number in range(2_000)], at(1))
    listing = asyncio.create_task(answers.page(KeyRange.of("", None), 1))
    await asyncio.sleep(0)  # it has read its first stretch
    query(path, "UPDATE checkpoint SET build = 2, target = 9")
    with pytest.raises(ReadModelUnavailable, match="begun anew"):
        await listing
