"""EventStoreDB's servers under the log: none there, one that comes back, several with a leader."""

import asyncio

import pytest

from qaservice.domain.errors import LogUnavailable
from qaservice.stores.eventstoredb.log import EventStoreDbLog
from tests.contract.eventstoredb_given import PREFIX, Given, a_server, seconds
from tests.given import a_key, created, history_of, updated

pytestmark = pytest.mark.anyio


async def test_a_log_whose_server_is_down_is_not_ready_and_says_so_soon(given: Given) -> None:
    await given.server.stop()
    assert await seconds(given.log.check()) < 3.5
    with pytest.raises(LogUnavailable):
        await given.log.check()


async def test_a_log_that_was_closed_says_so_at_once(given: Given) -> None:
    await created(given.log, a_key())
    await given.log.close()
    async with asyncio.timeout(2):
        for call in (created(given.log, a_key()), given.log.last(a_key()), given.log.check()):
            with pytest.raises(LogUnavailable, match="closed"):
                await call


def test_a_log_is_made_before_the_event_loop_and_without_its_server() -> None:
    log = EventStoreDbLog("esdb://127.0.0.1:1?Tls=False", PREFIX, 0.3)

    async def check() -> None:
        with pytest.raises(LogUnavailable):
            await log.check()
        await log.close()

    asyncio.run(check())


async def test_the_leader_is_followed() -> None:
    key = a_key()
    async with a_server(nodes=2) as given:
        await created(given.log, key)
        given.server.lead(1)
        await updated(given.log, key)
        given.server.lead(0)
        assert len(await history_of(given.log, key)) == 2


async def test_a_leader_is_found_where_the_first_server_is_down() -> None:
    key = a_key()
    async with a_server(nodes=2) as given:
        given.server.lead(1)
        await given.server.stop(0)
        async with given.another_log() as log:
            await created(log, key)
            assert len(await history_of(log, key)) == 1
        await given.server.start(0)


async def test_a_cluster_that_is_down_is_said_in_time_and_heals() -> None:
    async with a_server(nodes=2) as given, given.another_log(timeout=0.5) as log:
        await given.server.stop()
        assert await seconds(created(log, a_key())) < 2
        with pytest.raises(LogUnavailable):
            await created(log, a_key())
        await given.server.start()
        async with given.another_log() as patient:
            await created(patient, a_key())
        await created(log, a_key())
