"""Reads on the event loop: a point read takes microseconds, a hop to a thread would cost ten times more."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qaservice.domain.errors import Unavailable
from qaservice.stores.sqlite_file import Inode, in_words, inode_of, open_for_reading

_LOOK_AT_FILE_EVERY = 1.0
_PAGE_BYTES = 1 << 20

Row = Sequence[Any]


class Reader:
    """A connection that reads: of its own to a file, opened when first needed and again after an error or when the
    file was replaced; or the one connection of a database in memory."""

    def __init__(self, source: Path | sqlite3.Connection, failed: type[Unavailable]) -> None:
        self.replacements = 0
        """How often the file was found to be another one than before."""
        self._path = source if isinstance(source, Path) else None
        self._connection = None if isinstance(source, Path) else source
        self._failed = failed
        self._inode: Inode | None = None
        self._looked = 0.0

    def row(self, sql: str, parameters: Row = ()) -> Row | None:
        """The first row, or None. Raises the error this reader was made with."""
        try:
            row: Row | None = self._connected().execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise self._given_up(error) from error
        return row

    def page(self, sql: str, parameters: Row, value_column: int) -> list[Row]:
        """The first rows, as many as fit in about a mebibyte of values. Raises the error this reader was made with."""
        rows: list[Row] = []
        size = 0
        try:
            cursor = self._connected().execute(sql, parameters)
            for row in cursor:
                rows.append(row)
                size += len(row[value_column] or "")
                if size > _PAGE_BYTES:
                    break
            cursor.close()  # an open cursor would keep the file from being checkpointed
        except sqlite3.Error as error:
            raise self._given_up(error) from error
        return rows

    def close(self) -> None:
        """Close the file; a database in memory belongs to its writer."""
        if self._path is not None and self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._path is not None:
            self._look_at_file(self._path)
            if self._connection is None:
                self._connection = open_for_reading(self._path)
        assert self._connection is not None
        return self._connection

    def _look_at_file(self, path: Path) -> None:
        now = time.monotonic()
        if self._connection is not None and now < self._looked + _LOOK_AT_FILE_EVERY:
            return
        self._looked = now
        inode = inode_of(path)
        if inode != self._inode:
            self.replacements += self._inode is not None
            self._inode = inode
            self.close()

    def _given_up(self, error: sqlite3.Error) -> Unavailable:
        self.close()
        return self._failed(in_words(self._path, error))
