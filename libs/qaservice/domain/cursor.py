"""Cursors: how far a watcher has come in a log, to be handed back when it resumes. Opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from qaservice.domain.errors import InputNotValid
from qaservice.domain.recorded import Position

NO_REVISION = -1
"""Of a cursor that is of no event, but of a place between two."""

_FORMAT = b"\x01"
_STORE = slice(1, 17)
_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of an event in the log `store`, and its revision: with it, a watcher of one answer goes on in the
    answer's own history."""

    store: UUID
    position: Position
    revision: int = NO_REVISION

    def require(self, store: UUID, end: Position) -> None:
        """Raises InputNotValid where this is no place in the log `store`, which ends at `end`."""
        if self.store != store:
            raise InputNotValid("cursor is of another store")
        if self.position > end:
            raise InputNotValid("cursor is past the end of the log, which was replaced by an older one")

    def __str__(self) -> str:
        numbers = (number + 1 for number in (self.position, self.revision))  # START and NO_REVISION are below 0
        packed = b"".join(number.to_bytes(_NUMBER_BYTES) for number in numbers)
        return urlsafe_b64encode(_FORMAT + self.store.bytes + packed).decode()


def parse_cursor(text: str) -> Cursor:
    """The inverse of `str`. Raises InputNotValid for anything that `str` does not give."""
    try:
        data = urlsafe_b64decode(text.encode("ascii"))
        numbers = data[_STORE.stop :]
        position, revision = numbers[:_NUMBER_BYTES], numbers[_NUMBER_BYTES:]
        cursor = Cursor(UUID(bytes=data[_STORE]), int.from_bytes(position) - 1, int.from_bytes(revision) - 1)
        if data[:1] != _FORMAT or str(cursor) != text:
            raise ValueError
    except (ValueError, OverflowError):
        raise InputNotValid("cursor is not one of ours") from None
    return cursor
