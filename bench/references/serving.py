"""How references are served: the server, the event loop and the options of the services, and nothing around."""

import sys
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


def folder() -> Path:
    """The first argument: where the files are."""
    return Path(sys.argv[1])


def serve(app: ASGIApp) -> None:
    """Serve on the port that the second argument names, until a signal."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
