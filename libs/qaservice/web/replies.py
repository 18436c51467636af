"""A reply as a value: what a handler returns and an error becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from uuid import UUID

from starlette.types import Message, Receive, Scope, Send

from qaservice.domain.recorded import Position
from qaservice.domain.tokens import Token

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")


@dataclass(slots=True)
class Reply:
    """A whole reply; `headers` without the content's length and type."""

    status: int
    body: str
    headers: Sequence[Header] = ()
    content_type: Header = JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and body."""
        body = self.body.encode()
        head = [*self.headers]
        if self.status != HTTPStatus.NOT_MODIFIED:  # which has no body, and says nothing of one
            head[:0] = [self.content_type, (b"content-length", str(len(body)).encode())]
        start: Message = {"type": "http.response.start", "status": self.status, "headers": head}
        await send(start)
        await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=1024)  # reads tell the same place until the next write
def token_header(store: UUID, position: Position) -> Header:
    """The place in the log that a reply is about, for reads that must be as new."""
    return (b"consistency-token", str(Token(store, position)).encode())


def etag(revision: int) -> Header:
    """A strong entity tag (RFC 9110 section 8.8.3): the answer's revision."""
    return (b"etag", b'"%d"' % revision)
