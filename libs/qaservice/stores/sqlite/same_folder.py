"""A file that is written is made in one folder alone: the one where it was first opened.

Where that folder was unmounted, moved away or replaced, a new and empty file in its place would be written to as if it
were all there is.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from qaservice.stores.sqlite.names import Inode, inode

_SECONDS_TO_DELETE = 0.1


class InSameFolder:
    """Opens a file anew only where its folder is the one of the first opening that succeeded."""

    def __init__(self, path: Path, opened: Callable[[], sqlite3.Connection]) -> None:
        """`opened` gives a fresh connection or raises sqlite3.Error. To be called in a thread: it may wait a moment."""
        self._path = path
        self._opened = opened
        self._first: Inode | None = None

    def __call__(self) -> sqlite3.Connection:
        """A fresh connection. Raises sqlite3.Error."""
        if self._first is not None and inode(self._path.parent) != self._first:
            raise sqlite3.OperationalError(
                "the folder is gone or another one than at the start: put it back, or restart to begin there"
            )
        if self._first is not None and not self._path.exists():
            # Whoever deletes a file deletes those beside it one by one, and ours must not be among them.
            time.sleep(_SECONDS_TO_DELETE)
        connection = self._opened()
        self._first = inode(self._path.parent)
        return connection
