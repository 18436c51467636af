"""The connection to a file, as long as the file's name means the file that was opened.

A file that was deleted or replaced is still there for whoever has it open: what is written to it is lost, what is read
from it is old. And SQLite finds the write-ahead log by name: it would replay the old file's log into the new file
(SQLite documentation, "How To Corrupt An SQLite Database File", section 4.2).
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from qaservice.stores.sqlite.names import Inode, inode, shows_changes, status

_SECONDS_FOR_OTHERS_TO_FINISH = 1


class Files(NamedTuple):
    """What tells files from others of the same name; None: no such file."""

    main: Inode | None
    wal: Inode | None
    alone: tuple[int, int] | None
    """Length and time of a file without a write-ahead log: such a one is read as if it never changed, and a writer may
    come and go unseen."""


class Handle:
    """Opens its file when first needed, and anew after an error or when the file was deleted or replaced."""

    def __init__(self, path: Path, opened: Callable[[], sqlite3.Connection], *, writes: bool = False) -> None:
        """`opened` gives a fresh connection or raises sqlite3.Error; `writes`: one that may write."""
        self.openings = 0
        self.replacements = 0
        """How often the file was found to be another one than before."""
        self._folder = str(path.parent)
        self._unchanged: tuple[int, ...] | None = None
        self._names = (str(path), f"{path}-wal", f"{path}-shm")
        self._opened = opened
        self._writes = writes
        self._connection: sqlite3.Connection | None = None
        self._files: Files | None = None
        self._held: int | None = None

    def connection(self) -> sqlite3.Connection:
        """The open connection. Raises sqlite3.Error."""
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def current(self) -> sqlite3.Connection:
        """A connection to the files that have the names now. Raises sqlite3.Error."""
        if not self.look():
            self.leave()
        return self.connection()

    def look(self) -> bool:
        """Whether the open connection, if there is one, is to the files that have the names now."""
        if self._connection is None:
            return True
        folder = _folder(self._folder)
        if folder == self._unchanged:
            return True  # no name in it was given or taken: one question instead of two
        same = self._found() == self._files
        self._unchanged = folder if same and shows_changes(folder[-1]) else None
        return same

    def leave(self) -> None:
        """Close the connection to files that lost their names; what was written over it is brought into its file first.
        Raises sqlite3.Error."""
        try:
            if self._connection is not None and self._writes and self._files is not None:
                main, wal, _ = self._names
                if inode(main) != self._files.main or not _size(wal):
                    _bring_in(self._connection)
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the connection, if one is open, until it is needed again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close the connection for good."""
        self.drop()
        self._hold(None)

    def _open(self) -> sqlite3.Connection:
        known, before = self._files, self._found()
        replaced = False
        if known is not None and known.main != before.main:
            replaced = True
            # A file that is only missing may come back to its log; but a writer makes a new one.
            if known.wal is not None and known.wal == before.wal and (self._writes or before.main is not None):
                self._remove_log()
        connection = self._opened()
        files = self._found()
        if before.main not in (None, files.main):
            connection.close()
            raise sqlite3.OperationalError("the file was replaced while it was being opened")
        self._unchanged = None
        self.openings += 1
        self.replacements += replaced
        self._files = files
        self._hold(self._names[1])
        return connection

    def _hold(self, wal: str | None) -> None:
        """Have the write-ahead log open, if there is one: as long as its inode is remembered, no other file may get it,
        or the log of a new file would be taken for that of a deleted one, and removed."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
        if wal is not None:
            with suppress(OSError):
                self._held = os.open(wal, os.O_RDONLY)

    def _found(self) -> Files:
        main, wal, _ = self._names
        log = inode(wal)
        return Files(inode(main), log, _state(main) if log is None else None)

    def _remove_log(self) -> None:
        """The log that bears the new file's name belongs to the old one; those who have it open keep it."""
        for name in self._names[1:]:
            try:
                os.unlink(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise sqlite3.OperationalError(f"{name} belongs to a file that was replaced: remove it") from error


def _state(name: str) -> tuple[int, int] | None:
    found = status(name)
    if found is None:
        return None
    # Never the same as long as a change would not show.
    return found.st_size, found.st_mtime_ns if shows_changes(found.st_mtime_ns) else time.time_ns()


def _size(name: str) -> int:
    found = status(name)
    return 0 if found is None else found.st_size


def _folder(name: str) -> tuple[int, ...]:
    found = status(name)
    return (0,) if found is None else (found.st_dev, found.st_ino, found.st_mtime_ns)


def _bring_in(connection: sqlite3.Connection) -> None:
    """Move what is in a write-ahead log that lost its name, or whose file did, into the file."""
    connection.execute(f"PRAGMA busy_timeout={_SECONDS_FOR_OTHERS_TO_FINISH * 1000}").fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
