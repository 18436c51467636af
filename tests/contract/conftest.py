"""Every suite of this folder runs over every adapter. A new one is a line in LOGS or in READ_MODELS."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from qaservice.stores.sqlite_answers import SqliteAnswers, SqliteReadModel
from qaservice.stores.sqlite_log import SqliteFeed, SqliteLog
from services.eventstore.ports import AnswerLog
from services.projection.ports import Answers
from services.projector.ports import EventFeed, ReadModel

Log = tuple[AnswerLog, EventFeed]
Model = tuple[ReadModel, Answers]


@asynccontextmanager
async def log_in_memory(folder: Path) -> AsyncIterator[Log]:
    log = SqliteLog(None, timeout=5)
    yield log, log.feed()
    await log.close()


@asynccontextmanager
async def log_in_file(folder: Path) -> AsyncIterator[Log]:
    log = SqliteLog(folder / "events.sqlite", timeout=5)
    await log.check()
    yield log, log.feed()
    await log.close()


@asynccontextmanager
async def log_of_another_process(folder: Path) -> AsyncIterator[Log]:
    """Nothing is shared but the file, as between processes."""
    log = SqliteLog(folder / "events.sqlite", timeout=5)
    await log.check()
    feed = SqliteFeed.of_file(folder / "events.sqlite")
    yield log, feed
    await feed.close()
    await log.close()


@asynccontextmanager
async def model_in_memory(folder: Path) -> AsyncIterator[Model]:
    model = SqliteReadModel(None, timeout=5)
    yield model, model.answers()
    await model.close()


@asynccontextmanager
async def model_in_file(folder: Path) -> AsyncIterator[Model]:
    model = SqliteReadModel(folder / "answers.sqlite", timeout=5)
    await model.checkpoint()
    answers = SqliteAnswers(folder / "answers.sqlite")
    yield model, answers
    await answers.close()
    await model.close()


# Given a folder of the test's own, each gives an empty store, or skips with the reason why there is none.
LOGS: dict[str, Callable[[Path], AbstractAsyncContextManager[Log]]] = {
    "memory": log_in_memory,
    "file": log_in_file,
    "file-of-another-process": log_of_another_process,
}
READ_MODELS: dict[str, Callable[[Path], AbstractAsyncContextManager[Model]]] = {
    "memory": model_in_memory,
    "file": model_in_file,
}


@pytest.fixture(params=LOGS)
async def log_and_feed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    """An empty log, to write to and to follow."""
    async with LOGS[request.param](tmp_path) as stores:
        yield stores


@pytest.fixture
def answer_log(log_and_feed: Log) -> AnswerLog:
    return log_and_feed[0]


@pytest.fixture
def feed(log_and_feed: Log) -> EventFeed:
    return log_and_feed[1]


@pytest.fixture(params=READ_MODELS)
async def read_model(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Model]:
    """An empty read model, to write to and to read from."""
    async with READ_MODELS[request.param](tmp_path) as stores:
        yield stores


@pytest.fixture
def path() -> Iterator[Path]:
    """Where a log may be made, in a folder that every user may read."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "events.sqlite"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(path, timeout=5)
    yield log
    await log.close()
