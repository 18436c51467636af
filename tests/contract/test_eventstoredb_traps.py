"""What the EventStoreDB client does to whoever trusts it, one trap after the other; each test fails without its cure.

The faults are the stand-in's: it has the rules of the server, and can be told what goes wrong next.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from esdbclient import StreamState
from esdbclient.exceptions import ServiceUnavailable

from qaservice.domain import answers
from qaservice.domain.errors import KeyNotFound, LogReplaced, LogUnavailable, OutcomeUnknown
from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import START
from qaservice.stores.eventstoredb.client import Client
from qaservice.stores.eventstoredb.events import store_stream
from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
from tests.contract.eventstoredb_given import PREFIX, Given, a_server, following, handed_out, seconds, stored, stream_of
from tests.given import a_key, appended, created, eventually, history_of, updated
from tests.standins.eventstoredb_faults import Fault, Then
from tests.standins.eventstoredb_process import EventStoreDBProcess, running

pytestmark = pytest.mark.anyio

CUT_AFTER_ONE, CUT_AFTER_THREE = Fault(Then.END, after=1), Fault(Then.END, after=3)


@pytest.fixture
def process() -> Iterator[EventStoreDBProcess]:
    with running(None) as process:
        yield process


# A cancelled read looks like one that found nothing.


async def test_a_read_that_is_cancelled_says_so(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    for read in (given.log.last(key), history_of(given.log, key)):
        given.server.faults.queue("read", "hang")
        reads = given.server.calls["read"]
        task = asyncio.ensure_future(read)
        await eventually(lambda reads=reads: given.server.calls["read"] > reads)  # type: ignore[misc]
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


async def test_a_time_limit_around_a_read_is_a_time_out_and_no_answer(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    given.server.faults.queue("read", "hang")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given.log.last(key), 0.2)


async def test_a_follower_that_is_cancelled_is_cancelled(given: Given) -> None:
    follower = await following(given.feed)
    follower.cancel()
    await asyncio.wait({follower})
    assert follower.cancelled()


# A read that was cut off ends like a complete one.


async def test_of_a_stream_that_exists_nothing_is_no_answer(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    given.server.faults.queue("read", "end", times=2)
    assert await given.log.last(key) is not None


async def test_a_history_that_is_cut_off_goes_on(given: Given) -> None:
    key = a_key()
    await created(given.log, key)
    for _ in range(9):
        await updated(given.log, key)
    given.server.faults.queue("read", CUT_AFTER_ONE)  # the read of the last event: that one is all of it
    given.server.faults.queue("read", CUT_AFTER_THREE)
    assert [recorded.revision for recorded in await history_of(given.log, key)] == list(range(10))


async def test_an_end_that_was_not_found_is_looked_for_again(given: Given) -> None:
    recorded = await created(given.log, a_key())
    given.server.faults.queue("read", "end")
    assert await given.feed.end() == recorded.position


async def test_a_follower_is_not_at_the_end_by_one_read_that_was_cut_off(given: Given) -> None:
    await created(given.log, a_key())
    await given.feed.store_id()
    given.server.faults.queue("subscribe", "hang")
    given.server.faults.queue("read", CUT_AFTER_ONE, times=2)  # of the log's name: that is all of it
    given.server.faults.queue("read", "end")
    async with aclosing(given.feed.follow(START)) as batches:
        assert not (await anext(batches)).at_end


# A subscription ends, and nothing says so.


@pytest.mark.parametrize("fault", ["end", "cut", "error"])
async def test_a_subscription_that_ends_ends_its_follower(given: Given, fault: str) -> None:
    follower = await following(given.feed)
    given.server.disturb(fault)
    with pytest.raises(LogUnavailable):
        await asyncio.wait_for(follower, 3)


async def test_a_subscription_that_ends_before_it_is_confirmed_ends_its_follower(given: Given) -> None:
    await created(given.log, a_key())
    given.server.faults.queue("subscribe", "end")
    with pytest.raises(LogUnavailable, match="ended"):
        await handed_out(given.feed)


@pytest.mark.parametrize("before", [0, 1], ids=["of-an-empty-log", "behind-an-event"])
async def test_a_subscription_that_hangs_while_the_log_grows_is_noticed(before: int) -> None:
    async with a_server(timeout=2.0) as given:
        for _ in range(before):
            await created(given.log, a_key())
        follower = await following(given.feed)
        given.server.disturb("hang")
        await created(given.log, a_key())
        with pytest.raises(LogUnavailable, match="delivered nothing"):
            await asyncio.wait_for(follower, 10)


# The client's option for keep-alive sets nothing, so that a frozen connection stays for ever.


async def test_a_connection_that_is_frozen_is_given_up(process: EventStoreDBProcess) -> None:
    client = Client(f"{process.uri}&KeepAliveInterval=500&KeepAliveTimeout=500")
    await client.connect()
    subscription = await client.subscribe_to_all()
    process.freeze()
    with pytest.raises(ServiceUnavailable):
        await asyncio.wait_for(anext(subscription), 5)
    process.kill()
    await client.close()


async def test_keep_alive_is_on_without_being_asked_for() -> None:
    options = dict(Client("esdb://localhost?Tls=False").grpc_options)
    assert int(options["grpc.keepalive_time_ms"]) + int(options["grpc.keepalive_timeout_ms"]) < 20_000


async def test_a_follower_notices_a_frozen_server(process: EventStoreDBProcess) -> None:
    feed = EventStoreDbFeed(process.uri, PREFIX, 2.0)
    follower = await following(feed)
    process.freeze()
    with pytest.raises(LogUnavailable):
        await asyncio.wait_for(follower, 20)
    process.kill()
    await feed.close()


# One call finds the server gone, and the client takes the channel away from all others.


async def test_an_append_that_finds_the_server_gone_leaves_the_channel_to_others(given: Given) -> None:
    slow, cut = a_key(), a_key()
    client = await given.log._database.connection.connected()
    channel = client.connection
    given.server.append_latency = 0.5
    under_way = asyncio.create_task(created(given.log, slow))
    await eventually(lambda: given.server.calls["append"] == 1)
    given.server.faults.queue("append", "cut", stream=stream_of(cut))
    recorded = await asyncio.gather(created(given.log, cut), under_way)
    assert client.connection is channel
    assert [[one] for one in recorded] == [await history_of(given.log, key) for key in (cut, slow)]


async def test_a_read_that_finds_the_server_gone_leaves_appends_alone(given: Given) -> None:
    key = a_key()
    given.server.append_latency = 0.5
    under_way = asyncio.create_task(created(given.log, key))
    await eventually(lambda: given.server.calls["append"] == 1)
    given.server.faults.queue("read", "cut")
    assert await given.log.last(key)
    await under_way
    assert given.server.calls["append"] == 1


async def test_a_read_that_finds_the_server_gone_leaves_followers_alone(given: Given) -> None:
    follower = await following(given.feed)
    given.server.faults.queue("read", "cut")
    await given.feed.store_id()
    await asyncio.wait({follower}, timeout=0.5)
    assert not follower.done()
    follower.cancel()
    await asyncio.wait({follower})


async def test_a_read_that_a_reconnection_cut_off_is_repeated() -> None:
    async with a_server(nodes=2) as given:
        recorded = await created(given.log, a_key())
        client = await given.feed._database.connection.connected()
        given.server.faults.queue("read", "hang", times=2)
        end = asyncio.create_task(given.feed.end())
        for reads in (1, 2):
            await eventually(lambda reads=reads: given.server.calls["read"] == reads)  # type: ignore[misc]
            await client.reconnect(f"127.0.0.1:{given.server.ports[0]}")
        assert await end == recorded.position


async def test_an_append_that_a_reconnection_cut_off_is_repeated() -> None:
    key = a_key()
    async with a_server(nodes=2) as given:
        given.server.faults.queue("append", "lost")
        under_way = asyncio.create_task(created(given.log, key))
        await eventually(lambda: given.server.calls["append"] == 1)
        client = await given.log._database.connection.connected()
        await client.connection._grpc_channel.close(grace=None)
        recorded = await under_way
        assert [one.id for one in await history_of(given.log, key)] == [recorded.id]


# Without a time limit a call waits for ever; with one, twice as long.


async def test_a_server_that_hangs_costs_no_more_than_the_time_limit() -> None:
    key = a_key()
    async with a_server(timeout=1.0) as given:
        given.server.faults.queue("append", "hang", times=100)
        given.server.faults.queue("read", "hang", times=100)
        writes = (created(given.log, key), updated(given.log, key), given.feed.store_id())
        reads = (given.log.last(key), history_of(given.log, key), given.log.check(), handed_out(given.feed))
        assert max(await asyncio.gather(*map(seconds, (*writes, *reads)))) < 1.9


async def test_a_subscription_that_never_begins_is_noticed() -> None:
    async with a_server(timeout=0.5) as given:
        await created(given.log, a_key())
        given.server.faults.queue("subscribe", "hang")
        with pytest.raises(LogUnavailable):
            await handed_out(given.feed)


async def test_an_append_that_hangs_once_is_sent_again_in_time(given: Given) -> None:
    key = a_key()
    given.server.faults.queue("append", "lost")
    async with asyncio.timeout(4):
        recorded = await created(given.log, key)
    assert [one.id for one in await history_of(given.log, key)] == [recorded.id]


# The client repeats calls by itself, and tells only what the last try came to.


async def test_what_was_never_sent_is_surely_not_stored() -> None:
    async with a_server(timeout=0.5) as given:
        await given.server.stop()
        with pytest.raises(LogUnavailable):
            await created(given.log, a_key())


async def test_what_was_sent_once_may_be_stored_however_the_last_try_failed() -> None:
    key = a_key()
    async with a_server(timeout=0.5) as given:
        given.server.faults.queue("append", "lost-and-cut")
        given.server.faults.queue("append", "not-ready", times=100)
        with pytest.raises(OutcomeUnknown):
            await created(given.log, key)
        assert len(await history_of(given.log, key)) == 1


# A cancelled append may be stored.


async def test_an_append_that_was_given_up_leaves_its_key_to_others(given: Given) -> None:
    key = a_key()
    given.server.faults.queue("append", "lost")
    given_up = asyncio.create_task(created(given.log, key))
    await eventually(lambda: given.server.calls["append"] == 1)
    given_up.cancel()
    await asyncio.wait({given_up})
    assert given_up.cancelled()
    assert (await updated(given.log, key)).revision == 1


# A position that the log does not have is accepted, and nothing ever comes.


async def test_a_position_beyond_the_end_is_refused(given: Given) -> None:
    beyond = (await created(given.log, a_key())).position + 1_000_000
    store = await given.feed.store_id()
    assert not await given.feed.holds(Checkpoint(store, 1, beyond))
    with pytest.raises(LogReplaced):
        await handed_out(given.feed, beyond)


async def test_a_log_that_was_wiped_has_another_name(given: Given) -> None:
    recorded = await created(given.log, a_key())
    store, (_, end) = await given.feed.store_id(), await handed_out(given.feed)
    await given.server.restart(wiped=True)
    assert await given.feed.store_id() != store
    assert not await given.feed.holds(Checkpoint(store, 1, end, recorded.position, recorded.id))


async def test_a_follower_does_not_outlive_its_log(given: Given) -> None:
    follower = await following(given.feed)
    await given.server.restart(wiped=True)
    with pytest.raises((LogReplaced, LogUnavailable)):
        await asyncio.wait_for(follower, 3)


async def test_a_running_follower_notices_another_log(given: Given) -> None:
    follower = await following(given.feed)
    await given.others.delete_stream(store_stream(PREFIX), current_version=StreamState.ANY)
    with pytest.raises(LogReplaced):
        await asyncio.wait_for(follower, 3)


async def test_a_follower_begins_in_the_log_that_its_caller_knows(given: Given) -> None:
    await given.feed.store_id()
    await given.server.restart(wiped=True)
    with pytest.raises(LogReplaced):
        await handed_out(given.feed)


@pytest.mark.parametrize("reconnected_by", ["nobody", "a read", "an append"])
async def test_what_was_known_of_a_log_that_was_wiped_is_forgotten(given: Given, reconnected_by: str) -> None:
    key = a_key()
    await created(given.log, key)
    given.server.faults.queue("append", "hang")
    under_way = asyncio.create_task(created(given.log, a_key())) if reconnected_by == "an append" else None
    await eventually(lambda: under_way is None or given.server.calls["append"] == 2)
    await given.server.restart(wiped=True)
    given.server.faults.calm()
    if under_way is not None:
        await under_way
    if reconnected_by == "a read":
        await given.log.check()
    async with given.another_log() as other:
        await appended(other, key, lambda _: answers.AnswerDeleted(key))
    with pytest.raises(KeyNotFound):
        await updated(given.log, key)


# A place between two events is no position, and one more than a position is such a place.


async def test_a_follower_resumes_behind_every_end_it_was_told(given: Given) -> None:
    keys, ends = [a_key() for _ in range(5)], [START]
    for key in keys:
        await created(given.log, key)
        await stored(given.others, f"other-{key}", 40)
        ends.append((await handed_out(given.feed, ends[-1]))[1])
    for number, end in enumerate(ends):
        assert (await handed_out(given.feed, end))[0] == keys[number:]


async def test_a_checkpoint_at_the_very_end_does_not_swallow_the_next_event(given: Given) -> None:
    """The server's checkpoint there is the place of the event to come, told from it by a prepare position of 0 that the
    client does not send back."""
    await given.feed.store_id()
    await stored(given.others, "other", 29)  # with the store's own a page of 30: the client's window
    _, end = await handed_out(given.feed)
    recorded = await created(given.log, a_key())
    assert await handed_out(given.feed, end) == ([recorded.event.key], recorded.position)


# Several patterns are joined without a group; what is not escaped or not anchored matches the streams of others.


@pytest.mark.parametrize(
    "stream", ["qaaatest.answer-x", "qa+testXanswer-x", "x-qa+test.answer-x", "$$qa+test.answer-x", "QA+TEST.ANSWER-x"]
)
async def test_what_others_store_is_never_seen(given: Given, stream: str) -> None:
    recorded = await created(given.log, a_key())
    await stored(given.others, stream)
    assert (await handed_out(given.feed))[0] == [recorded.event.key]
    assert await given.feed.end() == recorded.position
