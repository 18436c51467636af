"""Reads on the event loop: a point read takes microseconds, a hop to a thread would cost ten times more."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from qaservice.domain.errors import Unavailable
from qaservice.stores.sqlite.file import in_words, open_for_reading
from qaservice.stores.sqlite.handle import Handle

_LOOK_AT_FILE_EVERY = 1.0  # seconds
PAGE_BYTES = 1 << 20
"""A page ends with the row that brings its last column over this."""

Row = Sequence[Any]


class Page(NamedTuple):
    """Rows, and whether they are all there are."""

    rows: list[Row]
    complete: bool


class Reader:
    """Reads a file over a connection of its own, or a database in memory over the one it has."""

    def __init__(
        self, source: Path | sqlite3.Connection, failed: type[Unavailable], *, text: type[str | bytes] = str
    ) -> None:
        """`failed` is what every method raises. `text`: what columns of text are read as."""
        self._path = source if isinstance(source, Path) else None
        self._source = source if isinstance(source, sqlite3.Connection) else _handle(source, text)
        self._failed = failed
        self._look_at = 0.0

    @property
    def replacements(self) -> int:
        """How often the file was found to be another one than before."""
        return self._source.replacements if isinstance(self._source, Handle) else 0

    def row(self, sql: str, parameters: Row = ()) -> Row | None:
        """The first row, or None."""
        try:
            row: Row | None = self._connection().execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise self._given_up(error) from error
        return row

    def page(self, sql: str, parameters: Row | Mapping[str, Any], limit: int) -> Page:
        """The first rows, at most `limit`, and no more than fit in about a mebibyte of the last column."""
        try:
            return _page(self._connection().execute(sql, parameters), limit)
        except sqlite3.Error as error:
            raise self._given_up(error) from error

    def row_and_page(
        self, row: str, sql: str, parameters: Row | Mapping[str, Any], limit: int
    ) -> tuple[Row | None, Page]:
        """See `row` and `page`; both are of one moment."""
        try:
            with self._connection() as connection:
                connection.execute("BEGIN")
                return connection.execute(row).fetchone(), _page(connection.execute(sql, parameters), limit)
        except sqlite3.Error as error:
            raise self._given_up(error) from error

    def look_again(self) -> None:
        """Look before the next read whether the file was replaced."""
        self._look_at = 0.0

    def close(self) -> None:
        """Close the file; a database in memory belongs to its writer."""
        if isinstance(self._source, Handle):
            self._source.close()

    def _connection(self) -> sqlite3.Connection:
        if not isinstance(self._source, Handle):
            return self._source
        if (now := time.monotonic()) > self._look_at:
            self._look_at = now + _LOOK_AT_FILE_EVERY
            return self._source.current()
        return self._source.connection()

    def _given_up(self, error: sqlite3.Error) -> Unavailable:
        if isinstance(self._source, Handle):
            self._source.drop()
        return self._failed(in_words(self._path, error))


def _page(cursor: sqlite3.Cursor, limit: int) -> Page:
    rows: list[Row] = []
    size = 0
    for row in cursor:
        rows.append(row)
        size += len(row[-1] or "")
        if len(rows) == limit or size > PAGE_BYTES:
            cursor.close()  # an open one would keep the write-ahead log from being emptied
            return Page(rows, complete=False)
    return Page(rows, complete=True)


def _handle(path: Path, text: type[str | bytes]) -> Handle:
    return Handle(path, partial(open_for_reading, path, text=text))
