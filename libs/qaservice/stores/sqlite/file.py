"""A SQLite file: opened with the settings that make a commit durable, and its errors in words."""

import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

SCHEMA_NUMBER = 1
"""Stored in every file as `user_version`; a file with a higher one was written by a newer program."""

T = TypeVar("T")

_READ_PATIENCE = 0.05  # seconds
_LARGEST_LOG_KEPT = 16 << 20  # bytes, of the write-ahead log
# The same in pages of 4 KiB; four times SQLite's default, since appends of many keys change a page each.
_PAGES_BEFORE_CHECKPOINT = 4000

_IN_WORDS = {
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_IOERR": "the disk does not read or write: check it and its free space",
    "SQLITE_READONLY": "the file or its folder is read-only: give this user the right to write",
    "SQLITE_CANTOPEN": "it can't be opened: check that the folder exists and that this user may read and write it",
    "SQLITE_CORRUPT": "the file is damaged: restore it from a backup",
    "SQLITE_NOTADB": "the file is not a database or is damaged: restore it from a backup",
    "SQLITE_BUSY": "another process holds it locked",
}


def open_for_writing(path: Path, schema: str, *, synchronous: str, text: type[str | bytes] = str) -> sqlite3.Connection:
    """A connection that may write; makes folder, file and tables where they are missing.

    With `synchronous` FULL a commit survives a power cut (SQLite documentation, "PRAGMA synchronous").
    `text`: what columns of text are read as. Raises sqlite3.Error.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sqlite3.OperationalError(f"{path.parent} can't be made: {error.strerror}") from error
    # No waiting inside SQLite: its own backs off unfairly; `patiently` does it.
    connection = _connect(f"{path.absolute().as_uri()}?mode=rwc", timeout=0, text=text)
    try:
        _schema_number(connection)  # first of all: a newer program's file is left as it is
        connection.execute("PRAGMA journal_mode=wal").fetchone()
        connection.execute(f"PRAGMA journal_size_limit={_LARGEST_LOG_KEPT}").fetchone()
        connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES_BEFORE_CHECKPOINT}").fetchone()
        connection.execute(f"PRAGMA synchronous={synchronous}")
        _make_tables(connection, schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path, *, text: type[str | bytes] = str) -> sqlite3.Connection:
    """A connection that can't write, to a file that has its tables. Raises sqlite3.Error."""
    try:
        return _readable(path, "mode=ro", text)
    except sqlite3.OperationalError as error:
        # Even a reader makes files beside it; where it may not, and no writer has made them, the file is whole.
        forbidden = _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
        if forbidden and os.path.exists(path) and not os.path.exists(f"{path}-wal"):
            return _readable(path, "immutable=1", text)
        raise


def open_in_memory(schema: str, *, text: type[str | bytes] = str) -> sqlite3.Connection:
    """A database of this process alone, gone with its connection."""
    connection = _connect(":memory:", timeout=0, text=text)
    _make_tables(connection, schema)
    return connection


def patiently(step: Callable[[], T], deadline: float, hurried: Callable[[], bool] = lambda: False) -> T:
    """The result of `step`, tried again while another process holds the lock, until `deadline` (`time.monotonic`) or
    until `hurried` says that nobody wants to wait any more.

    The pauses have jitter, so that two saturated writers take turns. Blocks its thread. Raises sqlite3.Error.
    """
    while True:
        try:
            return step()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline or hurried():
                raise
        time.sleep(random.uniform(0.0001, 0.001))


def in_words(path: Path | None, error: Exception) -> str:
    """One line for a person: which file, what is wrong, what to do."""
    where = path or "memory"
    if not isinstance(error, sqlite3.Error):
        return f"{where}: unexpected {error!r}"
    name = getattr(error, "sqlite_errorname", "")
    words = next((words for code, words in _IN_WORDS.items() if name.startswith(code)), None)
    return f"{where}: {error}" if words is None else f"{where}: {words} ({error})"


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is of our own making."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _connect(uri: str, timeout: float, text: type[str | bytes]) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    connection.text_factory = text
    return connection


def _readable(path: Path, mode: str, text: type[str | bytes]) -> sqlite3.Connection:
    connection = _connect(f"{path.absolute().as_uri()}?{mode}", timeout=_READ_PATIENCE, text=text)
    try:
        if _schema_number(connection) == 0:
            raise sqlite3.OperationalError(f"{path} is still empty")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _schema_number(connection: sqlite3.Connection) -> int:
    number = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if number > SCHEMA_NUMBER:
        raise sqlite3.NotSupportedError(f"written by a newer version (schema {number}, known {SCHEMA_NUMBER}): upgrade")
    return number


def _make_tables(connection: sqlite3.Connection, schema: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _schema_number(connection) == 0:  # else it is an older file, or another process was first
        for statement in schema.split(";"):
            connection.execute(statement)
    # Always written: SQLite opens a file that is read-only without a word, and lets such a transaction begin.
    connection.execute(f"PRAGMA user_version={SCHEMA_NUMBER}")
    connection.execute("COMMIT")
