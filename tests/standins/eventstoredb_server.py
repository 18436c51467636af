"""An EventStoreDB for the tests: the one that is named, one in a container, or the stand-in."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import pytest
from esdbclient import AsyncEventStoreDBClient
from esdbclient.exceptions import NotFound
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from tests.standins import docker_engine
from tests.standins.docker_engine import NotToBeHad
from tests.standins.eventstoredb import EventStoreDB

VARIABLE = "QA_TEST_EVENTSTORE_URI"

_IMAGE = "eventstore/eventstore:24.10.14"
_PORT = 2113
_SETTINGS = {"EVENTSTORE_INSECURE": "true", "EVENTSTORE_CLUSTER_SIZE": "1", "EVENTSTORE_RUN_PROJECTIONS": "None"}


@pytest.fixture(scope="session")
def real_eventstoredb() -> Iterator[str | None]:
    """The URI of a real server; None: there is none, name one in QA_TEST_EVENTSTORE_URI or start a Docker engine."""
    with ExitStack() as running:
        try:
            uri = os.environ.get(VARIABLE) or running.enter_context(_container())
        except NotToBeHad:
            uri = None
        yield uri


@pytest.fixture
async def eventstoredb_uri(real_eventstoredb: str | None) -> AsyncIterator[str]:
    """The URI of a running server. Use no streams of it but those under `eventstoredb_prefix`."""
    if real_eventstoredb is not None:
        yield real_eventstoredb
        return
    async with EventStoreDB() as server:
        yield server.uri


@pytest.fixture
async def eventstoredb_prefix(eventstoredb_uri: str) -> AsyncIterator[str]:
    """What the streams of this test begin with; they are deleted afterwards."""
    prefix = f"qa-test-{uuid4().hex[:16]}."
    yield prefix
    async with AsyncEventStoreDBClient(eventstoredb_uri) as client:
        await client.connect()
        pattern = f".*{prefix.replace('.', '[.]')}.*"
        events = await client.read_all(filter_include=(pattern,), filter_by_stream_name=True, timeout=30)
        for stream in {event.stream_name async for event in events}:
            try:
                await client.delete_stream(stream, current_version=await client.get_current_version(stream), timeout=5)
            except NotFound:
                continue


@contextmanager
def _container() -> Iterator[str]:
    """The URI of a server in a container. Raises NotToBeHad."""
    with docker_engine.started(_described) as server:
        yield f"esdb://{server.get_container_host_ip()}:{server.get_exposed_port(_PORT)}?tls=false"


def _described() -> DockerContainer:
    server = DockerContainer(_IMAGE).with_exposed_ports(_PORT)
    for name, value in _SETTINGS.items():
        server.with_env(name, value)
    return server.waiting_for(HttpWaitStrategy(_PORT, "/health/live").for_status_code(204))
