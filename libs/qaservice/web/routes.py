"""Routes for the requests that come by the thousand: typed and documented like any other, without the framework's
dispatch, which costs more than a write."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from qaservice.domain.errors import InputNotValid
from qaservice.web.body import parse_body, read_body

Handler = Callable[..., Awaitable[ASGIApp]]


class DirectRoute(APIRoute):
    """A route whose handler takes the path's raw segments by name, headers and query parameters as texts, and at most
    one body, a model called `body`, and returns a reply. It must stand on the application itself: a router's
    dependencies would be skipped."""

    def __init__(self, method: str, path: str, endpoint: Handler, *, max_body: int = 0, **documentation: Any) -> None:
        """`max_body` in bytes."""
        super().__init__(path, endpoint, methods=[method], response_model=None, **documentation)
        parts = self.dependant
        if parts.cookie_params or parts.dependencies:
            raise TypeError(f"{path}: a direct route takes no cookies and no dependencies")
        self._method = method
        self._handler = endpoint
        self._max_body = max_body
        self._headers = {field.alias.encode(): field.name for field in parts.header_params}
        self._query = {field.alias: field.name for field in parts.query_params}
        self._model: type[BaseModel] | None = None
        if parts.body_params:
            self._model = cast("type[BaseModel]", parts.body_params[0].field_info.annotation)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, call, reply. What the handler raises goes on to the edge, where all errors become replies."""
        if scope["method"] != self._method:
            await super().handle(scope, receive, send)
            return
        arguments: dict[str, Any] = scope["path_params"]
        if self._headers:
            _add_headers(arguments, scope["headers"], self._headers)
        if self._query and scope["query_string"]:
            _add_query(arguments, scope["query_string"], self._query)
        if self._model is not None:
            arguments["body"] = parse_body(self._model, await read_body(scope, receive, self._max_body))
        reply = await self._handler(**arguments)
        await reply(scope, receive, send)


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> set[str]:
    """The methods of all routes that match the path: RFC 9110 section 15.5.6 wants them all in `Allow`."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods | ({"HEAD"} if "GET" in methods else set())


def _add_headers(arguments: dict[str, Any], headers: Iterable[tuple[bytes, bytes]], names: dict[bytes, str]) -> None:
    """Put the named headers among the arguments; several lines of one are one list (RFC 9110 section 5.3)."""
    for header, value in headers:
        if header in names:
            name, text = names[header], value.decode("latin-1")
            arguments[name] = f"{arguments[name]}, {text}" if name in arguments else text


def _add_query(arguments: dict[str, Any], query: bytes, names: dict[str, str]) -> None:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InputNotValid("query is not UTF-8") from None
    for parameter, value in pairs:
        if parameter not in names:
            raise InputNotValid(f"unknown parameter {parameter}")
        if names[parameter] in arguments:
            raise InputNotValid(f"{parameter} stands twice in the query")
        arguments[names[parameter]] = value
