"""The embedded stores, with faults that a test orders."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from itertools import chain, repeat
from typing import TypeVar
from uuid import UUID

from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.recorded import Batch, Position
from services.projector.ports import EventFeed, ReadModel

T = TypeVar("T")


class Crash(BaseException):
    """The process died here: nothing of it runs on."""


class Faults:
    """Each call of a store is two steps, before it has its effect and after; each step takes the next fault."""

    def __init__(self, *faults: BaseException | None, then: BaseException | None = None) -> None:
        """`then` is what all later steps take; None: no fault."""
        self._faults: Iterator[BaseException | None] = chain(faults, repeat(then))
        self.steps = 0
        self.calls: list[str] = []

    def end(self) -> None:
        """From now on all goes well."""
        self._faults = repeat(None)

    async def call(self, name: str, effect: Callable[[], Awaitable[T]]) -> T:
        """What `effect` gives, if nothing goes wrong."""
        self.calls.append(name)
        self.step()
        result = await effect()
        self.step()
        return result

    def step(self) -> None:
        """Raise what is next."""
        self.steps += 1
        fault = next(self._faults)
        if fault is not None:
            raise fault


def at_step(number: int, fault: BaseException) -> Faults:
    """One fault, after `number` steps that went well."""
    return Faults(*[None] * number, fault)


class FaultyFeed:
    """A feed of small batches, with faults. `endings`: how often it ends, each time after a batch."""

    def __init__(self, feed: EventFeed, faults: Faults, *, largest_batch: int = 500, endings: int = 0) -> None:
        self._feed = feed
        self._faults = faults
        self._largest_batch = largest_batch
        self._endings = endings

    async def store_id(self) -> UUID:
        return await self._faults.call("store_id", self._feed.store_id)

    async def end(self) -> Position:
        return await self._faults.call("end", self._feed.end)

    async def holds(self, checkpoint: Checkpoint) -> bool:
        return await self._faults.call("holds", lambda: self._feed.holds(checkpoint))

    async def follow(self, after: Position) -> AsyncGenerator[Batch, None]:
        self._faults.calls.append("follow")
        async with aclosing(self._feed.follow(after)) as batches:
            async for batch in batches:
                for part in _parts(batch, self._largest_batch):
                    self._faults.step()
                    yield part
                    if self._endings:
                        self._endings -= 1
                        return


class FaultyModel:
    """A read model with faults."""

    def __init__(self, model: ReadModel, faults: Faults) -> None:
        self._model = model
        self._faults = faults

    async def checkpoint(self) -> Checkpoint | None:
        return await self._faults.call("checkpoint", self._model.checkpoint)

    async def begin(self, checkpoint: Checkpoint) -> bool:
        return await self._faults.call("begin", lambda: self._model.begin(checkpoint))

    async def apply(self, documents: Sequence[Document], checkpoint: Checkpoint) -> bool:
        return await self._faults.call("apply", lambda: self._model.apply(documents, checkpoint))


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    events = batch.events
    while len(events) > size:
        yield Batch(events[:size], events[size - 1].position, at_end=False)
        events = events[size:]
    yield Batch(events, batch.end, batch.at_end)
