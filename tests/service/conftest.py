"""A log and a read model for a projector between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Document, document_of
from qaservice.domain.recorded import START, Recorded
from qaservice.stores.sqlite.answers import SqliteAnswers
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.read_model import SqliteReadModel
from services.projector import service
from services.projector.service import Projector
from tests.given import eventually


class Stores:
    """A log and a read model, in memory or in the files of a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.log = SqliteLog(folder and folder / "events.sqlite", timeout=5)
        self.feed: SqliteFeed = self.log.feed()
        self._open_model(folder and folder / "answers.sqlite")

    def _open_model(self, file: Path | None) -> None:
        self.model = SqliteReadModel(file, timeout=5)
        self.answers = self.model.answers() if file is None else SqliteAnswers(file)

    async def empty_model(self) -> None:
        """Go on with another read model, in which there is nothing."""
        await self._close_model()
        self._open_model(self._folder and self._folder / f"{uuid4()}.sqlite")

    async def close(self) -> None:
        await self._close_model()
        await self.log.close()

    async def _close_model(self) -> None:
        await self.answers.close()
        await self.model.close()

    async def fold(self) -> dict[str, Document]:
        """What the read model must be: the newest document of each key of the log."""
        documents = {}
        async for batch in self.feed.follow(START):
            for recorded in batch.events:
                assert isinstance(recorded, Recorded)
                documents[recorded.event.key] = document_of(recorded)
            if batch.at_end:
                break
        return documents

    async def projected(self) -> bool:
        """Whether the read model is complete and is the fold of the log."""
        try:
            checkpoint = await self.answers.checkpoint()
        except ReadModelUnavailable:
            return False
        if checkpoint is None or checkpoint.target is not None or checkpoint.position != await self.feed.end():
            return False
        fold = await self.fold()
        return checkpoint.store == await self.feed.store_id() and fold == {
            key: (await self.answers.get(key)).document for key in fold
        }


@pytest.fixture(params=["memory", "files"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    stores = Stores(tmp_path if request.param == "files" else None)
    await stores.log.check()
    yield stores
    await stores.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(service, "_LONGEST_PAUSE", 0.01)


@asynccontextmanager
async def running(projector: Projector) -> AsyncIterator[None]:
    """The projector at work, stopped at the end."""
    task = asyncio.create_task(projector.run())
    try:
        yield
    finally:
        projector.stop()
        await asyncio.wait_for(task, 10)


async def has_followed(projector: Projector, stores: Stores) -> None:
    """Return once the read model is the fold of the log and the projector says that all is well."""
    await eventually(stores.projected)
    await eventually(lambda: projector.trouble is None)
