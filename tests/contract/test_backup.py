"""What every log does for export and import."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaservice.domain.answers import Event, create, delete, update
from qaservice.domain.codec import value_of
from qaservice.domain.errors import DoesNotFollow, UndecodableEvent
from qaservice.domain.idempotency import Idempotency
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import START, Recorded
from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
from qaservice.stores.eventstoredb.log import EventStoreDbLog
from qaservice.stores.eventstoredb.sink import EventStoreDbSink
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.sink import SqliteSink
from services.backup import importing
from services.backup.export import events_up_to, export
from services.backup.file import Backup, checked
from services.backup.importing import held, import_
from services.backup.lines import Seal, line_of
from services.backup.ports import EventFeed, EventSink
from services.eventstore.ports import AnswerLog
from services.eventstore.service import Commands, Terms
from tests.contract.sqlite_given import query
from tests.given import a_key, appended, created, deleted, history_of, updated
from tests.standins.eventstoredb import EventStoreDB

pytestmark = pytest.mark.anyio

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=50)


@dataclass
class Store:
    """A log and all its sides."""

    log: AnswerLog
    feed: EventFeed
    sink: EventSink


@asynccontextmanager
async def in_file(path: Path) -> AsyncIterator[Store]:
    log, sink = SqliteLog(path, timeout=5), SqliteSink(path, timeout=5)
    await sink.open()
    feed = SqliteFeed.of_file(path)
    yield Store(log, feed, sink)
    await asyncio.gather(log.close(), feed.close(), sink.close())


@asynccontextmanager
async def in_eventstoredb(uri: str, prefix: str) -> AsyncIterator[Store]:
    made = [kind(uri, prefix, timeout=5) for kind in (EventStoreDbLog, EventStoreDbFeed, EventStoreDbSink)]
    yield Store(*made)  # type: ignore[arg-type]  # one of each kind
    await asyncio.gather(*(one.close() for one in made))


# Each twice, so that what comes from one can go to another of the same kind.
STORES: dict[str, tuple[Callable[..., AbstractAsyncContextManager[Store]], Sequence[str]]] = {
    "file": (lambda folder, name: in_file(folder / name / "events.sqlite"), ["tmp_path"]),
    "eventstoredb": (
        lambda uri, prefix, name: in_eventstoredb(uri, f"{prefix}{name}."),
        ["eventstoredb_uri", "eventstoredb_prefix"],
    ),
}


def empty(request: pytest.FixtureRequest, name: str) -> AbstractAsyncContextManager[Store]:
    make, fixtures = STORES[request.param]
    return make(*map(request.getfixturevalue, fixtures), name)


@pytest.fixture(params=STORES)
def empty_source(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    return empty(request, "source")


@pytest.fixture(params=STORES)
def empty_target(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    return empty(request, "target")


@pytest.fixture
async def source(empty_source: AbstractAsyncContextManager[Store]) -> AsyncIterator[Store]:
    """A log to export."""
    async with empty_source as made:
        yield made


@pytest.fixture
async def target(empty_target: AbstractAsyncContextManager[Store]) -> AsyncIterator[Store]:
    """An empty log."""
    async with empty_target as made:
        yield made


async def exported(store: Store) -> bytes:
    """The backup of a log."""
    written = io.BytesIO()
    await export(store.feed, written.write, lambda position, end, count: None)
    return written.getvalue()


async def imported(data: bytes, store: Store) -> tuple[int, int]:
    """Import; how many events the log held before, and how many were added."""
    backup = backup_of(data)
    found = await held(backup, store.feed, store.sink.disorder)
    return len(found), await import_(backup, found, store.sink, lambda done, whole: None)


def backup_of(data: bytes) -> Backup:
    return checked(io.BytesIO(data), lambda done, whole: None)


def first(data: bytes, count: int) -> bytes:
    """The backup as it was when the log held only so many events."""
    return file_of(list(backup_of(data).events())[:count])


def file_of(events: Sequence[Recorded]) -> bytes:
    """A backup of these events."""
    lines = b"".join(map(line_of, events))
    return lines + Seal(len(events), sha256(lines).hexdigest()).line()


async def some_answers(log: AnswerLog) -> list[str]:
    """Histories of several keys, mixed; their keys."""
    keys = [a_key() for _ in range(4)]
    for key in keys:
        await created(log, key)
    for key in keys * 3:
        await updated(log, key)
    await deleted(log, keys[0])
    await created(log, keys[0])
    await deleted(log, keys[1])
    return keys


async def test_an_imported_log_exports_the_same_events(source: Store, target: Store) -> None:
    keys = await some_answers(source.log)
    data = await exported(source)
    assert await imported(data, target) == (0, 19)
    again = await exported(target)
    assert sorted(again.splitlines()[:-1]) == sorted(data.splitlines()[:-1])
    assert target.sink.disorder or again == data
    for key in keys:
        before, after = await history_of(source.log, key), await history_of(target.log, key)
        assert [replace(event, position=0) for event in after] == [replace(event, position=0) for event in before]
        assert [event.time for event in after] == [event.time for event in before]


async def test_an_imported_log_goes_on(source: Store, target: Store) -> None:
    keys = await some_answers(source.log)
    await imported(await exported(source), target)
    assert (await updated(target.log, keys[2])).revision == 4
    assert (await created(target.log, keys[1])).revision == 5
    history = await history_of(target.log, keys[1])
    assert [event.time for event in history] == sorted(event.time for event in history)


async def test_a_command_is_remembered_over_export_and_import(source: Store, target: Store) -> None:
    key, terms = a_key(), Terms(retry=Idempotency.of("once", "john"))
    first = await Commands(source.log, uuid4).create(key, "john", terms)
    await imported(await exported(source), target)
    again = await Commands(target.log, uuid4).create(key, "john", terms)
    assert again.replayed
    assert again.recorded.id == first.recorded.id


async def test_an_empty_log_is_a_backup_too(source: Store, target: Store) -> None:
    data = await exported(source)
    assert backup_of(data).count == 0
    assert await imported(data, target) == (0, 0)


async def test_an_import_goes_on_where_it_stopped(source: Store, target: Store) -> None:
    await some_answers(source.log)
    data = await exported(source)
    for before, count in itertools.pairwise((0, 1, 7, 18, 19)):
        assert await imported(first(data, count), target) == (before, count - before)
    assert await imported(data, target) == (19, 0)
    assert sorted((await exported(target)).splitlines()[:-1]) == sorted(data.splitlines()[:-1])


async def test_a_log_that_holds_another_key_is_refused(source: Store, target: Store) -> None:
    await some_answers(source.log)
    await created(target.log, a_key())
    await refused(await exported(source), target, "the log is not empty")


async def test_a_log_that_holds_another_event_of_the_key_is_refused(source: Store, target: Store) -> None:
    key = (await some_answers(source.log))[0]
    await created(target.log, key)
    await refused(await exported(source), target, "another revision 0")


async def test_a_log_that_holds_more_than_the_file_is_refused(source: Store, target: Store) -> None:
    await some_answers(source.log)
    data = await exported(source)
    await imported(data, target)
    await refused(first(data, 10), target, "the log is not empty")


@pytest.mark.parametrize("batch", [4, 1000])
async def test_a_file_with_a_gap_is_refused(
    source: Store, target: Store, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH_EVENTS", batch)
    await some_answers(source.log)
    events = list(backup_of(await exported(source)).events())
    with pytest.raises(DoesNotFollow):
        await imported(file_of(events[:10] + events[11:]), target)


async def test_a_second_first_event_of_a_key_does_not_follow(target: Store) -> None:
    john = create(None, a_key(), "john")
    first, second = (Recorded(john, 0, START, uuid4(), datetime.now(UTC), {}) for _ in range(2))
    await target.sink.add([first], None)
    with pytest.raises(DoesNotFollow, match=john.key):
        await target.sink.add([second], first)
    assert [event.id for event in await history_of(target.log, john.key)] == [first.id]


async def refused(data: bytes, store: Store, words: str) -> None:
    """The import is refused, and the log is what it was."""
    before = await exported(store)
    with pytest.raises(DoesNotFollow, match=words):
        await imported(data, store)
    assert await exported(store) == before


async def test_who_writes_in_between_ends_the_import(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH_EVENTS", 4)
    keys = await some_answers(source.log)
    backup = backup_of(await exported(source))
    found = await held(backup, target.feed, target.sink.disorder)
    await created(target.log, keys[2], "another")
    with pytest.raises(DoesNotFollow):
        await import_(backup, found, target.sink, lambda done, whole: None)
    assert [value_of(event.event) for event in await history_of(target.log, keys[2])] == ["another"]


async def test_large_values_are_taken_over(source: Store, target: Store) -> None:
    key = a_key()
    await created(source.log, key, "\x01" * 80_000)
    for letter in "abcdefgh":
        await updated(source.log, key, letter * 500_000)
    assert await imported(await exported(source), target) == (0, 9)
    assert [event.event for event in await history_of(target.log, key)] == [
        event.event for event in await history_of(source.log, key)
    ]


async def test_an_export_ends_where_the_log_ended_when_it_began(source: Store) -> None:
    keys = await some_answers(source.log)
    end = await source.feed.end()
    await updated(source.log, keys[2])
    async with asyncio.timeout(10), aclosing(events_up_to(source.feed, end)) as pages:
        events = [event async for page in pages for event in page]
    assert len(events) == 19
    assert events[-1].position == end


async def test_the_order_of_keys_does_not_matter_in_eventstoredb_alone(source: Store, target: Store) -> None:
    one, other = a_key(), a_key()
    await created(source.log, one)
    await created(source.log, other)
    events = list(backup_of(await exported(source)).events())
    await target.sink.add([events[1]], None)
    if target.sink.disorder:
        assert await imported(file_of(events), target) == (1, 1)
    else:
        await refused(file_of(events), target, "which the file does not hold there")


async def test_an_event_that_cannot_be_read_ends_the_export(path: Path) -> None:
    async with in_file(path) as store:
        await some_answers(store.log)
        query(path, "UPDATE events SET type = 'Other' WHERE position = 7")
        written = io.BytesIO()
        with pytest.raises(UndecodableEvent, match=r"position 7 of 'key-.*unknown event type 'Other'"):
            await export(store.feed, written.write, lambda position, end, count: None)
        assert b"sha256" not in written.getvalue()


async def test_whatever_becomes_of_the_calls_each_event_is_stored_once(path: Path) -> None:
    async with in_file(path) as source, EventStoreDB() as server:
        keys = await some_answers(source.log)
        data = await exported(source)
        for fault in ("lost-and-cut", "error-after", "timeout-after", "cut", "not-ready"):
            server.faults.queue("append", fault)
        async with in_eventstoredb(server.uri, "qa-test.") as target:
            assert await imported(data, target) == (0, 19)
            for key in keys:
                assert [event.id for event in await history_of(target.log, key)] == [
                    event.id for event in await history_of(source.log, key)
                ]


COMMANDS = st.lists(st.tuples(KEYS, TEXT, st.dictionaries(st.text(max_size=5), TEXT, max_size=2)), max_size=12)


@settings(max_examples=25, deadline=None)
@given(COMMANDS)
def test_any_keys_values_and_metadata_survive_the_way_there_and_back(
    commands: list[tuple[str, str, dict[str, str]]],
) -> None:
    async def there_and_back(folder: Path) -> None:
        async with (
            EventStoreDB() as server,
            in_file(folder / "a" / "events.sqlite") as start,
            in_eventstoredb(server.uri, "qa-test.") as servers,
            in_file(folder / "b" / "events.sqlite") as back,
        ):
            for key, value, metadata in commands:
                metadata.pop("time", None)
                await appended(start.log, key, changing(key, value), **metadata)
            data = await exported(start)
            await imported(data, servers)
            between = await exported(servers)
            assert sorted(between.splitlines()[:-1]) == sorted(data.splitlines()[:-1])
            await imported(between, back)
            assert await exported(back) == between

    with TemporaryDirectory() as folder:
        asyncio.run(there_and_back(Path(folder)))


def changing(key: str, value: str) -> Callable[[Recent], Event]:
    """Create, update or delete the answer, whatever it is now."""

    def decide(recent: Recent) -> Event:
        if recent.answer is None:
            return create(None, key, value)
        return delete(recent.answer, key) if len(value) % 3 == 0 else update(recent.answer, key, value)

    return decide


async def test_times_are_kept_whatever_the_clock_says_now(target: Store) -> None:
    past, future = datetime(1999, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=400)
    key = a_key()
    john = create(None, key, "john")
    jane = update(john, key, "jane")
    events = [Recorded(john, 0, -1, uuid4(), past, {}), Recorded(jane, 1, -1, uuid4(), future, {})]
    await imported(file_of(events), target)
    assert [event.time for event in await history_of(target.log, key)] == [past, future]
