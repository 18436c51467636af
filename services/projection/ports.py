"""What the projection service needs of a read model."""

from typing import Protocol

from qaservice.domain.readmodel import Checkpoint, Snapshot


class Answers(Protocol):
    """The documents. Every method raises ReadModelUnavailable."""

    async def get(self, key: str) -> Snapshot:
        """The document and the checkpoint of one moment."""
        ...

    async def checkpoint(self) -> Checkpoint | None:
        """The checkpoint; None before the first build."""
        ...
