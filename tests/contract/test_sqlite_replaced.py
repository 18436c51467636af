"""What a log in a file does when the file is deleted or replaced while it is open: nothing acknowledged may go to a
file that nobody will find again."""

import asyncio
import os
import shutil
import sqlite3
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Timer

import pytest

from qaservice.domain.answers import Event, create
from qaservice.domain.errors import KeyExists, LogUnavailable, OutcomeUnknown, ReadModelUnavailable
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import START, Recorded
from qaservice.stores.sqlite import same_folder
from qaservice.stores.sqlite.events import schema
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.file import open_for_reading, open_for_writing
from qaservice.stores.sqlite.handle import Handle
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.read_model import SqliteReadModel
from qaservice.stores.sqlite.sink import SqliteSink
from tests.contract.sqlite_given import after_a_crash, another_log, largest_file, stored_keys
from tests.given import a_key, appended, created, history_of, remove

pytestmark = pytest.mark.anyio


async def heals(log: SqliteLog) -> Recorded:
    """The first append that succeeds, of those that a client would try again."""
    for _ in range(5):
        try:
            return await created(log, a_key())
        except (OutcomeUnknown, LogUnavailable):
            continue
    raise AssertionError("it does not heal")


async def test_what_is_acknowledged_after_the_file_was_deleted_is_in_the_new_file(
    log: SqliteLog, path: Path, tmp_path: Path
) -> None:
    await created(log, a_key())
    os.unlink(path)
    recorded = await created(log, a_key())
    assert recorded.position == 1
    assert stored_keys(after_a_crash(path, tmp_path / "crashed")) == [recorded.event.key]
    assert await log.last(recorded.event.key) == recorded


async def test_whoever_deletes_a_file_deletes_nothing_of_the_new_one_with_those_beside_it(
    log: SqliteLog, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_folder, "_SECONDS_TO_DELETE", 1.0)
    await created(log, a_key())
    os.unlink(path)
    deleting = [Timer(0.05, Path(f"{path}{end}").unlink, [True]) for end in ("-wal", "-shm")]
    for each in deleting:
        each.start()
    recorded = await created(log, a_key())
    for each in deleting:
        each.join()
    assert stored_keys(after_a_crash(path, tmp_path / "crashed")) == [recorded.event.key]


async def test_a_log_made_anew_by_the_same_process_has_another_store_id(log: SqliteLog, path: Path) -> None:
    await created(log, a_key())
    before = await log.store_id()
    remove(path)
    await created(log, a_key())
    assert await log.store_id() != before


async def other_folder(folder: Path, kind: str) -> None:
    """What stands in the place of a folder that was moved away."""
    if kind != "nothing":
        os.mkdir(folder)
    if kind == "another log":
        (await another_log(folder, "one")).rename(folder / "events.sqlite")


@pytest.mark.parametrize("kind", ["nothing", "an empty folder", "another log"])
async def test_nothing_is_written_in_another_folder_and_it_heals_when_the_folder_is_back(
    log: SqliteLog, path: Path, tmp_path: Path, kind: str
) -> None:
    old, store = await created(log, a_key()), await log.store_id()
    folder, moved = path.parent, tmp_path / "moved"
    folder.rename(moved)
    await other_folder(folder, kind)
    before = sorted(folder.parent.glob(f"{folder.name}/*"))
    for question in (created(log, a_key()), log.check(), created(log, a_key())):
        with pytest.raises(LogUnavailable, match="put it back, or restart to begin there"):
            await question
    assert sorted(folder.parent.glob(f"{folder.name}/*")) == before
    assert folder.exists() == (kind != "nothing")
    if folder.exists():
        folder.rename(tmp_path / "other")
    moved.rename(folder)
    recorded = await created(log, a_key())
    assert await log.store_id() == store
    assert stored_keys(path) == [old.event.key, recorded.event.key]


async def test_followers_and_the_read_model_make_no_folder_in_the_place_of_the_one_moved_away(
    log: SqliteLog, path: Path, tmp_path: Path
) -> None:
    folder, moved = path.parent, tmp_path / "moved"
    model, feed = SqliteReadModel(folder / "answers.sqlite", timeout=5), SqliteFeed.of_file(path)
    await created(log, a_key())
    await model.checkpoint()
    batches = feed.follow(START)
    assert (await anext(batches)).at_end
    folder.rename(moved)
    with pytest.raises(ReadModelUnavailable, match="put it back, or restart to begin there"):
        await model.checkpoint()
    with suppress(LogUnavailable):
        await asyncio.wait_for(anext(batches), 5)
    assert not folder.exists()
    moved.rename(folder)
    assert await model.checkpoint() is None
    await feed.close()
    await model.close()


async def test_a_file_that_was_moved_away_holds_all_that_was_acknowledged(log: SqliteLog, path: Path) -> None:
    keys = [(await created(log, a_key())).event.key for _ in range(50)]
    moved = path.with_name("moved.sqlite")
    os.rename(path, moved)
    recorded = await created(log, a_key())
    assert stored_keys(moved) == keys
    assert stored_keys(path) == [recorded.event.key]


async def test_the_write_ahead_log_of_a_replaced_file_does_not_get_into_the_new_one(
    log: SqliteLog, path: Path, tmp_path: Path
) -> None:
    for _ in range(50):
        await created(log, a_key(), "v" * 5000)
    other = await another_log(tmp_path, "one", "two")
    other.replace(path)
    assert largest_file(path.parent, "*-wal") > 0
    recorded = await created(log, a_key())
    assert stored_keys(after_a_crash(path, tmp_path / "crashed")) == ["one", "two", recorded.event.key]
    assert await log.last("one") is not None


