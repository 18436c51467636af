"""POST /answers as a bare Starlette route over the embedded log: no checks, no metrics, no log lines."""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.references.serving import folder, serve
from qaservice.domain.answers import create
from qaservice.runtime.ids import id_maker
from qaservice.stores.sqlite.log import SqliteLog

log = SqliteLog(folder() / "events.sqlite", timeout=5)
new_id = id_maker()


async def post(request: Request) -> JSONResponse:
    body = json.loads(await request.body())
    key, value = body["key"], body["value"]
    await log.append(key, lambda recent: create(recent.answer, key, value), id=new_id(), metadata={})
    return JSONResponse({"ok": "AnswerCreatedEvent"}, 201)


async def ping(request: Request) -> JSONResponse:
    return JSONResponse({"message": "pong"})


serve(Starlette(routes=[Route("/answers", post, methods=["POST"]), Route("/ping", ping)]))
