"""The projector: follows the log and keeps the read model equal to a fold of it.

A crash anywhere repeats work without changing anything: documents are guarded by their revision, and the checkpoint
moves only after them. Whatever goes wrong ends in a retry with backoff, and health says so; nothing is ever skipped.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

from qaservice.domain.answers import evolve
from qaservice.domain.errors import QaserviceError, UndecodableEvent
from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.recorded import START, Batch, Recorded, Undecodable
from services.projector.ports import EventFeed, ReadModel

log = logging.getLogger("qaservice.projector")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_CONFIRM_EVERY = 1.0


class Projector:
    """The one consumer of a log, in its order. `trouble` says why it does not follow, None while it does;
    `confirmed` is the last moment at which nothing was missing."""

    def __init__(self, feed: EventFeed, model: ReadModel, applied: Callable[[int], None]) -> None:
        """`applied` is told the number of events of each durable batch."""
        self._feed = feed
        self._model = model
        self._applied = applied
        self._stopping = asyncio.Event()
        self.trouble: str | None = "starting"
        self.confirmed: datetime | None = None
        self.last_turn = time.monotonic()

    async def run(self) -> None:
        """Follow until `stop`, whatever happens to log and read model."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._follow(await self._resume())
            except QaserviceError as error:
                self._say(f"{type(error).__name__}: {error}")
            self.last_turn = time.monotonic()
            pause = _FIRST_PAUSE if self.last_turn - began > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            await self._rest(pause * random.uniform(0.5, 1.0))

    def stop(self) -> None:
        """End `run` after the batch under way."""
        self._stopping.set()

    async def _resume(self) -> Checkpoint:
        """The checkpoint to go on from; that of a new build where there is none, or none of this log."""
        store = await self._feed.store_id()
        checkpoint = await self._model.checkpoint()
        if checkpoint is None:
            reason = "the read model is empty"
        elif checkpoint.store != store:
            reason = f"the log was replaced: store {checkpoint.store} became {store}"
        elif not await self._feed.holds(checkpoint):
            reason = f"the log was replaced: it no longer holds the event at position {checkpoint.event_position}"
        else:
            return checkpoint
        build = 1 if checkpoint is None else checkpoint.build + 1
        first = Checkpoint(store, build, START, target=await self._feed.end())
        if await self._model.begin(first):
            log.warning("building the read model from the start: %s", reason, extra={"build": build})
            return first
        return await self._model.checkpoint() or first  # another projector was faster

    async def _follow(self, checkpoint: Checkpoint) -> None:
        saved = 0.0
        async with aclosing(self._feed.follow(checkpoint.position)) as batches:
            async for batch in batches:
                events = _readable(batch.events)
                checkpoint = self._moved(checkpoint, batch, events)
                building = checkpoint.target is not None
                if events or building or time.monotonic() - saved > _CONFIRM_EVERY:
                    if not await self._model.apply(_documents(events), checkpoint):
                        self._say("another projector has begun a new build")
                        return
                    saved = time.monotonic()
                    self._applied(len(events))
                if len(events) < len(batch.events):
                    raise _undecodable(batch.events[len(events)])
                self._say(None)
                self.confirmed = checkpoint.confirmed
                self.last_turn = time.monotonic()
                if self._stopping.is_set():
                    return
        self._say("the log's feed ended")

    def _moved(self, checkpoint: Checkpoint, batch: Batch, events: Sequence[Recorded]) -> Checkpoint:
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
            target=None if target is None or batch.end >= target else target,
            confirmed=datetime.now(UTC) if batch.at_end else checkpoint.confirmed,
        )

    def _say(self, trouble: str | None) -> None:
        """Keep the present state for health, and log each change of it once."""
        if trouble != self.trouble:
            if trouble is None:
                log.info("following the log")
            else:
                log.error("stopped following the log: %s", trouble)
        self.trouble = trouble

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _readable(events: Sequence[Recorded | Undecodable]) -> list[Recorded]:
    """The events before the first that can't be read."""
    readable: list[Recorded] = []
    for event in events:
        if isinstance(event, Undecodable):
            break
        readable.append(event)
    return readable


def _documents(events: Sequence[Recorded]) -> list[Document]:
    """The newest document of each key."""
    newest = {recorded.event.key: recorded for recorded in events}
    documents = []
    for key, recorded in newest.items():
        answer = evolve(None, recorded.event)
        value = None if answer is None else answer.value
        documents.append(Document(key, value, recorded.revision, recorded.position))
    return documents


def _undecodable(event: Recorded | Undecodable) -> UndecodableEvent:
    assert isinstance(event, Undecodable)
    return UndecodableEvent(f"position {event.position}, key {event.key!r}: {event.reason}")
