"""What export and import need: a log to read and a log to take the events over."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol
from uuid import UUID

from qaservice.domain.recorded import Batch, Position, Recorded


class EventFeed(Protocol):
    """The log in its order. Every method raises LogUnavailable."""

    async def store_id(self) -> UUID:
        """The log's own name, made once with it."""
        ...

    async def end(self) -> Position:
        """The position of the last event of ours; START where there is none."""
        ...

    def follow(self, after: Position) -> AsyncGenerator[Batch, None]:
        """All events after a position, in order. Raises LogReplaced."""
        ...


class EventSink(Protocol):
    """A log that takes over the events of another: their ids, revisions, times and metadata stay as they are.

    `disorder`: how many events the log's order may be away from the order in which they came; 0: it is the same.
    Every method raises LogUnavailable.
    """

    disorder: int

    async def add(self, events: Sequence[Recorded], previous: Recorded | None) -> None:
        """Append the next events; `previous` is the one that came before them. When this returns all of them are
        stored; when it raises, of each key a first part may be. Raises DoesNotFollow where they are not the next ones:
        a revision is missing, or others write to the log too."""
        ...
