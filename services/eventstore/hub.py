"""All watchers of this process, fed by one subscription to the log."""

import asyncio
from typing import Literal
from uuid import UUID

from qaservice.domain.cursor import Cursor
from qaservice.domain.errors import LogReplaced, LogUnavailable, QaserviceError, TooManyWatchers
from qaservice.domain.recorded import START, Position
from services.eventstore.catch_up import CatchUpReaders
from services.eventstore.changes import Wanted
from services.eventstore.joined import Joined
from services.eventstore.ports import AnswerLog, EventFeed
from services.eventstore.tail import Tail
from services.eventstore.watch import Live, Watch

_LINGER_SECONDS = 30.0
_PATIENCE_SECONDS = 8.0

Since = Cursor | Literal["start", "now"]


class Hub:
    """Where watches begin. The subscription starts with the first of them, and ends a while after the last.

    `watchers`: how many there are.
    """

    def __init__(self, log: AnswerLog, feed: EventFeed, *, most: int, heartbeat: float) -> None:
        """`most` may watch at a time. `heartbeat`: seconds that a watch waits for a change before it gives none."""
        self.watchers = 0
        self._feed = feed
        self._most = most
        self._heartbeat = heartbeat
        self._readers = CatchUpReaders(log, feed)
        self._tail: Tail | None = None
        self._live = Live()
        self._watches: set[Watch] = set()
        self._ask = Joined(self._find_place)
        self._resting: asyncio.TimerHandle | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def watch(self, wanted: Wanted, since: Since) -> Watch:
        """All wanted changes after a place, and whatever is written once this has returned. `leave` in the end.

        Raises TooManyWatchers, LogUnavailable; InputNotValid for a cursor that is no place of this log."""
        if self.watchers >= self._most:
            raise TooManyWatchers(f"{self.watchers} watch already")
        self.watchers += 1
        try:
            now = await self._now()
            tail = self._tail
            if tail is None or self._closed:
                raise LogUnavailable("the log was replaced just now, or this process is about to end")
            watch = Watch(wanted, _place(since, tail.store, now), tail, self._readers, self._live, self._heartbeat)
        except BaseException:  # also where the client has gone, and the request was cancelled
            self.watchers -= 1
            self._rest_soon()
            raise
        self._watches.add(watch)
        return watch

    def leave(self, watch: Watch) -> None:
        """The watcher has left."""
        self.watchers -= 1
        self._watches.discard(watch)
        watch.close()
        self._rest_soon()

    def end(self) -> None:
        """End all watches, at once; there will be no others."""
        self._closed = True
        self._end_all(None)

    async def close(self) -> None:
        """End all watches, and follow the log no more."""
        self.end()
        if self._resting is not None:
            self._resting.cancel()
        self._stop_following()
        await asyncio.gather(*self._stopping)

    async def _now(self) -> Position:
        """A place after all that was written before this was called. Raises LogUnavailable."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._ask()
        except TimeoutError:
            raise LogUnavailable("the log has not said in time where it ends") from None

    async def _find_place(self) -> Position:
        """A place after all that is written. The tail follows the log from here, or from further back."""
        if self._tail is not None:
            return await self._feed.now()
        store = await self._feed.store_id()
        now = await self._feed.now()
        if not self._closed:
            self._tail = Tail(self._feed, store, now, self._live.deliver, self._replaced)
        return now

    def _replaced(self, error: LogReplaced) -> None:
        """Cut off all watchers: one that resumes then learns that its cursor is of another log."""
        self._tail = None
        self._end_all(error)

    def _end_all(self, error: QaserviceError | None) -> None:
        for watch in self._watches:
            watch.end(error)

    def _rest_soon(self) -> None:
        if self.watchers == 0 and self._resting is None and not self._closed:
            self._resting = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._rest)

    def _rest(self) -> None:
        self._resting = None
        if self.watchers == 0:
            self._stop_following()

    def _stop_following(self) -> None:
        if self._tail is not None:
            stopping = asyncio.create_task(self._tail.stop())
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
            self._tail = None


def _place(since: Since, store: UUID, now: Position) -> Cursor:
    """Where a watch begins, in the log `store` that ends at `now`. Raises InputNotValid."""
    if isinstance(since, Cursor):
        since.require(store, now)
        return since
    return Cursor(store, START if since == "start" else now)
