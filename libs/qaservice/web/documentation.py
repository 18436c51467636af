"""What the OpenAPI page says of replies: bodies, headers and error shapes."""

from typing import Any

from pydantic import BaseModel

from qaservice.web.errors import ErrorBody

Responses = dict[int | str, dict[str, Any]]


class Answer(BaseModel):
    """A key and its value."""

    key: str
    value: str


ANSWER = {"key": "name", "value": "john"}

ETAG = {
    "ETag": {
        "description": "The answer's revision, a strong entity tag",
        "schema": {"type": "string"},
        "example": '"0"',
    }
}
LOCATION = {"Location": {"description": "The answer's path", "schema": {"type": "string"}, "example": "/answers/name"}}

TOKEN = {
    "Consistency-Token": {
        "description": "Send it with a read on the other port: the answer is at least as new as this reply",
        "schema": {"type": "string"},
    }
}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true`: this is the first reply to the same request again",
        "schema": {"type": "string"},
    }
}
STALE = {
    "Stale": {"description": "`true`: older than the token asks for, as preferred", "schema": {"type": "string"}},
}
LINK = {
    "Link": {
        "description": "The next page, where there is one",
        "schema": {"type": "string"},
        "example": '</answers?limit=100&after=name>; rel="next"',
    }
}
NOT_MODIFIED: Responses = {304: {"description": "The client has this revision already", "headers": ETAG}}

RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}, "example": 1},
}

_ERRORS: dict[int, tuple[str, str, dict[str, Any]]] = {
    400: ("The input breaks a rule", "Input not valid: key is empty", {}),
    404: ("No such answer: never created, or deleted", "Key not found", {}),
    409: ("The answer exists", "Key exists", ETAG),
    412: ("The answer is not as the condition wants it", "Revision does not match", ETAG),
    413: ("Key, value or body over its limit", "Input not valid: key is longer than 1024 bytes", {}),
    422: ("The key stands for another command", "Idempotency-Key was used with another value", {}),
    503: ("A store can't answer now", "Event store unavailable", RETRY_AFTER),
}
_ANY_OTHER: tuple[str, str, dict[str, Any]] = ("Any other error", "Internal server error", {})


def replies(status: int, model: Any, example: object, *headers: dict[str, Any]) -> Responses:
    """A success with its body, an example of it and its headers."""
    documented: dict[str, Any] = {"model": model, "content": {"application/json": {"example": example}}}
    for header in headers:
        documented.setdefault("headers", {}).update(header)
    return {status: documented}


def error_replies(*statuses: int) -> Responses:
    """The errors of a route, all of one shape; also any that it does not name, or the framework would document its
    own."""
    every: Responses = {"default": _error(*_ANY_OTHER)}
    for status in statuses:
        every |= error_reply(status)
    return every


def error_reply(status: int, text: str | None = None, *headers: dict[str, Any], why: str | None = None) -> Responses:
    """One error: with a text of its own, with more headers, or for a reason of its own, where a route has them."""
    usual_why, usual_text, usual_headers = _ERRORS[status]
    every = usual_headers.copy()
    for header in headers:
        every |= header
    return {status: _error(why or usual_why, text or usual_text, every)}


def _error(description: str, text: str, headers: dict[str, Any]) -> dict[str, Any]:
    example = {"error": text}
    content = {"application/json": {"example": example}}
    return {"model": ErrorBody, "description": description, "content": content, "headers": headers}
