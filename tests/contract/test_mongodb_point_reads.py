"""Reads of single documents that share a query."""

import asyncio
from collections.abc import Iterable

import pytest

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Document
from qaservice.stores.mongodb.point_reads import PointReads
from tests.contract.mongodb_wired import AT_END, SECOND, Wired

pytestmark = pytest.mark.anyio


class Queries:
    """Keys of every query, which finds how many there were before; each waits until it may go on."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, keys: Iterable[str]) -> int:
        self.asked.append(set(keys))
        await self.go_on.wait()
        return len(self.asked)


@pytest.fixture
def queries() -> Queries:
    return Queries()


async def begun(reads: PointReads[int], *keys: str) -> list[asyncio.Task[int]]:
    """Reads that began in one turn, and whose query is under way."""
    tasks = [asyncio.create_task(reads.get(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_reads_that_begin_together_share_a_query(queries: Queries) -> None:
    tasks = await begun(PointReads(queries), "a", "b", "a")
    queries.go_on.set()

    assert await asyncio.gather(*tasks) == [1, 1, 1]
    assert queries.asked == [{"a", "b"}]


async def test_no_read_is_answered_from_a_query_that_began_before_it(queries: Queries) -> None:
    reads = PointReads(queries)
    earlier = await begun(reads, "a")
    later = await begun(reads, "a")
    queries.go_on.set()

    assert await asyncio.gather(*earlier, *later) == [2, 2]
    assert queries.asked == [{"a"}, {"a"}]


async def test_a_query_is_for_a_limited_number_of_keys(queries: Queries) -> None:
    keys = [str(number) for number in range(40)]
    tasks = await begun(PointReads(queries), *keys)
    queries.go_on.set()
    await asyncio.gather(*tasks)

    assert [len(asked) for asked in queries.asked] == [16, 16, 8]
    assert set().union(*queries.asked) == set(keys)


async def test_a_read_that_is_cancelled_takes_nothing_from_the_others(queries: Queries) -> None:
    first, second = await begun(PointReads(queries), "a", "b")
    first.cancel()
    queries.go_on.set()

    assert await second == 1
    assert first.cancelled()


async def test_a_query_that_fails_fails_those_who_share_it_and_nobody_after() -> None:
    async def failing(keys: Iterable[str]) -> int:
        if "bad" in keys:
            raise ReadModelUnavailable("down")
        return 1

    reads = PointReads(failing)
    outcomes = await asyncio.gather(*await begun(reads, "a", "bad"), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [ReadModelUnavailable] * 2
    assert await reads.get("a") == 1


async def test_readers_of_many_large_documents_at_once_get_them_all(mongo: Wired) -> None:
    """More than the 16 MiB that a mongod puts into one reply (BSON document size, MongoDB Limits and Thresholds)."""
    documents = [Document(key, key * (3 << 19), 0, 1) for key in "abcdefghijkl"]
    await mongo.model.begin(SECOND)
    await mongo.model.apply(documents, AT_END)

    found = await asyncio.gather(*(mongo.answers.get(document.key) for document in documents))

    assert [snapshot.document for snapshot in found] == documents
