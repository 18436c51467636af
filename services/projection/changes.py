"""Waiting for the read model: one poller for all that wait in this process, and none while nobody does."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping
from itertools import islice

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import START, Position
from services.projection.ports import Answers

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05  # seconds
_MOST_KEYS = 100  # whose documents a look reads; for any other key the checkpoint tells

Waiter = asyncio.Future[None]

log = logging.getLogger("qaservice.projection")


class Changes:
    """Wakes those who wait for a change of one key, or for the read model to reach a position. Whoever is woken must
    look again: it may have been for nothing."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._for_key: defaultdict[str, set[Waiter]] = defaultdict(set)
        self._for_position: dict[Waiter, tuple[Position, str]] = {}
        self._seen: Checkpoint | None = None
        self._poller: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.closed = False
        """Nobody waits any more."""

    async def of_key(self, key: str, since: Checkpoint, seconds: float) -> None:
        """Return when `key` may have changed after `since`, the checkpoint of the caller's own look, or after
        `seconds`."""
        waiter = self._waiter(since)
        self._for_key[key].add(waiter)
        try:
            await _within(seconds, waiter)
        finally:
            self._for_key[key].discard(waiter)
            if not self._for_key[key]:
                del self._for_key[key]

    async def of_position(self, position: Position, since: Checkpoint, seconds: float, key: str = "") -> None:
        """Return when the checkpoint, or the document of `key`, may have reached `position`, or after `seconds`."""
        waiter = self._waiter(since)
        self._for_position[waiter] = position, key
        try:
            await _within(seconds, waiter)
        finally:
            del self._for_position[waiter]

    def look(self) -> None:
        """Look at the read model now: somebody in this process has changed it."""
        self._news.set()

    def close(self) -> None:
        """Wake everybody; from now on nobody waits."""
        self.closed = True
        self._wake_all()

    def _waiter(self, since: Checkpoint) -> Waiter:
        waiter: Waiter = asyncio.get_running_loop().create_future()
        if self._seen is None:
            self._seen = since
        if self.closed or _moved(since, self._seen):
            waiter.set_result(None)  # the poller has seen more than the caller: look again
        elif self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        self.look()
        return waiter

    async def _poll(self) -> None:
        pause = _SHORTEST_PAUSE
        try:
            while self._for_key or self._for_position:
                pause = _SHORTEST_PAUSE if await self._look() else min(pause * 1.5, _LONGEST_PAUSE)
                if await _within(pause, self._news.wait()):
                    pause = _SHORTEST_PAUSE
                self._news.clear()
        except ReadModelUnavailable:
            pass  # all are woken, look for themselves, and answer 503
        except Exception:  # a fault of this program, or somebody else's document: said, and tried again
            log.exception("could not look for changes")
            await asyncio.sleep(_LONGEST_PAUSE)
        finally:
            self._seen = self._poller = None
            self._wake_all()

    async def _look(self) -> bool:
        """Wake whom the changes since the last look concern; whether there were any."""
        awaited = {key for _, key in self._for_position.values() if key}
        checkpoint, ahead = await self._answers.progress(islice(awaited, _MOST_KEYS))
        seen = self._seen
        if checkpoint is None or seen is None or checkpoint.build != seen.build:
            self._wake_all()
            self._seen = checkpoint
            return True
        moved = _moved(seen, checkpoint)
        if (moved or ahead) and checkpoint.target is None:
            self._wake_positions(checkpoint.position, ahead)
        if moved and self._for_key:
            self._wake_keys(await self._answers.changed(seen))
        self._seen = checkpoint
        return moved

    def _wake_positions(self, reached: Position, ahead: Mapping[str, Position]) -> None:
        waiting = self._for_position.items()
        _wake(waiter for waiter, (position, key) in waiting if position <= max(reached, ahead.get(key, START)))

    def _wake_keys(self, changed: Iterable[str] | None) -> None:
        for key in self._for_key if changed is None else changed:
            _wake(self._for_key.get(key, ()))

    def _wake_all(self) -> None:
        _wake(self._for_position)
        for waiters in self._for_key.values():
            _wake(waiters)


def _moved(before: Checkpoint, after: Checkpoint) -> bool:
    """Whether `after` is further: documents may have changed since `before`, or what their absence means."""
    return _progress(before) < _progress(after)


def _progress(checkpoint: Checkpoint) -> tuple[int, Position, bool]:
    return checkpoint.build, checkpoint.position, checkpoint.target is None


def _wake(waiters: Iterable[Waiter]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


async def _within(seconds: float, awaitable: Awaitable[object]) -> bool:
    """Whether it came in time. Others take their turn before this returns: else a waiter that is woken for nothing,
    again and again, would keep out the poller, which alone can end that."""
    try:
        async with asyncio.timeout(seconds):
            await awaitable
            await asyncio.sleep(0)
    except TimeoutError:
        return False
    return True
