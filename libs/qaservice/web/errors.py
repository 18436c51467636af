"""Errors as replies: the one table from exceptions to status and body."""

import json
from collections.abc import Iterable
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from qaservice.domain import errors
from qaservice.web.replies import Header, Reply, etag


class ErrorBody(BaseModel):
    """Every error has this body and nothing else in it."""

    error: str


# Most specific wins: the first entry along the exception's MRO. `{}` takes the exception's own text.
_TABLE: dict[type[Exception], tuple[int, str]] = {
    errors.InputNotValid: (400, "Input not valid: {}"),
    errors.TooLarge: (413, "Input not valid: {}"),
    errors.KeyNotFound: (404, "Key not found"),
    errors.KeyExists: (409, "Key exists"),
    errors.LogUnavailable: (503, "Event store unavailable"),
    errors.OutcomeUnknown: (503, "Outcome unknown, retry with the same Idempotency-Key"),
    errors.LogReplaced: (503, "Event store unavailable"),
    errors.ReadModelUnavailable: (503, "Read model unavailable"),
    errors.ReadModelBehind: (503, "Read model is behind"),
    RequestValidationError: (400, "Input not valid: {}"),
}
_UNEXPECTED = (500, "Internal server error")
_RETRY_AFTER: Header = (b"retry-after", b"1")


def reply_to(error: Exception) -> Reply:
    """The reply that an exception becomes; 500 for one that no table names."""
    if isinstance(error, HTTPException):
        return _framework_reply(error)
    status, text = next((_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE), _UNEXPECTED)
    headers: list[Header] = []
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(_RETRY_AFTER)
    if isinstance(error, errors.KeyExists) and error.revision is not None:
        headers.append(etag(error.revision))
    return error_reply(status, text.format(_words(error)), headers)


def error_reply(status: int, text: str, headers: Iterable[Header] = ()) -> Reply:
    """A reply of the one error shape."""
    return Reply(status, json.dumps({"error": text}, ensure_ascii=False, separators=(",", ":")), tuple(headers))


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> set[str]:
    """The methods of all routes that match the path: RFC 9110 section 15.5.6 wants them all in `Allow`."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods | ({"HEAD"} if "GET" in methods else set())


def _framework_reply(error: HTTPException) -> Reply:
    phrase = HTTPStatus(error.status_code).phrase.capitalize()
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return error_reply(error.status_code, phrase, headers)


def _words(error: Exception) -> str:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return f"{first['loc'][-1]}: {first['msg']}"
    return str(error)
