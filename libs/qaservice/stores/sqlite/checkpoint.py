"""The checkpoint in the read model's file."""

import sqlite3

from qaservice.domain.readmodel import Checkpoint
from qaservice.stores.checkpoint_row import NAMES, checkpoint_of

CHECKPOINT_COLUMNS = ", ".join(f"c.{name}" for name in NAMES)
CHECKPOINT = f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoint c"
CHECKPOINT_WIDTH = len(NAMES)


def stored_checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    """The one there is. Raises sqlite3.Error."""
    row = connection.execute(CHECKPOINT).fetchone()
    return None if row is None else checkpoint_of(row)
