"""A FastAPI application with our edge around it, and its documentation page without the internet."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.openapi.docs import get_swagger_ui_html
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from qaservice.web.cors import CrossOrigin
from qaservice.web.edge import Edge, RequestLog
from qaservice.web.metrics import RequestMetrics
from qaservice.web.openapi import with_what_all_have
from qaservice.web.shortcut import Shortcut

_DESCRIPTION = (
    "Keeps answers, each a key and a value, and every change of them as an event. Writes and reads of the log itself "
    "are on port 8080, reads of the read model on 8081."
)
_ASSETS = Path(fastapi_offline.__file__).parent / "static"


class App(FastAPI):
    """The framework's routing and documentation, behind one layer of ours instead of its stack of six."""

    def __init__(
        self,
        title: str,
        routes: Sequence[BaseRoute],
        registry: CollectorRegistry,
        request_log: RequestLog,
        origins: Sequence[str] = (),
    ) -> None:
        """`origins`: those whose web pages may use this; `*` for all."""
        super().__init__(
            title=title,
            version=metadata.version("qaservice"),
            description=_DESCRIPTION,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        self.router.routes[:0] = routes  # before the framework's own: the first match is the cheapest
        self.add_route("/docs", self._docs, include_in_schema=False)
        self.mount("/docs/assets", _Assets(directory=_ASSETS))
        routed = Shortcut(self.router.routes, AsyncExitStackMiddleware(self.router))
        edge = Edge(routed, self.router.routes, RequestMetrics(registry), request_log)
        self._outermost: ASGIApp = CrossOrigin(edge, origins) if origins else edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Straight to the edge: the framework's own way takes longer and does nothing that we need."""
        scope["app"] = self  # a router looks for it: without, it replies by itself instead of raising
        await self._outermost(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """See FastAPI."""
        if self.openapi_schema is None:
            self.openapi_schema = with_what_all_have(super().openapi())
        return self.openapi_schema

    async def _docs(self, request: Request) -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=self.title,
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon.png",
        )


class _Assets(StaticFiles):
    """Files, always sent whole, as RFC 9110 section 14.2 allows: a range that is not valid would be refused in the
    framework's words."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See StaticFiles."""
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]
        return await super().get_response(path, scope)
