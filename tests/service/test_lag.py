"""The last moment at which the read model held everything, as the projection service knows it."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from qaservice.domain.readmodel import Checkpoint
from qaservice.stores.sqlite.read_model import SqliteReadModel
from services.projection.lag import Lag

pytestmark = pytest.mark.anyio

FIRST = Checkpoint(UUID(int=1), build=1, position=0, confirmed=datetime(2026, 1, 1, tzinfo=UTC))


async def test_the_last_moment_known_stays_until_there_is_another() -> None:
    model = SqliteReadModel(None, timeout=5)
    lag = Lag(model.answers())
    for build, told in enumerate((FIRST.confirmed, None, datetime(2026, 1, 2, tzinfo=UTC)), 1):
        await model.begin(replace(FIRST, build=build, confirmed=told))
        await lag.refresh()
        assert lag.confirmed == (told or FIRST.confirmed)
    await model.close()
    await lag.refresh()
    assert lag.confirmed == datetime(2026, 1, 2, tzinfo=UTC)
