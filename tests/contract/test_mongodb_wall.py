"""Nothing of MongoDB's driver gets past the adapter: no exception of it, no endless waiting, no secret."""

import asyncio
import inspect
import re
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import bson.errors
import pymongo.errors
import pytest
from motor.frameworks import asyncio as driver_threads
from motor.motor_asyncio import AsyncIOMotorCollection

from qaservice.domain.errors import ReadModelUnavailable
from qaservice.domain.readmodel import Checkpoint
from qaservice.stores.mongodb.answers import MongoAnswers
from qaservice.stores.mongodb.read_model import MongoReadModel

pytestmark = pytest.mark.anyio

LIMIT, BOUND = 0.3, 3.0
"""Seconds: what the adapters of these tests are given, and what they may take on a busy machine."""

SECRET = "s3cr3t"
TEXT = "what the driver says"
CALLS = ["checkpoint", "begin", "apply", "get", "read checkpoint"]


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield f"mongodb://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.fixture
def absent() -> str:
    """A server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"mongodb://127.0.0.1:{listener.getsockname()[1]}/"


async def made(call: str, uri: str) -> object:
    """One call of the ports on an adapter of its own."""
    model, answers = MongoReadModel(uri, "unused", LIMIT), MongoAnswers(uri, "unused", LIMIT)
    first = Checkpoint(UUID(int=1), 1, 5)
    try:
        match call:
            case "checkpoint":
                return await model.checkpoint()
            case "begin":
                return await model.begin(first)
            case "apply":
                return await model.apply([], first)
            case "get":
                return await answers.get("key")
        return await answers.checkpoint()
    finally:
        await model.close()
        await answers.close()


@pytest.mark.parametrize("server", ["hanging", "absent"])
@pytest.mark.parametrize("call", CALLS)
async def test_every_call_ends_in_time_without_a_server(call: str, server: str, request: pytest.FixtureRequest) -> None:
    uri = request.getfixturevalue(server)
    began = time.monotonic()
    with pytest.raises(ReadModelUnavailable):
        await made(call, uri)
    assert time.monotonic() - began < BOUND


async def test_many_readers_of_a_hanging_server_all_get_their_answer_in_time(hanging: str) -> None:
    answers = MongoAnswers(hanging, "unused", LIMIT)
    began = time.monotonic()
    outcomes = await asyncio.gather(*(answers.get("key") for _ in range(200)), return_exceptions=True)
    assert time.monotonic() - began < BOUND
    assert {type(outcome) for outcome in outcomes} == {ReadModelUnavailable}
    await answers.close()


async def test_a_call_ends_in_time_while_all_threads_of_the_driver_are_busy(absent: str) -> None:
    release = threading.Event()
    busy = [driver_threads._EXECUTOR.submit(release.wait) for _ in range(driver_threads.max_workers)]
    began = time.monotonic()
    try:
        with pytest.raises(ReadModelUnavailable):
            await made("get", absent)
    finally:
        release.set()
    assert time.monotonic() - began < BOUND
    assert all(await asyncio.gather(*map(asyncio.wrap_future, busy)))


def test_making_and_closing_an_adapter_needs_neither_server_nor_event_loop() -> None:
    uri = "mongodb://nobody.invalid"
    model, answers = MongoReadModel(uri, "unused", LIMIT), MongoAnswers(uri, "unused", LIMIT)
    asyncio.run(model.close())
    asyncio.run(answers.close())


def driver_exceptions() -> list[type[Exception]]:
    """Every exception class that the driver's two modules of errors know."""
    found = [*vars(pymongo.errors).values(), *vars(bson.errors).values()]
    return list(dict.fromkeys(kind for kind in found if inspect.isclass(kind) and issubclass(kind, Exception)))


ARGUMENTS: dict[type[Exception], tuple[Any, ...]] = {
    pymongo.errors.BulkWriteError: ({"writeErrors": [], "writeConcernErrors": []},),
    pymongo.errors.ClientBulkWriteException: ({"error": None}, False),
    pymongo.errors.EncryptionError: (ValueError(TEXT),),
    pymongo.errors.EncryptedCollectionError: (ValueError(TEXT), {}),
}


@pytest.mark.parametrize("kind", driver_exceptions(), ids=lambda kind: kind.__name__)
async def test_no_exception_of_the_driver_gets_out(
    kind: type[Exception], absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object, **options: object) -> object:
        raise kind(*ARGUMENTS.get(kind, (TEXT,)))

    for operation in ("find", "find_one", "create_index"):
        monkeypatch.setattr(AsyncIOMotorCollection, operation, fails)
    for call in CALLS:
        with pytest.raises(ReadModelUnavailable, match=f"MongoDB: {kind.__name__}"):
            await made(call, absent)


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://user:{SECRET}@word@host",
        f"mongodb://user:{SECRET}/word@host",
        f"mongodb://user:{SECRET}@host:port",
        f"mongodb://user:1:{SECRET}@host",
        f"mongodb://user:{SECRET}%ZZ@host:99999",
        f"mongo://user:{SECRET}@host",
        f"user:{SECRET}@host",
        f"mongodb://user:{SECRET}@host/?tls=true&tlsCAFile=/there/is/no/such/file",
        f"mongodb://user:{SECRET}@127.0.0.1:1/",
    ],
)
async def test_no_message_holds_the_password(uri: str) -> None:
    with pytest.raises((ValueError, ReadModelUnavailable)) as error:
        await made("get", uri)
    assert SECRET not in "".join(traceback.format_exception(error.value))


async def test_no_message_holds_the_password_even_where_the_driver_quotes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def quotes(uri: str, **options: object) -> object:
        raise pymongo.errors.InvalidURI(uri)

    monkeypatch.setattr("qaservice.stores.mongodb.collection.AsyncIOMotorClient", quotes)
    with pytest.raises(ReadModelUnavailable) as error:
        await made("get", f"mongodb://user:{SECRET}@host")
    assert SECRET not in "".join(traceback.format_exception(error.value))


async def test_a_refused_login_is_said_without_the_password(mongodb_uri: str) -> None:
    uri = re.sub("//(.*@)?", f"//nobody:{SECRET}@", mongodb_uri)
    with pytest.raises(ReadModelUnavailable, match="uthentication") as error:
        await made("get", uri)
    assert SECRET not in "".join(traceback.format_exception(error.value))
