"""Browsers that may use this from pages of other origins (the WHATWG's Fetch standard, section 3.3)."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
_ASKED_WITH = (
    "Authorization",
    "Cache-Control",
    "Consistency-Token",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-ID",
)
_ANSWERED_WITH = (
    "Allow",
    "Consistency-Token",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "Stale",
    "WWW-Authenticate",
    "X-Request-ID",
)


class CrossOrigin(CORSMiddleware):
    """The framework's middleware, around the edge, so that errors have its headers too. Its refusals get our shape."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_ASKED_WITH,
            expose_headers=_ANSWERED_WITH,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """See CORSMiddleware."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return JSONResponse({"error": bytes(response.body).decode()}, response.status_code, kept)
