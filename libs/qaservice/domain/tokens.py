"""Consistency tokens: a place in a log, to be handed from a write to a read. Opaque to clients."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from qaservice.domain.errors import InputNotValid
from qaservice.domain.recorded import Position

_FORMAT = b"\x01"
_STORE_BYTES = 16
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Token:
    """The place of an event in the log `store`."""

    store: UUID
    position: Position

    def __str__(self) -> str:
        position = self.position + 1  # START is below 0
        places = position.to_bytes((position.bit_length() + 7) // 8)
        return urlsafe_b64encode(_FORMAT + self.store.bytes + places).rstrip(b"=").decode()


def parse_token(text: str) -> Token:
    """The inverse of `str`. Raises InputNotValid for anything that `str` does not give."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        store, places = data[1 : 1 + _STORE_BYTES], data[1 + _STORE_BYTES :]
        token = Token(UUID(bytes=store), int.from_bytes(places) - 1)
        if data[:1] != _FORMAT or str(token) != text:
            raise ValueError
    except (ValueError, binascii.Error):
        raise InputNotValid("consistency token is not one of ours") from None
    return token
