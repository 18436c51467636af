"""What every test may use."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from qaservice.stores.sqlite import feed as sqlite_feed
from qaservice.stores.sqlite import reader as sqlite_reader

# The same examples in every run: what passed passes again. New ones: `make test ARGS=--hypothesis-profile=default`.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

pytest_plugins = ["tests.standins.eventstoredb_server", "tests.standins.mongodb"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """What runs the tests marked `anyio`, and their async fixtures. (In uvloop a test's time-out would not end it.)"""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def one_event_loop(anyio_backend: str) -> AsyncIterator[None]:
    """For all async tests. gRPC has one queue for the whole process: what is left in it of a test whose loop was closed
    would fail another test (grpc's `PollerCompletionQueue._handle_events`)."""
    yield  # noqa: PT022  a fixture that has returned would not keep it open


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers and followers of files look every few milliseconds whether something happened, not every second."""
    monkeypatch.setattr(sqlite_reader, "_LOOK_AT_FILE_EVERY", 0.02)
    monkeypatch.setattr(sqlite_feed, "_LOOK_AGAIN_AFTER", 0.02)
