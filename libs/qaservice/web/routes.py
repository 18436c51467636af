"""Routes for the requests that come by the thousand: typed and documented like any other, without the framework's
dispatch, which costs more than a write."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from qaservice.web.body import parse_body, read_body

Handler = Callable[..., Awaitable[ASGIApp]]


class DirectRoute(APIRoute):
    """A route whose handler takes the path's raw segments by name and at most one body, a model called `body`, and
    returns a reply. It must stand on the application itself: a router's dependencies would be skipped."""

    def __init__(self, method: str, path: str, endpoint: Handler, *, max_body: int = 0, **documentation: Any) -> None:
        """`max_body` in bytes."""
        super().__init__(path, endpoint, methods=[method], response_model=None, **documentation)
        parts = self.dependant
        if parts.query_params or parts.header_params or parts.cookie_params or parts.dependencies:
            raise TypeError(f"{path}: a direct route takes path segments and one body, nothing else")
        self._method = method
        self._handler = endpoint
        self._max_body = max_body
        self._model: type[BaseModel] | None = None
        if parts.body_params:
            self._model = cast("type[BaseModel]", parts.body_params[0].field_info.annotation)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, call, reply. What the handler raises goes on to the edge, where all errors become replies."""
        if scope["method"] != self._method:
            await super().handle(scope, receive, send)
            return
        arguments: dict[str, Any] = scope["path_params"]
        if self._model is not None:
            arguments["body"] = parse_body(self._model, await read_body(scope, receive, self._max_body))
        reply = await self._handler(**arguments)
        await reply(scope, receive, send)
