"""A stand-in EventStoreDB and a bare client of it, for the stand-in's own tests."""

from collections.abc import AsyncIterator

import pytest
from esdbclient import AsyncEventStoreDBClient

from tests.standins.eventstoredb import EventStoreDB


@pytest.fixture
async def server() -> AsyncIterator[EventStoreDB]:
    async with EventStoreDB() as server:
        yield server


@pytest.fixture
async def client(server: EventStoreDB) -> AsyncIterator[AsyncEventStoreDBClient]:
    client = AsyncEventStoreDBClient(server.uri)
    await client.connect()
    yield client
    await client.close()
