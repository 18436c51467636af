"""Errors as replies: the one table from exceptions to status and body."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from qaservice.domain import errors
from qaservice.web.replies import JSON, Header, Reply, etag


class ErrorBody(BaseModel):
    """Every error has this body and nothing else in it."""

    error: str


class ProblemBody(BaseModel):
    """RFC 9457's form of it, for clients that accept that."""

    type: str
    title: str
    status: int
    detail: str
    error: str


# Most specific wins: the first entry along the exception's MRO. `{}` takes the exception's own text.
_TABLE: dict[type[Exception], tuple[int, str]] = {
    errors.InputNotValid: (400, "Input not valid: {}"),
    errors.TooLarge: (413, "Input not valid: {}"),
    errors.KeyNotFound: (404, "Key not found"),
    errors.KeyExists: (409, "Key exists"),
    errors.MustNotExist: (412, "Key exists"),
    errors.RevisionDiffers: (412, "Revision does not match"),
    errors.IdempotencyKeyReused: (422, "Idempotency-Key was used with another value"),
    errors.TooManyWatchers: (503, "Too many watchers"),
    errors.LogUnavailable: (503, "Event store unavailable"),
    errors.OutcomeUnknown: (503, "Outcome unknown, retry with the same Idempotency-Key"),
    errors.LogReplaced: (503, "Event store unavailable"),
    errors.ReadModelUnavailable: (503, "Read model unavailable"),
    errors.ReadModelBehind: (503, "Read model is behind"),
    RequestValidationError: (400, "Input not valid: {}"),
}
_UNEXPECTED = (500, "Internal server error")
PROBLEM: Header = (b"content-type", b"application/problem+json")
_RETRY_AFTER: Header = (b"retry-after", b"1")
_WORTHLESS = re.compile(rb"q=0(?:\.0{0,3})?", re.IGNORECASE)


@dataclass(slots=True)
class ErrorReply:
    """The one error shape, or RFC 9457's where the client accepts it. Every 503 says when to come again."""

    status: int
    text: str
    headers: Sequence[Header] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and body."""
        body: dict[str, object] = {"error": self.text}
        content_type = JSON
        if _accepts_problem(scope):
            body, content_type = problem(self.status, self.text), PROBLEM
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        headers = self.headers
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers = (*headers, _RETRY_AFTER)
        await Reply(self.status, text, headers, content_type)(scope, receive, send)


class Failed(Exception):
    """An error whose reply has headers that only the handler knows."""

    def __init__(self, error: Exception, headers: Sequence[Header]) -> None:
        super().__init__(error)
        self.error = error
        self.headers = headers


def reply_to(error: Exception) -> ErrorReply:
    """The reply that an exception becomes; 500 for one that no table names."""
    if isinstance(error, HTTPException):
        return _framework_reply(error)
    if isinstance(error, Failed):
        reply = reply_to(error.error)
        reply.headers = (*reply.headers, *error.headers)
        return reply
    status, text = next((_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE), _UNEXPECTED)
    headers: list[Header] = []
    if isinstance(error, errors.KeyExists | errors.RevisionDiffers) and error.revision is not None:
        headers.append(etag(error.revision))
    return ErrorReply(status, text.format(_words(error)), headers)


def problem(status: int, text: str) -> dict[str, object]:
    """An error as RFC 9457 has it."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": text, "error": text}


def _framework_reply(error: HTTPException) -> ErrorReply:
    phrase = HTTPStatus(error.status_code).phrase.capitalize()
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return ErrorReply(error.status_code, phrase, headers)


def _accepts_problem(scope: Scope) -> bool:
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return any(_names_problem(*kind.split(b";")) for kind in accepted.split(b","))


def _names_problem(kind: bytes, *parameters: bytes) -> bool:
    """Whether it is the type of problems, and not refused by a `q=0` (RFC 9110 section 12.4.2)."""
    unwanted = any(_WORTHLESS.fullmatch(parameter.strip()) for parameter in parameters)
    return kind.strip().lower() == PROBLEM[1] and not unwanted


def _words(error: Exception) -> str:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return f"{first['loc'][-1]}: {first['msg']}"
    return str(error)
