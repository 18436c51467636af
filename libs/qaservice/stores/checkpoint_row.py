"""The checkpoint as the read models store it: a row of plain values."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from qaservice.domain.readmodel import Checkpoint

NAMES = ("store", "build", "position", "event_position", "event_id", "target", "confirmed")
"""NOTE: stored."""


def row_of(checkpoint: Checkpoint) -> dict[str, str | int | None]:
    """A checkpoint as it is stored, by NAMES."""
    event_id, confirmed = checkpoint.event_id, checkpoint.confirmed
    return {
        "store": str(checkpoint.store),
        "build": checkpoint.build,
        "position": checkpoint.position,
        "event_position": checkpoint.event_position,
        "event_id": None if event_id is None else str(event_id),
        "target": checkpoint.target,
        "confirmed": None if confirmed is None else confirmed.astimezone(UTC).isoformat(timespec="microseconds"),
    }


@lru_cache(maxsize=8)  # most reads find the checkpoint that the one before has found
def checkpoint_of(row: tuple[Any, ...]) -> Checkpoint:
    """The inverse: values in the order of NAMES."""
    store, build, position, event_position, event_id, target, confirmed = row
    return Checkpoint(
        store=UUID(store),
        build=build,
        position=position,
        event_position=event_position,
        event_id=event_id and UUID(event_id),
        target=target,
        confirmed=confirmed and datetime.fromisoformat(confirmed),
    )
