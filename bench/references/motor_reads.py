"""GET /answers/{key} as a bare Starlette route around one `find_one` of motor.

Arguments: a folder that is not used, the port, the URI.
"""

import sys

from motor.motor_asyncio import AsyncIOMotorClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.references.serving import serve

answers = AsyncIOMotorClient(sys.argv[3])["qaservice"]["answers"]


async def get(request: Request) -> JSONResponse:
    key = request.path_params["key"]
    row = await answers.find_one({"_id": key})
    if row is None:
        return JSONResponse({"error": "Key not found"}, 404)
    return JSONResponse({"key": key, "value": row["value"]})


async def ping(request: Request) -> JSONResponse:
    return JSONResponse({"message": "pong"})


serve(Starlette(routes=[Route("/answers/{key}", get), Route("/ping", ping)]))