async def test_a_file_replaced_in_the_middle_of_a_batch_has_an_unknown_outcome(
    log: SqliteLog, path: Path, tmp_path: Path
) -> None:
    taken = a_key()
    await created(log, taken)
    other = await another_log(tmp_path)

    def replacing(recent: Recent) -> Event:
        other.replace(path)
        return create(recent.answer, "name", "john")

    with pytest.raises(OutcomeUnknown, match="deleted or replaced while it was being written"):
        await appended(log, "name", replacing)
    recorded = await created(log, taken)
    assert stored_keys(after_a_crash(path, tmp_path / "crashed")) == [recorded.event.key]


async def test_a_file_replaced_while_it_is_opened_is_not_taken_for_the_one_that_was_opened(
    path: Path, tmp_path: Path
) -> None:
    def replacing() -> sqlite3.Connection:
        connection = open_for_writing(path, schema(), synchronous="OFF")
        other.replace(path)
        return connection

    other = await another_log(tmp_path)
    open_for_writing(path, schema(), synchronous="OFF").close()
    with pytest.raises(sqlite3.OperationalError, match="replaced while it was being opened"):
        Handle(path, replacing).connection()


async def test_what_is_imported_into_a_file_that_was_deleted_is_not_acknowledged(log: SqliteLog, path: Path) -> None:
    event = await created(log, a_key())
    sink = SqliteSink(path.with_name("target.sqlite"), timeout=5)
    await sink.open()
    os.unlink(path.with_name("target.sqlite"))
    with pytest.raises(LogUnavailable, match="deleted or replaced while it was being written"):
        await sink.add([event], None)
    await sink.close()


@pytest.mark.parametrize("read", ["before", "after", "never"])
async def test_nothing_acknowledged_is_lost_when_the_write_ahead_log_is_deleted(
    log: SqliteLog, path: Path, tmp_path: Path, read: str
) -> None:
    keys = [(await created(log, a_key())).event.key for _ in range(5)]
    if read == "before":
        await log.last(keys[0])
    os.unlink(f"{path}-wal")
    if read == "after":
        with suppress(LogUnavailable):
            await log.last(keys[0])
    keys += [(await heals(log)).event.key for _ in range(5)]
    assert stored_keys(after_a_crash(path, tmp_path / "crashed")) == keys
    assert [(await history_of(log, key))[0].revision for key in keys] == [0] * 10


async def test_two_writers_go_on_together_in_the_new_file(log: SqliteLog, path: Path, tmp_path: Path) -> None:
    second = SqliteLog(path, timeout=5)
    await created(log, a_key())
    await created(second, a_key())
    (await another_log(tmp_path, "one")).replace(path)
    keys = ["one"]
    for _ in range(10):
        keys += [(await heals(log)).event.key, (await heals(second)).event.key]
    with pytest.raises(KeyExists):
        await created(second, keys[-2])
    assert stored_keys(after_a_crash(path, tmp_path / "crashed")) == keys
    await second.close()


async def test_a_new_log_is_not_taken_for_that_of_a_deleted_file_since_it_has_its_inode(
    log: SqliteLog, path: Path, tmp_path: Path
) -> None:
    await log.check()
    reading = Handle(path, partial(open_for_reading, path))
    reading.connection()
    inode = os.stat(f"{path}-wal").st_ino
    await log.close()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    assert not reading.look()
    reading.leave()
    files = [path.parent / str(number) for number in range(100)]
    for file in files:
        file.touch()  # most file systems give an inode that is free to the next file
    new = SqliteLog(tmp_path / "events.sqlite", timeout=5)
    await created(new, a_key())
    crashed = after_a_crash(tmp_path / "events.sqlite", tmp_path / "crashed")
    await new.close()
    wal = next((file for file in files if file.stat().st_ino == inode), files[0])
    shutil.copyfile(f"{crashed}-wal", wal)
    wal.rename(f"{path}-wal")
    crashed.rename(path)
    assert reading.connection().execute("SELECT count(*) FROM events").fetchone() == (1,)
    reading.close()


async def test_a_reader_leaves_the_log_of_a_file_that_is_away_for_a_while(
    log: SqliteLog, path: Path, tmp_path: Path
) -> None:
    await created(log, a_key())
    crashed = after_a_crash(path, tmp_path / "crashed")
    reading = Handle(crashed, partial(open_for_reading, crashed))
    reading.current()
    crashed.rename(tmp_path / "away")
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        reading.current()
    (tmp_path / "away").rename(crashed)
    assert reading.current().execute("SELECT count(*) FROM events").fetchone() == (1,)
    reading.close()


async def test_a_file_replaced_within_a_tick_of_the_clock_is_noticed(path: Path, tmp_path: Path) -> None:
    handle = Handle(path, partial(open_for_writing, path, schema(), synchronous="OFF"), writes=True)
    tick = time.time_ns() + 10**12
    handle.connection()
    os.utime(path.parent, ns=(tick, tick))
    assert handle.look()
    (await another_log(tmp_path)).replace(path)
    os.utime(path.parent, ns=(tick, tick))
    assert not handle.look()
    handle.close()
