"""Every suite of a port runs over every adapter: a new one is a line in LOGS or in READ_MODELS. What the suites of one
adapter begin with stands below."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from qaservice.stores.eventstoredb import appends
from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
from qaservice.stores.eventstoredb.log import EventStoreDbLog
from qaservice.stores.mongodb.answers import MongoAnswers
from qaservice.stores.mongodb.read_model import MongoReadModel
from qaservice.stores.sqlite.answers import SqliteAnswers
from qaservice.stores.sqlite.feed import SqliteFeed
from qaservice.stores.sqlite.log import SqliteLog
from qaservice.stores.sqlite.read_model import SqliteReadModel
from services.eventstore.ports import AnswerLog
from services.projection.ports import Answers
from services.projector.ports import EventFeed, ReadModel
from tests.contract.eventstoredb_given import Given, a_server
from tests.contract.mongodb_wired import Wired, wired

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
async def log_in_eventstoredb(uri: str, prefix: str) -> AsyncIterator[Log]:
    log, feed = EventStoreDbLog(uri, prefix, timeout=5), EventStoreDbFeed(uri, prefix, timeout=5)
    yield log, feed
    await feed.close()
    await log.close()


@asynccontextmanager
async def model_in_mongodb(uri: str, database: str) -> AsyncIterator[Model]:
    model, answers = MongoReadModel(uri, database, timeout=5), MongoAnswers(uri, database, timeout=5)
    yield model, answers
    await answers.close()
    await model.close()


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


# Each gives an empty store, out of the fixtures that it names; these skip with the reason where there is no server.
LOGS: dict[str, tuple[Callable[..., AbstractAsyncContextManager[Log]], Sequence[str]]] = {
    "memory": (log_in_memory, ["tmp_path"]),
    "file": (log_in_file, ["tmp_path"]),
    "file-of-another-process": (log_of_another_process, ["tmp_path"]),
    "eventstoredb": (log_in_eventstoredb, ["eventstoredb_uri", "eventstoredb_prefix"]),
}
READ_MODELS: dict[str, tuple[Callable[..., AbstractAsyncContextManager[Model]], Sequence[str]]] = {
    "memory": (model_in_memory, ["tmp_path"]),
    "file": (model_in_file, ["tmp_path"]),
    "mongodb": (model_in_mongodb, ["mongodb_uri", "mongodb_database"]),
}


@pytest.fixture(params=LOGS)
def empty_log(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Log]:
    make, fixtures = LOGS[request.param]
    return make(*map(request.getfixturevalue, fixtures))


@pytest.fixture
async def log_and_feed(empty_log: AbstractAsyncContextManager[Log]) -> AsyncIterator[Log]:
    """An empty log, to write to and to follow."""
    async with empty_log as stores:
        yield stores


@pytest.fixture
def answer_log(log_and_feed: Log) -> AnswerLog:
    return log_and_feed[0]


@pytest.fixture
def feed(log_and_feed: Log) -> EventFeed:
    return log_and_feed[1]


@pytest.fixture(params=READ_MODELS)
def empty_model(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Model]:
    make, fixtures = READ_MODELS[request.param]
    return make(*map(request.getfixturevalue, fixtures))


@pytest.fixture
async def read_model(empty_model: AbstractAsyncContextManager[Model]) -> AsyncIterator[Model]:
    """An empty read model, to write to and to read from."""
    async with empty_model as stores:
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


@pytest.fixture
def one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """All appends to EventStoreDB on one call, so that what happens to it happens to all of them."""
    monkeypatch.setattr(appends, "_MOST_STREAMS", 1)


@pytest.fixture
async def given() -> AsyncIterator[Given]:
    """A stand-in for EventStoreDB and what is under test."""
    async with a_server() as given:
        yield given


@pytest.fixture
async def mongo(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Wired]:
    """MongoDB behind a faulty wire."""
    async with wired(mongodb_uri, mongodb_database) as everything:
        yield everything
