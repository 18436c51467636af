"""Waking followers in this process and in others."""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from qaservice.stores.sqlite.bell import Bell
from tests.contract.sqlite_given import as_nobody, read_only
from tests.given import eventually

pytestmark = pytest.mark.anyio

Followers = Callable[[], Awaitable[Bell]]

LONG = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not too deep for a socket's name, and readable by every user."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "wake"


@pytest.fixture
async def bell(folder: Path) -> AsyncIterator[Bell]:
    bell = Bell(folder)
    yield bell
    bell.close()


@pytest.fixture
async def listening(folder: Path) -> AsyncIterator[Followers]:
    """Gives the bells of followers, each of which has looked once."""
    bells: list[Bell] = []

    async def follower() -> Bell:
        bells.append(Bell(folder))
        await bells[-1].wait(LONG, bells[-1].rings)
        return bells[-1]

    yield follower
    for bell in bells:
        bell.close()


def made(folder: Path, *inside: str) -> Path:
    for one in (folder, *(folder / name for name in inside)):
        one.mkdir(parents=True)
    return folder


def died(folder: Path, count: int) -> None:
    """Leave what followers leave that were killed."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as one:
            one.bind(str(folder / f"{number}-dead"))
            (folder / f"{number}-dead").chmod(0o777)


async def test_a_ring_wakes_all_who_wait_in_this_process() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.wait(LONG, bell.rings)) for _ in range(3)]
    await asyncio.sleep(0)
    bell.ring_here()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_a_ring_that_came_while_nobody_waited_is_not_missed() -> None:
    bell = Bell()
    heard = bell.rings
    bell.ring_here()
    await asyncio.wait_for(bell.wait(LONG, heard), 5)


async def test_without_a_ring_waiting_ends_after_its_time() -> None:
    began = time.monotonic()
    await Bell().wait(0.05, 0)
    assert 0.04 < time.monotonic() - began < 5


async def test_a_ring_is_heard_elsewhere(folder: Path, bell: Bell, listening: Followers) -> None:
    followers = [await listening() for _ in range(3)]
    waiting = [asyncio.create_task(one.wait(LONG, one.rings)) for one in followers]
    await asyncio.sleep(0)
    await asyncio.to_thread(bell.ring_elsewhere)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_followers_that_come_within_a_tick_of_the_clock_are_all_heard(
    folder: Path, bell: Bell, listening: Followers
) -> None:
    tick = time.time_ns() + 10**12
    await listening()
    os.utime(folder, ns=(tick, tick))
    bell.ring_elsewhere()
    second = await listening()
    os.utime(folder, ns=(tick, tick))
    heard = second.rings
    bell.ring_elsewhere()
    await asyncio.wait_for(second.wait(LONG, heard), 5)


async def test_a_bell_does_not_ring_itself(folder: Path, listening: Followers) -> None:
    bell = await listening()
    other = await listening()
    heard, heard_elsewhere = bell.rings, other.rings
    bell.ring_elsewhere()
    await asyncio.wait_for(other.wait(LONG, heard_elsewhere), 5)
    await bell.wait(0.01, heard)
    assert bell.rings == heard


async def test_whoever_stops_leaves_nothing(folder: Path, listening: Followers) -> None:
    bell = await listening()
    assert len(os.listdir(folder)) == 1
    bell.close()
    assert os.listdir(folder) == []


async def test_what_killed_followers_left_is_removed(folder: Path, bell: Bell, listening: Followers) -> None:
    died(folder, 20)
    alive = await listening()
    heard = alive.rings
    bell.ring_elsewhere()
    assert len(os.listdir(folder)) == 1
    await asyncio.wait_for(alive.wait(LONG, heard), 5)


async def test_what_is_no_socket_is_left_alone(folder: Path, bell: Bell) -> None:
    made(folder, "folder").joinpath("notes.txt").touch()
    for _ in range(2):
        bell.ring_elsewhere()
    assert sorted(os.listdir(folder)) == ["folder", "notes.txt"]


async def test_in_a_read_only_folder_the_dead_stay_and_ringing_goes_on(folder: Path, bell: Bell) -> None:
    died(folder, 3)
    os.chmod(folder, 0o555)
    with as_nobody():
        for _ in range(2):
            bell.ring_elsewhere()
        assert len(os.listdir(folder)) == 3
    os.chmod(folder, 0o755)


@pytest.mark.parametrize("reason", ["read-only", "too deep"])
async def test_where_rings_cannot_be_heard_one_looks_often(folder: Path, reason: str) -> None:
    folder = folder if reason == "read-only" else folder / ("deep" * 30)
    made(folder)
    with read_only(folder):
        bell = Bell(folder)
        for _ in range(3):
            await asyncio.wait_for(bell.wait(LONG, bell.rings), 5)
        bell.ring_elsewhere()
        bell.close()


async def test_a_follower_that_does_not_listen_holds_nobody_up(folder: Path, bell: Bell) -> None:
    made(folder)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(str(folder / "1-deaf"))
        await asyncio.wait_for(asyncio.to_thread(lambda: [bell.ring_elsewhere() for _ in range(2000)]), 10)
    assert os.listdir(folder) == ["1-deaf"]


async def test_a_folder_that_was_cleared_is_listened_in_again(folder: Path, bell: Bell, listening: Followers) -> None:
    follower = await listening()
    shutil.rmtree(folder)
    await follower.wait(0.01, follower.rings)
    await asyncio.wait_for(follower.wait(LONG, follower.rings), 5)
    heard = follower.rings
    bell.ring_elsewhere()
    await eventually(lambda: follower.rings > heard)


async def test_a_closed_bell_wakes_those_who_wait(folder: Path, listening: Followers) -> None:
    bell = await listening()
    waiting = asyncio.create_task(bell.wait(LONG, bell.rings))
    await asyncio.sleep(0)
    bell.close()
    await asyncio.wait_for(waiting, 5)
