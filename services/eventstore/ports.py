"""What the event store service needs of a log."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol
from uuid import UUID

from qaservice.domain.readmodel import Checkpoint
from qaservice.domain.recent import Decide
from qaservice.domain.recorded import Appended, Batch, Metadata, Position, Recorded


class AnswerLog(Protocol):
    """The events of every answer, in order. Every method raises LogUnavailable."""

    async def append(self, key: str, decide: Decide, *, id: UUID, metadata: Metadata) -> Appended:
        """Read the answer's recent events, decide, append at exactly the revision read: one step that no caller can
        split. Where the decision is an event that was recorded before, nothing is appended. What `decide` raises comes
        out here, and nothing was stored. `decide` is pure: it may run in another thread, and again. Raises
        OutcomeUnknown where the append may or may not be stored, UndecodableEvent where the answer's last event can't
        be read."""
        ...

    async def last(self, key: str) -> Recorded | None:
        """The answer's last event; None where nothing was ever stored. Raises UndecodableEvent."""
        ...

    async def at(self, key: str, revision: int) -> Recorded | None:
        """The answer's event of this revision, found by one read; None where there is none. Raises
        UndecodableEvent."""
        ...

    def history(self, key: str, revisions: range) -> AsyncGenerator[Sequence[Recorded], None]:
        """The answer's events of these revisions, which must all exist: in pages, in this order, which goes up or down
        one by one. Raises UndecodableEvent."""
        ...

    async def store_id(self) -> UUID:
        """The log's own name, made once with it."""
        ...

    async def check(self) -> None:
        """Return if the log can be read and written."""
        ...


class EventFeed(Protocol):
    """The events of all answers in the log's order. Every method raises LogUnavailable."""

    async def store_id(self) -> UUID:
        """The log's own name, made once with it."""
        ...

    async def now(self) -> Position:
        """A place behind every event of ours that is stored by now, found quickly whatever else the log holds; START
        where there is nothing."""
        ...

    async def holds(self, checkpoint: Checkpoint) -> bool:
        """Whether the log reaches to the checkpoint's position and the event that it names stands there."""
        ...

    def follow(self, after: Position) -> AsyncGenerator[Batch, None]:
        """All events after a position, in order, then those to come; an empty batch at least every second or so.
        Raises LogReplaced. May be called by many at once."""
        ...
