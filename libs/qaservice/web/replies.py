"""A reply as a value: what a handler returns and an error becomes."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

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
        head = [self.content_type, (b"content-length", str(len(body)).encode()), *self.headers]
        start: Message = {"type": "http.response.start", "status": self.status, "headers": head}
        await send(start)
        await send({"type": "http.response.body", "body": body})


def etag(revision: int) -> Header:
    """A strong entity tag (RFC 9110 section 8.8.3): the answer's revision."""
    return (b"etag", b'"%d"' % revision)
