"""A backup that is read: checked as a whole first, then event by event."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from qaservice.domain.recorded import Recorded
from services.backup.lines import event_on, seal_on

_PIECE = 1 << 20
_LONGEST_SEAL = 1024


class BadBackup(Exception):
    """The file can't be imported; the text says why."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A file of `count` events that is as it was written."""

    file: BinaryIO
    count: int

    def events(self) -> Iterator[Recorded]:
        """The events in the order of the file; one iteration at a time. Raises BadBackup."""
        self.file.seek(0)
        for number in range(1, self.count + 1):
            try:
                yield event_on(self.file.readline())
            except ValueError as error:
                raise BadBackup(f"line {number} is not an event: {error}") from None


def checked(file: BinaryIO, read: Callable[[int, int], None]) -> Backup:
    """The backup in a file that can be read again. `read` is told bytes and size from time to time. Raises BadBackup
    where the file was cut or changed."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_SEAL))
    tail = file.read()
    last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
    seal = seal_on(last) if last.endswith(b"\n") else None
    if seal is None:
        raise BadBackup("the last line is not that of an export: the file was cut, or is no export at all")
    end = size - len(last)
    checksum, lines, done = sha256(), 0, 0
    file.seek(0)
    while piece := file.read(min(_PIECE, end - done)):
        checksum.update(piece)
        lines += piece.count(b"\n")
        done += len(piece)
        read(done, end)
    if checksum.hexdigest() != seal.sha256 or lines != seal.count:
        raise BadBackup("the checksum does not match: the file was changed after the export")
    return Backup(file, seal.count)
