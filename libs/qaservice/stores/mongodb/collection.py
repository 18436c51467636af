"""The collection of the answers in MongoDB, and the wall: limits in time, and no exception of the driver gets out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint
from qaservice.stores.checkpoint_row import NAMES, checkpoint_of

Row = dict[str, Any]

# NOTE: stored. An answer is {_id: its key, revision, position, build, value: text or null}, the checkpoint has a
# number for _id: no key is one, and MongoDB sorts numbers before strings.
COLLECTION = "answers"
CHECKPOINT = 0

_DURABLE = WriteConcern("majority", j=True)
_GRACE = 1.0


class AnswersCollection:
    """The collection over a client of its own, made when first needed, for the running loop."""

    def __init__(self, uri: str, database: str, timeout: float) -> None:
        """Raises ValueError, without what is secret in the URI."""
        self._uri = _checked(uri)
        self._database = database
        self._timeout = timeout
        self._client: AsyncIOMotorClient[Row] | None = None
        self._answers: AsyncIOMotorCollection[Row] | None = None

    @asynccontextmanager
    async def operation(self) -> AsyncIterator[AsyncIOMotorCollection[Row]]:
        """The driver's collection for one operation, which ends within the timeout. Raises ReadModelUnavailable."""
        try:
            # The driver keeps the limit and tells it the server, where waiting for a majority would never end. The
            # loop keeps a second one: in a look-up of a name, or in the queue for a thread, the driver knows none.
            with pymongo.timeout(self._timeout):
                async with asyncio.timeout(self._timeout + _GRACE):
                    yield self._connected()
        except TimeoutError:
            raise ReadModelUnavailable(f"MongoDB has not answered within {self._timeout} s") from None
        except (PyMongoError, BSONError, OSError) as error:
            raise ReadModelUnavailable(_in_words(error)) from error

    async def checkpoint(self) -> Checkpoint | None:
        """The stored checkpoint; None before the first build."""
        async with self.operation() as answers:
            row = await answers.find_one({"_id": CHECKPOINT})
        return None if row is None else checkpoint_of_row(row)

    async def close(self) -> None:
        """Disconnect; the next operation connects anew."""
        client, self._client, self._answers = self._client, None, None
        if client is not None:
            with pymongo.timeout(self._timeout):  # it says goodbye to the server
                await asyncio.to_thread(client.close)

    def _connected(self) -> AsyncIOMotorCollection[Row]:
        if self._answers is None:
            self._client = _client(self._uri, self._timeout)
            # From the primary: a secondary may be behind what a client was promised.
            self._answers = self._client.get_database(self._database).get_collection(
                COLLECTION, write_concern=_DURABLE, read_preference=ReadPreference.PRIMARY
            )
        return self._answers


def checkpoint_of_row(row: Row) -> Checkpoint:
    """The checkpoint that the collection holds as `row`."""
    return checkpoint_of(tuple(row[name] for name in NAMES))


def _checked(uri: str) -> str:
    """`uri`, where it can be read; one of a `mongodb+srv` names servers that only a look-up tells."""
    try:
        if not uri.startswith("mongodb+srv://"):
            parse_uri(uri, warn=False)
    except (PyMongoError, ValueError, OSError) as error:
        query = uri.partition("?")[2]
        option = next(filter(_is_refused, query.split("&")), "").partition("=")[0]
        if option and "@" not in query:  # else it may be the rest of a password
            raise ValueError(
                f"the option {option} can't be used ({type(error).__name__}): change or remove it"
            ) from None
        why = "percent-encode what is special in user and password"
        raise ValueError(f"not a MongoDB URI ({type(error).__name__}): {why}") from None
    return uri


def _is_refused(option: str) -> bool:
    """Whether the driver does not take it by itself; its own texts don't name it."""
    try:
        parse_uri(f"mongodb://host/?{option}", warn=False)
    except (PyMongoError, ValueError, OSError):
        return True
    return False


def _client(uri: str, timeout: float) -> AsyncIOMotorClient[Row]:
    limit = int(timeout * 1000)
    try:
        return AsyncIOMotorClient(
            uri,
            io_loop=asyncio.get_running_loop(),
            serverSelectionTimeoutMS=limit,
            connectTimeoutMS=limit,
            socketTimeoutMS=limit,
            # It would have the server keep a note of each write ("Retryable Writes", MongoDB manual), and the projector
            # repeats whole batches anyway.
            retryWrites=False,
        )
    except (PyMongoError, ValueError, TypeError, OSError) as error:
        # Without its text and traceback: they may quote the URI, and so the password.
        raise ReadModelUnavailable(f"MongoDB: the URI is not valid ({type(error).__name__})") from None


def _in_words(error: Exception) -> str:
    """The driver's text without the server's whole reply and the state of the whole cluster."""
    text = str(error).partition(", full error:")[0].partition(", Timeout:")[0]
    return f"MongoDB: {type(error).__name__}: {text}"
