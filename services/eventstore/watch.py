"""A watcher: gets every change that it wants, in order, without a gap and without merging."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from qaservice.domain.cursor import Cursor
from qaservice.domain.errors import QaserviceError, WatcherTooSlow
from qaservice.domain.recorded import Position
from services.eventstore.catch_up import CatchUp, CatchUpReaders
from services.eventstore.changes import Change, Wanted
from services.eventstore.tail import Tail

_QUEUE_CHANGES, _QUEUE_BYTES = 256, 4 << 20


class Live:
    """The watchers that have all that the tail has handed out, and get what it hands out next."""

    def __init__(self) -> None:
        self._of_one: defaultdict[str, set[Watch]] = defaultdict(set)
        self._of_all: defaultdict[str, set[Watch]] = defaultdict(set)

    def deliver(self, change: Change) -> None:
        """Give it to all that want it."""
        for watch in self._of_one.get(change.key, ()):
            watch.put(change)
        for prefix, watches in self._of_all.items():
            if change.key.startswith(prefix):
                for watch in watches:
                    watch.put(change)

    def join(self, watch: "Watch") -> None:
        """Add a watcher that has all up to now."""
        self._same(watch.wanted)[watch.wanted.text].add(watch)

    def leave(self, watch: "Watch") -> None:
        """Remove a watcher, if it is here."""
        same, text = self._same(watch.wanted), watch.wanted.text
        same[text].discard(watch)
        if not same[text]:
            del same[text]

    def _same(self, wanted: Wanted) -> "defaultdict[str, set[Watch]]":
        return self._of_all if wanted.is_prefix else self._of_one


class Watch:
    """One watcher: it first gets what it has missed, from the ring or, page by page, from the log; then what comes.

    `since` is where it began. `over` is done when there will be no more: with an error where it was cut off.
    """

    def __init__(
        self, wanted: Wanted, since: Cursor, tail: Tail, readers: CatchUpReaders, live: Live, heartbeat: float
    ) -> None:
        """`heartbeat` in seconds."""
        self.wanted = wanted
        self.since = since
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tail = tail
        self._live = live
        self._heartbeat = heartbeat
        self._catch_up = CatchUp(readers, tail, wanted, since)
        self._reading: asyncio.Task[Sequence[Change]] | None = None
        self._is_live = False
        self._queue: list[Change] = []
        self._bytes = 0
        self._news = asyncio.Event()

    @property
    def reached(self) -> Position:
        """All that is wanted up to here has been taken."""
        return self._tail.position if self._is_live and not self._queue else self._catch_up.position

    async def take(self) -> Sequence[Change]:
        """The next changes, in order; none where none came for as long as the heartbeat. Raises LogReplaced,
        UndecodableEvent."""
        while not self._is_live:
            if self._reading is None and self._catch_up.position >= self._tail.ring.after:
                page = self._tail.ring.page(self._catch_up.position, self.wanted)
                if page:
                    self._catch_up.position = page[-1].position
                    return page
                self._is_live = True
                self._live.join(self)
            elif (read := await self._read()) is None or read:
                return read or ()
        return await self._queued()

    def put(self, change: Change) -> None:
        """Queue a change; a watcher that lets too many wait is cut off."""
        if change.position <= self._catch_up.position:
            return
        self._queue.append(change)
        self._bytes += change.size
        self._news.set()
        if len(self._queue) > _QUEUE_CHANGES or self._bytes > _QUEUE_BYTES:
            self.end(WatcherTooSlow(f"{len(self._queue)} changes wait to be taken"))

    def end(self, error: QaserviceError | None = None) -> None:
        """There will be no more."""
        if not self.over.done():
            if error is None:
                self.over.set_result(None)
            else:
                self.over.set_exception(error)
                self.over.exception()  # also where nobody looks any more

    def close(self) -> None:
        """The watcher has left."""
        if self._reading is not None:
            self._reading.cancel()
        self._live.leave(self)

    async def _read(self) -> Sequence[Change] | None:
        """The next page from the log; None where that takes longer than the heartbeat."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._catch_up.page())
        if not (await asyncio.wait({self._reading}, timeout=self._heartbeat))[0]:
            return None
        reading, self._reading = self._reading, None
        return reading.result()

    async def _queued(self) -> Sequence[Change]:
        if not self._queue:
            try:
                async with asyncio.timeout(self._heartbeat):
                    await self._news.wait()
            except TimeoutError:
                return ()
        taken, self._queue, self._bytes = self._queue, [], 0
        self._news.clear()
        return taken
