"""The projector: follows the log and keeps the read model equal to a fold of it.

A crash anywhere repeats work without changing anything: documents are guarded by their revision, and the checkpoint
moves only after them. Whatever goes wrong ends in a retry with backoff, and health says so; nothing is ever skipped.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

from qaservice.domain.errors import QaserviceError
from qaservice.domain.readmodel import Checkpoint, Document, document_of
from qaservice.domain.recorded import START, Batch, Position, Recorded, Undecodable
from services.projector.ports import EventFeed, ReadModel

log = logging.getLogger("qaservice.projector")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_CONFIRM_EVERY = 1.0


class Projector:
    """The one consumer of a log, in its order. `trouble` says why it does not follow, None while it does;
    `confirmed` is the last moment at which nothing was missing; everything up to `position` is in the read model;
    `last_turn` (`time.monotonic`) is when something last came of its work, be it an error."""

    def __init__(self, feed: EventFeed, model: ReadModel, applied: Callable[[int], None]) -> None:
        """`applied` is told the number of events of each durable batch."""
        self._feed = feed
        self._model = model
        self._applied = applied
        self._stopping = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._pause = _FIRST_PAUSE
        self.trouble: str | None = "starting"
        self.confirmed: datetime | None = None
        self.position: Position = START
        self.last_turn = time.monotonic()

    async def run(self) -> None:
        """Follow until `stop`, whatever happens to log and read model."""
        while not self._stopping.is_set():
            try:
                await self._follow()
            except QaserviceError as error:
                self._say(f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001  a fault of this program: said, and tried again
                self._say(f"unexpected {error!r}", error)
            self.last_turn = time.monotonic()
            await self._rest()

    def stop(self) -> None:
        """End `run` after the batch under way."""
        self._stopping.set()
        if self._waiting is not None:
            self._waiting.reschedule(0)  # in the past: the wait for a batch ends now

    async def _follow(self) -> None:
        checkpoint = await self._resume()
        self.position, self.confirmed = checkpoint.position, checkpoint.confirmed
        saved = 0.0
        async with aclosing(self._feed.follow(checkpoint.position)) as batches:
            while (batch := await self._next(batches)) is not None:
                events, unreadable = _readable(batch.events)
                checkpoint = _moved(checkpoint, batch, events)
                building = checkpoint.target is not None
                if events or building or time.monotonic() - saved > _CONFIRM_EVERY:
                    if not await self._model.apply(_documents(events), checkpoint):
                        self._say("the read model is another one than before, or is being built by another projector")
                        return
                    saved = time.monotonic()
                    self._applied(len(events))
                self.position, self.confirmed = checkpoint.position, checkpoint.confirmed
                self.last_turn = time.monotonic()
                if unreadable is not None:
                    raise unreadable.error()
                self._say(None)
                self._pause = _FIRST_PAUSE

    async def _resume(self) -> Checkpoint:
        """The checkpoint to go on from; where there is none, or none of this log, that of a build begun now."""
        checkpoint = await self._model.checkpoint()
        store = await self._feed.store_id()
        if checkpoint is None:
            reason = "the read model is empty"
        elif checkpoint.store != store:
            reason = f"the log was replaced: store {checkpoint.store} became {store}"
        elif not await self._feed.holds(checkpoint):
            reason = f"the log was replaced: it no longer holds the event at position {checkpoint.position}"
        else:
            return checkpoint
        # By the clock, so that a read model that was dropped under a projector is not begun with an old number again.
        last, confirmed = (0, None) if checkpoint is None else (checkpoint.build, checkpoint.confirmed)
        build = max(last + 1, time.time_ns() // 1_000_000)
        first = Checkpoint(store, build, START, target=await self._feed.end(), confirmed=confirmed)
        if not await self._model.begin(first):
            return await self._resume()  # another projector was faster
        self.trouble = f"building the read model from the start: {reason}"
        log.warning("%s", self.trouble, extra={"build": build})
        return first

    async def _next(self, batches: AsyncGenerator[Batch, None]) -> Batch | None:
        """The next batch; None where the feed ended, and where `stop` was called."""
        try:
            async with asyncio.timeout(None) as self._waiting:
                return None if self._stopping.is_set() else await anext(batches)
        except StopAsyncIteration:
            self._say("the log's feed ended")
        except TimeoutError:
            if not self._stopping.is_set():
                raise
        finally:
            self._waiting = None
        return None

    def _say(self, trouble: str | None, fault: Exception | None = None) -> None:
        """Keep the present state for health, and log each change of it once."""
        if trouble != self.trouble:
            if trouble is None:
                log.info("following the log")
            else:
                log.error("stopped following the log: %s", trouble, exc_info=fault)
        self.trouble = trouble

    async def _rest(self) -> None:
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        try:
            async with asyncio.timeout(pause * random.uniform(0.5, 1.0)):
                await self._stopping.wait()
        except TimeoutError:
            return


def _moved(checkpoint: Checkpoint, batch: Batch, events: Sequence[Recorded]) -> Checkpoint:
    """The checkpoint once `events`, the readable ones of `batch`, are in."""
    if events:
        last = events[-1]
        checkpoint = replace(checkpoint, position=last.position, event_position=last.position, event_id=last.id)
    if len(events) < len(batch.events):
        return checkpoint
    target = checkpoint.target
    return replace(
        checkpoint,
        position=batch.end,
        target=None if target is None or batch.at_end or batch.end >= target else target,
        confirmed=datetime.now(UTC) if batch.at_end else checkpoint.confirmed,
    )


def _readable(events: Sequence[Recorded | Undecodable]) -> tuple[list[Recorded], Undecodable | None]:
    """The events before the first that can't be read, and that one."""
    readable: list[Recorded] = []
    for event in events:
        if isinstance(event, Undecodable):
            return readable, event
        readable.append(event)
    return readable, None


def _documents(events: Sequence[Recorded]) -> list[Document]:
    """The newest document of each key."""
    newest = {recorded.event.key: recorded for recorded in events}
    return [document_of(recorded) for recorded in newest.values()]
