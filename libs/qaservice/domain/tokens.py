"""Consistency tokens: a place in a log, to be handed from a write to a read. Opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from qaservice.domain.errors import InputNotValid
from qaservice.domain.recorded import Position

_FORMAT = b"\x01"
_POSITION_BYTES = 8


@dataclass(frozen=True, slots=True)
class Token:
    """The place of an event in the log `store`."""

    store: UUID
    position: Position

    def require_store(self, store: UUID) -> None:
        """Raises InputNotValid where this token is of another log."""
        if self.store != store:
            raise InputNotValid("consistency token is of another store")

    def __str__(self) -> str:
        position = (self.position + 1).to_bytes(_POSITION_BYTES)  # START is below 0
        return urlsafe_b64encode(_FORMAT + self.store.bytes + position).rstrip(b"=").decode()


@lru_cache(maxsize=1024)  # a client sends the same one until its next write
def parse_token(text: str) -> Token:
    """The inverse of `str`. Raises InputNotValid for anything that `str` does not give."""
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        token = Token(UUID(bytes=data[1:-_POSITION_BYTES]), int.from_bytes(data[-_POSITION_BYTES:]) - 1)
        if data[:1] != _FORMAT or str(token) != text:
            raise ValueError
    except ValueError:
        raise InputNotValid("consistency token is not one of ours") from None
    return token
