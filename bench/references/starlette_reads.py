"""GET /answers/{key} as a bare Starlette route with one read of SQLite on the event loop."""

import sqlite3

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.references.serving import folder, serve

connection = sqlite3.connect(f"{(folder() / 'answers.sqlite').as_uri()}?mode=ro", uri=True, isolation_level=None)


async def get(request: Request) -> JSONResponse:
    key = request.path_params["key"]
    row = connection.execute("SELECT value FROM answers WHERE key = ?", (key,)).fetchone()
    if row is None:
        return JSONResponse({"error": "Key not found"}, 404)
    return JSONResponse({"key": key, "value": row[0]})


async def ping(request: Request) -> JSONResponse:
    return JSONResponse({"message": "pong"})


serve(Starlette(routes=[Route("/answers/{key}", get), Route("/ping", ping)]))
