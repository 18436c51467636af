"""The checkpoint as a row of the read model's file."""

import sqlite3
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from qaservice.domain.readmodel import Checkpoint

CHECKPOINT_COLUMNS = "c.store, c.build, c.position, c.event_position, c.event_id, c.target, c.confirmed"
CHECKPOINT = f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoint c"
CHECKPOINT_WIDTH = CHECKPOINT.count("c.")


def stored_checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    """The one there is. Raises sqlite3.Error."""
    row = connection.execute(CHECKPOINT).fetchone()
    return None if row is None else checkpoint_of(row)


def row_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as it is stored; its members by the names of the columns."""
    confirmed = checkpoint.confirmed
    return {
        "store": str(checkpoint.store),
        "build": checkpoint.build,
        "position": checkpoint.position,
        "event_position": checkpoint.event_position,
        "event_id": checkpoint.event_id and str(checkpoint.event_id),
        "target": checkpoint.target,
        "confirmed": confirmed and confirmed.isoformat(timespec="microseconds"),  # so that text compares as time
    }


@lru_cache(maxsize=8)  # most reads find the checkpoint that the one before has found
def checkpoint_of(row: tuple[Any, ...]) -> Checkpoint:
    """The inverse: a row of CHECKPOINT_COLUMNS."""
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
