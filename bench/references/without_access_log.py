"""The event store service as it is, but for the access log: its lines go nowhere."""

import sys

from bench.references.serving import folder
from qaservice.domain.rules import Limits
from qaservice.runtime.ids import id_maker
from qaservice.runtime.serve import Site, run, serve
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.web.metrics import new_registry
from services.eventstore.api import create_app
from services.eventstore.hub import Hub


async def main() -> None:
    log = SqliteLog(folder() / "events.sqlite", timeout=5)
    hub = Hub(log, log.feed(), most=1, heartbeat=15)
    app = create_app(log, Limits(), 4 << 20, id_maker(), hub, new_registry(), lambda line: None)
    try:
        await serve([Site(app, ("127.0.0.1", int(sys.argv[2])), "")])
    finally:
        await log.close()


run(main())
