"""Server-Sent Events as bare Starlette: a queue for each client, and an append puts its frame on all of them."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from bench.references.serving import serve

queues: set[asyncio.Queue[bytes]] = set()
numbers = itertools.count()


async def watch(request: Request) -> StreamingResponse:
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    queues.add(queue)

    async def frames() -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\n\n"
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)

    return StreamingResponse(frames(), media_type="text/event-stream")


async def append(request: Request) -> JSONResponse:
    body = json.loads(await request.body())
    data = json.dumps(body, separators=(",", ":"))
    frame = f"event: AnswerUpdatedEvent\ndata: {data}\nid: {next(numbers)}\n\n".encode()
    for queue in queues:
        queue.put_nowait(frame)
    return JSONResponse({"ok": "AnswerUpdatedEvent"})


async def ping(request: Request) -> JSONResponse:
    return JSONResponse({"message": "pong"})


serve(
    Starlette(
        routes=[
            Route("/answers", append, methods=["POST", "PATCH"]),
            Route("/answers/{key}/watch", watch),
            Route("/ping", ping),
        ]
    )
)
