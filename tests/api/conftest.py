"""Every application over stores in memory, called in process."""

from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.rules import Limits
from qaservice.runtime.ids import id_maker
from qaservice.runtime.settings import Settings
from qaservice.web.app import App
from qaservice.web.metrics import events_applied, new_registry
from services import stores
from services.eventstore import api as eventstore
from services.eventstore import hub
from services.eventstore.hub import Hub
from services.monolith import api as monolith
from services.projection import api as projection
from services.projection.changes import Changes
from services.projector import api as projector
from services.projector.service import Projector
from services.stores import Together

MAX_BODY = 4 << 20

Line = MutableMapping[str, Any]


@dataclass
class Api:
    """An application that can be called, and the lines it logs for its requests."""

    app: App
    lines: list[Line]

    async def __call__(
        self, method: str, target: str, content: bytes | AsyncIterator[bytes] = b"", **headers: str | bytes
    ) -> httpx.Response:
        """Send a request with its target exactly as given: httpx would repair one that is not well-formed."""
        path, _, query = target.partition("?")

        async def as_given(scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(
                {**scope, "raw_path": path.encode(errors="surrogateescape"), "query_string": query.encode()},
                receive,
                send,
            )

        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(as_given), base_url="http://test") as client:
            return await client.request(method, "/", content=content, headers=_bytes(sent))


async def build(together: Together, *documents: Document, complete: bool = True) -> None:
    """Build the read model anew out of `documents`; one that is not complete has more to come."""
    last = max((document.position for document in documents), default=0)
    before = await together.model.checkpoint()
    first = Checkpoint(await together.feed.store_id(), 1 if before is None else before.build + 1, -1, target=last + 1)
    await together.model.begin(first)
    await together.model.apply(documents, replace(first, position=last, target=None if complete else last + 1))


@asynccontextmanager
async def in_memory() -> AsyncIterator[Together]:
    """A log and a read model of one's own."""
    made = stores.in_memory(Settings.model_construct())
    try:
        yield made
    finally:
        for store in made:
            await store.close()


def written(together: Together) -> tuple[Any, ...]:
    """What an application needs that writes."""
    watched = Hub(together.log, together.feed, most=10, heartbeat=0.05)
    return together.log, Limits(), MAX_BODY, id_maker(), watched


def event_store_service(together: Together) -> Api:
    lines: list[Line] = []
    app = eventstore.create_app(*written(together), new_registry(), lines.append)
    return Api(app, lines)


def projection_service(together: Together) -> Api:
    lines: list[Line] = []
    return Api(
        projection.create_app(together.answers, Changes(together.answers), Limits(), new_registry(), lines.append),
        lines,
    )


def monolith_on_one_port(together: Together) -> Api:
    lines: list[Line] = []
    return Api(
        monolith.create_app(
            *written(together), together.answers, Changes(together.answers), new_registry(), lines.append
        ),
        lines,
    )


def projector_at_rest(together: Together) -> Api:
    lines: list[Line] = []
    registry = new_registry()
    at_rest = Projector(together.feed, together.model, events_applied(registry))
    return Api(projector.create_app(at_rest, registry, lines.append, together.feed), lines)


# Making an application takes longer than a test does: those of a file share one, and use keys of their own.


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once nobody watches, the log is followed no more."""
    monkeypatch.setattr(hub, "_LINGER_SECONDS", 0)


@pytest.fixture(scope="module")
async def together() -> AsyncIterator[Together]:
    async with in_memory() as made:
        yield made


@pytest.fixture(scope="module")
def writes(together: Together) -> Api:
    return event_store_service(together)


@pytest.fixture(scope="module")
def reads(together: Together) -> Api:
    return projection_service(together)


@pytest.fixture(scope="module")
def one_port(together: Together) -> Api:
    return monolith_on_one_port(together)


@pytest.fixture(scope="module")
def follower(together: Together) -> Api:
    return projector_at_rest(together)


@pytest.fixture(params=["writes", "one_port"])
def api(request: pytest.FixtureRequest) -> Api:
    """Each application over the log."""
    application: Api = request.getfixturevalue(request.param)
    return application


def _bytes(headers: Mapping[str, str | bytes]) -> dict[bytes, bytes]:
    return {name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in headers.items()}
