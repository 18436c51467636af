"""Concurrent clients and a kill -9: what they were told is explained by one order of events for each answer."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest

from tests.e2e.linearizable import CREATED, DELETED, UPDATED, Event, Seen, Write, faults
from tests.e2e.pairs import PAIRS, Trio, trio
from tests.e2e.processes import COMMAND, Machine

pytestmark = pytest.mark.anyio

CLIENTS, KEYS, REPLIES = 16, 3, 800
BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ReadTimeout)
METHODS = {"POST": CREATED, "PATCH": UPDATED, "DELETE": DELETED}

# The seeded fault: decide first, then append the decision wherever the answer is by then. In between, others always do.
DECIDES_BEFORE_IT_APPENDS = """
import asyncio
from services.eventstore import service
from qaservice.domain.recent import Recent

class Careless:
    def __init__(self, log):
        self.log = log

    async def append(self, key, decide, **more):
        decision = decide(Recent(await self.log.last(key)))
        await asyncio.sleep(0.02)
        return await self.log.append(key, lambda recent: decision, **more)

made = service.Commands.__init__
service.Commands.__init__ = lambda self, log, new_id: made(self, Careless(log), new_id)
"""


@dataclass
class Told:
    """What clients were told of one key."""

    key: str
    writes: list[Write] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    latest: int = 0
    """The highest revision that any client was told, for conditions that hold now and then."""


class Clients:
    """Clients at work on a few keys."""

    def __init__(self, services: Trio, http: httpx.AsyncClient) -> None:
        self._services = services
        self._http = http
        self._up = asyncio.Event()
        self._up.set()
        self._stopped = False
        self._replies = asyncio.Semaphore(0)
        self.keys = [Told(f"{uuid4()}") for _ in range(KEYS)]
        self.unexpected: list[str] = []

    async def work(self, seed: int) -> None:
        """Be one client until told to stop."""
        choose = random.Random(seed)
        while not self._stopped:
            await self._up.wait()
            told = choose.choice(self.keys)
            with suppress(httpx.ConnectError):  # nothing was sent
                await (self._read(told) if choose.random() < 0.3 else self._write(told, choose))

    async def replies(self, number: int) -> None:
        """Return once there are that many replies more."""
        async with asyncio.timeout(30):
            for _ in range(number):
                await self._replies.acquire()

    async def restart(self) -> None:
        """kill -9 the service under the clients' hands and start it again."""
        self._up.clear()
        await asyncio.to_thread(self._services.restart, "eventstore")
        self._up.set()

    def stop(self) -> None:
        """Let each end with the reply it waits for."""
        self._stopped = True
        self._up.set()

    def faults(self) -> list[str]:
        """What can't be explained, by the histories as they are in the end."""
        found = [*self.unexpected]
        for told in self.keys:
            events = self._services.running["eventstore"].get(f"/answers/{told.key}/history").json()
            history: list[Event] = [(event["type"], event["data"]["value"]) for event in events]
            found += faults(history, told.writes, told.seen)
        return found

    async def _write(self, told: Told, choose: random.Random) -> None:
        method = choose.choices(list(METHODS), [3, 6, 2])[0]
        event = (METHODS[method], "" if method == "DELETE" else f"{uuid4()}")
        expected = told.latest if method != "POST" and choose.random() < 0.5 else None
        headers = {} if expected is None else {"If-Match": f'"{expected}"'}
        if method == "POST" and choose.random() < 0.3:
            headers = {"If-None-Match": "*"}
        body = None if method == "DELETE" else {"key": told.key, "value": event[1]}
        path = "/answers" if body else f"/answers/{told.key}"
        reply, called, answered = await self._send(method, path, headers, body)
        if reply is None or "Outcome unknown" in reply.text:
            told.writes.append(Write(event, called, expected=expected))
        elif reply.is_success:
            told.latest = max(told.latest, revision_of(reply))
            told.writes.append(Write(event, called, answered, revision_of(reply), expected))
        elif reply.status_code == (412 if headers else 409):
            told.seen.append(Seen(called, answered, revision_of(reply), differs=expected))
        else:
            self._absent(reply, told, called, answered)

    async def _read(self, told: Told) -> None:
        reply, called, answered = await self._send("GET", f"/answers/{told.key}", {}, None)
        if reply is not None and reply.is_success:
            told.seen.append(Seen(called, answered, revision_of(reply), reply.json()["value"]))
        elif reply is not None:
            self._absent(reply, told, called, answered)

    def _absent(self, reply: httpx.Response, told: Told, called: int, answered: int) -> None:
        if reply.status_code == 404 and reply.request.method != "POST":
            told.seen.append(Seen(called, answered, None))
        elif reply.status_code != 503:  # which says that nothing was done
            self.unexpected.append(f"{reply.request.method}: {reply.status_code} {reply.text}")

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, str] | None
    ) -> tuple[httpx.Response | None, int, int]:
        """The reply, None where the connection broke, and the moments before and after."""
        called = time.monotonic_ns()
        reply = None
        try:
            reply = await self._http.request(method, self._services.writes + path, headers=headers, json=body)
            self._replies.release()
        except httpx.ConnectError:
            raise
        except BROKEN:
            pass
        return reply, called, time.monotonic_ns()


def revision_of(reply: httpx.Response) -> int:
    """The revision that a reply names."""
    return int(reply.headers["etag"].strip('"'))


@asynccontextmanager
async def clients_of(services: Trio) -> AsyncIterator[Clients]:
    """Clients at work until the end of the block."""
    async with httpx.AsyncClient(timeout=15, limits=httpx.Limits(max_connections=None)) as http:
        clients = Clients(services, http)
        async with asyncio.TaskGroup() as tasks:
            for seed in range(CLIENTS):
                tasks.create_task(clients.work(seed))
            try:
                yield clients
            finally:
                clients.stop()


@pytest.fixture(params=PAIRS)
def services(request: pytest.FixtureRequest, here: Machine) -> Iterator[Trio]:
    """Nothing started yet."""
    with trio(request.param, here, request) as made:
        yield made


async def test_what_clients_are_told_around_a_kill_is_explained_by_one_order_of_events(services: Trio) -> None:
    services.start("eventstore")

    async with clients_of(services) as clients:
        await clients.replies(REPLIES)
        await clients.restart()
        await clients.replies(REPLIES)

    assert clients.faults() == []


async def test_a_decision_that_is_not_part_of_the_append_is_found(services: Trio) -> None:
    services.start("eventstore", command=[*COMMAND[:2], DECIDES_BEFORE_IT_APPENDS + COMMAND[2]])

    async with clients_of(services) as clients:
        await clients.replies(REPLIES)

    found = clients.faults()
    assert any("can't be at revision" in fault or "not after the revision" in fault for fault in found), found
