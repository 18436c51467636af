"""The name of a log in EventStoreDB is read once for all who wait for it, and by each of them as if by himself."""

import asyncio
from uuid import UUID, uuid4

import pytest

from qaservice.domain.errors import LogUnavailable
from qaservice.stores.eventstoredb.calls import EventStoreDb
from qaservice.stores.eventstoredb.store_id import SharedStoreId, StoreId
from tests.contract.eventstoredb_given import a_server
from tests.given import a_key, created, eventually

pytestmark = pytest.mark.anyio

OLD, NEW = uuid4(), uuid4()


class Reads(StoreId):
    """Reads that end when and as the test says."""

    def __init__(self) -> None:
        super().__init__(EventStoreDb("esdb://host?Tls=False"), "prefix-")
        self.under_way: list[asyncio.Future[UUID]] = []

    async def made(self, deadline: float) -> UUID:
        """One more of them."""
        self.under_way.append(asyncio.get_running_loop().create_future())
        return await self.under_way[-1]

    async def begun(self, number: int) -> asyncio.Future[UUID]:
        """The read of this number, once it has begun."""
        await eventually(lambda: len(self.under_way) == number)
        return self.under_way[-1]


@pytest.fixture
def reads() -> Reads:
    return Reads()


@pytest.fixture
def shared(reads: Reads) -> SharedStoreId:
    return SharedStoreId(reads, 60)


def asked(shared: SharedStoreId, patience: float = 60) -> asyncio.Task[UUID]:
    return asyncio.create_task(shared.get(asyncio.get_running_loop().time() + patience))


async def test_commands_after_a_loss_share_one_read() -> None:
    async with a_server() as given:
        await created(given.log, a_key())
        client = await given.log._database.connection.connected()
        losses = client.count_losses()
        await given.server.restart()
        await eventually(lambda: client.count_losses() > losses)
        given.server.calls.clear()
        await asyncio.gather(*(created(given.log, a_key()) for _ in range(200)))
        assert 1 <= given.server.calls["read"] < 5


async def test_what_was_read_is_kept_until_it_is_forgotten(reads: Reads, shared: SharedStoreId) -> None:
    waiting = [asked(shared) for _ in range(3)]
    (await reads.begun(1)).set_result(OLD)
    assert await asyncio.gather(*waiting, asked(shared)) == [OLD] * 4
    shared.forget()
    waiting = [asked(shared)]
    (await reads.begun(2)).set_result(NEW)
    assert await waiting[0] == NEW


async def test_a_read_goes_on_for_others_when_who_began_it_leaves(reads: Reads, shared: SharedStoreId) -> None:
    leaving, staying = asked(shared), asked(shared)
    read = await reads.begun(1)
    leaving.cancel()
    await asyncio.wait({leaving})
    read.set_result(OLD)
    assert await staying == OLD


async def test_what_was_read_from_before_a_loss_is_not_believed(reads: Reads, shared: SharedStoreId) -> None:
    before = asked(shared)
    old = await reads.begun(1)
    shared.forget()
    after = asked(shared)
    old.set_result(OLD)
    (await reads.begun(2)).set_result(NEW)
    assert await asyncio.gather(before, after, asked(shared)) == [NEW] * 3


async def test_who_joins_a_read_that_fails_has_another(reads: Reads, shared: SharedStoreId) -> None:
    first = asked(shared)
    read = await reads.begun(1)
    late = [asked(shared) for _ in range(3)]
    await asyncio.sleep(0)
    read.set_exception(LogUnavailable("no answer"))
    with pytest.raises(LogUnavailable):
        await first
    (await reads.begun(2)).set_result(NEW)
    assert await asyncio.gather(*late) == [NEW] * 3


async def test_nobody_waits_longer_than_he_has_time(reads: Reads, shared: SharedStoreId) -> None:
    patient = asked(shared)
    read = await reads.begun(1)
    with pytest.raises(LogUnavailable):
        await asked(shared, 0.05)
    read.set_result(OLD)
    assert await patient == OLD
