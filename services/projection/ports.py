"""What the projection service needs of a read model."""

from collections.abc import Sequence
from typing import Protocol

from qaservice.domain.readmodel import Checkpoint, Snapshot
from qaservice.domain.recorded import Position


class Answers(Protocol):
    """The documents. Every method raises ReadModelUnavailable."""

    async def get(self, key: str) -> Snapshot:
        """The document and the checkpoint of one moment."""
        ...

    async def changed(self, after: Position) -> Sequence[str] | None:
        """The keys of the documents whose position is higher; None where there are too many to tell."""
        ...

    async def checkpoint(self) -> Checkpoint | None:
        """The checkpoint; None before the first build."""
        ...
