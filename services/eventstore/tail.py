"""The end of the log as it grows, followed once for all watchers of this process."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from uuid import UUID

from qaservice.domain.errors import LogReplaced, QaserviceError
from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recorded import Position, Recorded, Undecodable
from services.eventstore.changes import Change, Ring, change_of
from services.eventstore.ports import EventFeed

log = logging.getLogger("qaservice.watch")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_AT_ONCE = 64  # changes; then the watchers take theirs, so that more of them wait only for a slow one


class Tail:
    """Follows the log `store` and resumes by itself. Everything behind `ring.after` and up to `position` is in `ring`,
    and was given to `deliver`."""

    def __init__(
        self,
        feed: EventFeed,
        store: UUID,
        end: Position,
        deliver: Callable[[Change], None],
        replaced: Callable[[LogReplaced], None],
    ) -> None:
        """`end`: where to begin. `replaced` is called when the log is another one; that ends it."""
        self.store = store
        self.position = end
        self.ring = Ring(end)
        self._feed = feed
        self._deliver = deliver
        self._replaced = replaced
        self._last: Recorded | None = None
        self._trouble = ""
        self._pauses = pauses()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Follow no more."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            try:
                await self._check()
                await self._follow()
                self._say("the log's feed ended")
            except LogReplaced as error:
                self._say(str(error))
                self._replaced(error)
                return
            except QaserviceError as error:
                self._say(f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001  a fault of this program: said, and tried again
                self._say(f"unexpected {error!r}", error)
            await asyncio.sleep(next(self._pauses))

    async def _check(self) -> None:
        """Raises LogReplaced where the log does not go on from where this is."""
        store, last = await self._feed.store_id(), self._last
        if store != self.store:
            raise LogReplaced(f"store {self.store} became {store}")
        at = (None, None) if last is None else (last.position, last.id)
        if not await self._feed.holds(Checkpoint(store, 0, self.position, *at)):
            raise LogReplaced(f"the log no longer holds what stood at position {self.position}")

    async def _follow(self) -> None:
        async with aclosing(self._feed.follow(self.position)) as batches:
            async for batch in batches:
                if self._trouble:
                    self._say("")
                    self._pauses = pauses()
                await self._hand_out(batch.events)
                self.position = batch.end

    async def _hand_out(self, events: Sequence[Recorded | Undecodable]) -> None:
        for start in range(0, len(events), _AT_ONCE):
            for event in events[start : start + _AT_ONCE]:
                change = change_of(event)
                self.position = change.position
                self._last = event if isinstance(event, Recorded) else None
                self.ring.add(change)
                self._deliver(change)
            await asyncio.sleep(0)

    def _say(self, trouble: str, fault: Exception | None = None) -> None:
        """Log each change of state once."""
        if trouble and trouble != self._trouble:
            log.error("stopped following the log for those who watch: %s", trouble, exc_info=fault)
        elif self._trouble and not trouble:
            log.info("following the log for those who watch again")
        self._trouble = trouble


def pauses() -> Iterator[float]:
    """Seconds to wait between tries, for ever; they grow, and have jitter."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE)
