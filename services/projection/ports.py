"""What the projection service needs of a read model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from qaservice.domain.listing import KeyRange, Listing
from qaservice.domain.readmodel import Checkpoint, Snapshot
from qaservice.domain.recorded import Position


class Answers(Protocol):
    """The documents. Every method raises ReadModelUnavailable."""

    async def get(self, key: str) -> Snapshot:
        """The document and the checkpoint of one moment."""
        ...

    async def page(self, keys: KeyRange, limit: int) -> Listing:
        """At most `limit` answers that exist, fewer where their values fill about a mebibyte, in the order of their
        keys. What it lists means nothing where its checkpoint is not complete."""
        ...

    async def changed(self, since: Checkpoint) -> Sequence[str] | None:
        """The keys of the documents of its build whose position is higher; None where there are too many to tell."""
        ...

    async def progress(self, keys: Iterable[str]) -> tuple[Checkpoint | None, Mapping[str, Position]]:
        """The checkpoint, and the position of each of these documents, where documents can be ahead of it."""
        ...

    async def checkpoint(self) -> Checkpoint | None:
        """The checkpoint; None before the first build."""
        ...
