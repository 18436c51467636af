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
    "Stale": {
        "description": "`true`: older than the token asks for, as `handling=lenient` allows",
        "schema": {"type": "string"},
    }
}

RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}, "example": 1},
}

_ERRORS: dict[int, tuple[str, str, dict[str, Any]]] = {
    400: ("The input breaks a rule", "Input not valid: key is empty", {}),
    404: ("No such answer: never created, or deleted", "Key not found", {}),
    409: ("The answer exists", "Key exists", ETAG),
    412: ("The answer is not as the condition wants it", "Revision does not match", ETAG),
    413: ("Key, value or body over its limit", "Input not valid: key is longer than 1024 bytes", {}),
    422: ("The idempotency key was used for another command", "Idempotency-Key was used with another value", {}),
    503: ("A store can't answer now", "Event store unavailable", RETRY_AFTER),
}
_ANY_OTHER: tuple[str, str, dict[str, Any]] = ("Any other error", "Internal server error", {})


def link(to: str) -> dict[str, Any]:
    """The header that leads to the next page, such as `to`."""
    text = "The next page, where there is one"
    return {"Link": {"description": text, "schema": {"type": "string"}, "example": f'<{to}>; rel="next"'}}


def not_modified(*headers: dict[str, Any]) -> Responses:
    """The reply to a client that has this revision already; with more headers where a route has them."""
    return {304: {"description": "The client has this revision already", "headers": _joined(ETAG, *headers)}}


def replies(status: int, model: Any, example: object, *headers: dict[str, Any]) -> Responses:
    """A success with its body, an example of it and its headers."""
    content = {"application/json": {"example": example}}
    return {status: {"model": model, "content": content, "headers": _joined(*headers)}}


def error_replies(*statuses: int) -> Responses:
    """The errors of a route, all of one shape; `default` stands for those it does not name, or the framework would
    document its own."""
    every: Responses = {"default": _error(*_ANY_OTHER)}
    for status in statuses:
        every |= error_reply(status)
    return every


def error_reply(status: int, text: str | None = None, *headers: dict[str, Any], why: str | None = None) -> Responses:
    """One error; with another text, more headers or another description (`why`) than usual, where a route has them."""
    usual_why, usual_text, usual_headers = _ERRORS[status]
    return {status: _error(why or usual_why, text or usual_text, _joined(usual_headers, *headers))}


def _joined(*headers: dict[str, Any]) -> dict[str, Any]:
    return {name: header for each in headers for name, header in each.items()}


def _error(description: str, text: str, headers: dict[str, Any]) -> dict[str, Any]:
    example = {"error": text}
    content = {"application/json": {"example": example}}
    return {"model": ErrorBody, "description": description, "content": content, "headers": headers}
