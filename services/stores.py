"""The stores that flags and settings name. An adapter, and the driver below it, is imported only when it is chosen."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from sys import version_info
from typing import TYPE_CHECKING, NamedTuple

from qaservice.runtime.settings import BadSettings, Settings
from services.folder import ANSWERS, EVENTS, checked

if TYPE_CHECKING:
    from qaservice.stores.eventstoredb.feed import EventStoreDbFeed
    from qaservice.stores.eventstoredb.log import EventStoreDbLog
    from qaservice.stores.eventstoredb.sink import EventStoreDbSink
    from qaservice.stores.mongodb.answers import MongoAnswers
    from qaservice.stores.mongodb.read_model import MongoReadModel
    from qaservice.stores.sqlite.answers import SqliteAnswers
    from qaservice.stores.sqlite.feed import SqliteFeed
    from qaservice.stores.sqlite.log import SqliteLog
    from qaservice.stores.sqlite.read_model import SqliteReadModel
    from qaservice.stores.sqlite.sink import SqliteSink

_NO_DRIVERS = (3, 14)  # from here on, as pyproject.toml's markers say
_FILE_SECONDS = 0.5


async def log_and_feed(
    settings: Settings, folder: Path | None
) -> "tuple[SqliteLog | EventStoreDbLog, SqliteFeed | EventStoreDbFeed]":
    """The log to write to, and to follow in the same process: in `folder`, or EventStoreDB. Raises BadSettings where
    neither is named."""
    if folder is not None:
        from qaservice.stores.sqlite.log import SqliteLog

        log = SqliteLog(checked(folder) / EVENTS, settings.store_timeout)
        checking = asyncio.create_task(log.check())  # makes the file now, so that followers find it
        checking.add_done_callback(lambda done: done.cancelled() or done.exception())  # the first command tries again
        await asyncio.wait({checking}, timeout=_FILE_SECONDS)  # one that is locked keeps no service from listening
        return log, log.feed()
    uri = settings.eventstore()
    with _eventstoredb(settings):
        from qaservice.stores.eventstoredb.log import EventStoreDbLog

        on_server = EventStoreDbLog(uri, settings.eventstore_prefix, settings.store_timeout)
        return on_server, event_feed(settings, None)


def event_feed(settings: Settings, folder: Path | None) -> "SqliteFeed | EventStoreDbFeed":
    """The log to follow. Raises BadSettings."""
    if folder is not None:
        from qaservice.stores.sqlite.feed import SqliteFeed

        return SqliteFeed.of_file(checked(folder) / EVENTS)
    uri = settings.eventstore()
    with _eventstoredb(settings):
        from qaservice.stores.eventstoredb.feed import EventStoreDbFeed

        return EventStoreDbFeed(uri, settings.eventstore_prefix, settings.store_timeout)


async def event_sink(settings: Settings, folder: Path | None) -> "SqliteSink | EventStoreDbSink":
    """The log that takes over events of another; its file is made where it is missing. Raises BadSettings,
    LogUnavailable."""
    if folder is not None:
        from qaservice.stores.sqlite.sink import SqliteSink

        in_file = SqliteSink(checked(folder) / EVENTS, settings.store_timeout)
        await in_file.open()
        return in_file
    uri = settings.eventstore()
    with _eventstoredb(settings):
        from qaservice.stores.eventstoredb.sink import EventStoreDbSink

        return EventStoreDbSink(uri, settings.eventstore_prefix, settings.store_timeout)


def read_model(settings: Settings, folder: Path | None) -> "SqliteReadModel | MongoReadModel":
    """The read model to keep: in `folder`, or MongoDB. Raises BadSettings."""
    if folder is not None:
        from qaservice.stores.sqlite.read_model import SqliteReadModel

        return SqliteReadModel(checked(folder) / ANSWERS, settings.store_timeout)
    uri = settings.mongodb()
    with _mongodb():
        from qaservice.stores.mongodb.read_model import MongoReadModel

        return MongoReadModel(uri, settings.mongodb_database, settings.store_timeout)


def answers(settings: Settings, folder: Path | None) -> "SqliteAnswers | MongoAnswers":
    """The read model to answer from. Raises BadSettings."""
    if folder is not None:
        from qaservice.stores.sqlite.answers import SqliteAnswers

        return SqliteAnswers(checked(folder) / ANSWERS)
    uri = settings.mongodb()
    with _mongodb():
        from qaservice.stores.mongodb.answers import MongoAnswers

        return MongoAnswers(uri, settings.mongodb_database, settings.store_timeout)


class Together(NamedTuple):
    """All stores of one process."""

    log: "SqliteLog | EventStoreDbLog"
    feed: "SqliteFeed | EventStoreDbFeed"
    model: "SqliteReadModel | MongoReadModel"
    answers: "SqliteAnswers | MongoAnswers"


async def together(settings: Settings, folder: Path | None) -> Together:
    """Log and read model for one process that writes, follows and reads them. Raises BadSettings."""
    log, feed = await log_and_feed(settings, folder)
    return Together(log, feed, read_model(settings, folder), answers(settings, folder))


def in_memory(settings: Settings) -> Together:
    """A log and a read model that end with this process."""
    from qaservice.stores.sqlite.log import SqliteLog
    from qaservice.stores.sqlite.read_model import SqliteReadModel

    log = SqliteLog(None, settings.store_timeout)
    model = SqliteReadModel(None, settings.store_timeout)
    return Together(log, log.feed(), model, model.answers())


@contextmanager
def _eventstoredb(settings: Settings) -> Iterator[None]:
    """Raises BadSettings where an adapter of EventStoreDB can't use the prefix, or else the URI."""
    with _usable("EVENTSTORE_PREFIX"):
        from qaservice.stores.eventstoredb.events import checked_prefix

        checked_prefix(settings.eventstore_prefix)
    with _usable("EVENTSTORE_URI"):
        yield


def _mongodb() -> AbstractContextManager[None]:
    return _usable("MONGODB_URI", ", or use MONGODB_HOST, MONGODB_USER, MONGODB_PASS")


@contextmanager
def _usable(variable: str, instead: str = "") -> Iterator[None]:
    """Raises BadSettings where an adapter can't use what the variable says, and where this Python can't have its
    driver."""
    try:
        yield
    except ModuleNotFoundError:
        if version_info < _NO_DRIVERS:
            raise
        raise BadSettings(
            "the drivers of EventStoreDB and MongoDB need Python 3.11 to 3.13, "
            f"this is {version_info[0]}.{version_info[1]}: use one of those, or --sqlite DIR"
        ) from None
    except ValueError as error:
        raise BadSettings(f"{variable}: {error}{instead}") from None
