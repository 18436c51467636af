"""What the projector needs: a log to follow and a read model to keep."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol
from uuid import UUID

from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.recorded import Batch, Position


class EventFeed(Protocol):
    """The log in its order. Every method raises LogUnavailable."""

    async def store_id(self) -> UUID:
        """The log's own name, made once with it."""
        ...

    async def end(self) -> Position:
        """The position of the last event of ours; START where there is none."""
        ...

    async def holds(self, checkpoint: Checkpoint) -> bool:
        """Whether the log reaches to the checkpoint's position and the event that was applied last stands there."""
        ...

    def follow(self, after: Position) -> AsyncGenerator[Batch, None]:
        """All events after a position, in order, then those to come; an empty batch at least every second or so.
        Raises LogReplaced. May be called by many at once."""
        ...


class ReadModel(Protocol):
    """Documents and the checkpoint that goes with them. Every method raises ReadModelUnavailable."""

    async def checkpoint(self) -> Checkpoint | None:
        """The stored checkpoint; None before the first build."""
        ...

    async def begin(self, checkpoint: Checkpoint) -> bool:
        """Start the build that the checkpoint names. False: as new a build is there already."""
        ...

    async def apply(self, documents: Sequence[Document], checkpoint: Checkpoint) -> bool:
        """Store each document where the stored one is of an older build or has a lower revision; when all are
        durable, move the checkpoint up, never down: a build that is complete stays so, `confirmed` stays where
        the checkpoint has none. A checkpoint without target ends the build: what older builds left is removed before.
        False: another build was begun, nothing may be applied."""
        ...
