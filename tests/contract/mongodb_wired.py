"""What the tests of MongoDB's faults start from: the adapters with and without a faulty wire, and what is stored."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from pymongo import MongoClient

from qaservice.domain.readmodel import Checkpoint, Document
from qaservice.domain.recorded import START
from qaservice.stores.mongodb.answers import MongoAnswers
from qaservice.stores.mongodb.read_model import MongoReadModel
from tests.standins.mongodb_proxy import Command, Fault, Forward, MongoProxy, as_it_is

END = 9
FIRST = Checkpoint(UUID(int=1), 1, START, target=END)
SECOND = replace(FIRST, build=2)
DOCUMENTS = [Document("a", "new", 3, 8), Document("b", None, 1, END)]
AT_END = replace(SECOND, position=END, event_position=END, event_id=UUID(int=2), target=None)
"""The checkpoint that ends the second build with DOCUMENTS."""

HASTE = 0.7
"""Seconds after which an adapter gives up where the test waits for that."""

DUPLICATE = {"code": 11000, "errmsg": "E11000 duplicate key error"}


class Stored:
    """What the collection holds, read past the adapter."""

    def __init__(self, client: MongoClient[dict[str, Any]], database: str) -> None:
        self._collection = client[database]["answers"]

    def revisions(self) -> dict[str, tuple[int, int]]:
        """Build and revision of each document."""
        found = self._collection.find({"_id": {"$type": "string"}})
        return {row["_id"]: (row["build"], row["revision"]) for row in found}

    def indexes(self) -> set[str]:
        """Their names."""
        return set(self._collection.index_information())

    def position(self) -> int:
        """The checkpoint's."""
        row = self._collection.find_one({"_id": {"$not": {"$type": "string"}}})
        assert row is not None
        return int(row["position"])


@dataclass(frozen=True)
class Wired:
    """A database with adapters. `patient` and `hasty` go through `proxy`, the others straight to the server."""

    proxy: MongoProxy
    patient: MongoReadModel
    hasty: MongoReadModel
    model: MongoReadModel
    other: MongoReadModel
    answers: MongoAnswers
    stored: Stored


@asynccontextmanager
async def wired(uri: str, database: str) -> AsyncIterator[Wired]:
    """All of it, closed afterwards. Skips where the wire can't come between."""
    if "tls=true" in uri or "ssl=true" in uri or uri.startswith("mongodb+srv"):
        pytest.skip("faults are injected on the wire: name a server without TLS")
    async with MongoProxy(uri).running() as proxy, AsyncExitStack() as closing:
        patient, hasty = (MongoReadModel(proxy.uri, database, timeout) for timeout in (5.0, HASTE))
        model, other = (MongoReadModel(uri, database, 5.0) for _ in range(2))
        answers = MongoAnswers(uri, database, 5.0)
        for adapter in (patient, hasty, model, other, answers):
            closing.push_async_callback(adapter.close)
        client = closing.enter_context(MongoClient[dict[str, Any]](uri))
        yield Wired(proxy, patient, hasty, model, other, answers, Stored(client, database))


def writes_documents(command: Command) -> bool:
    """Whether it is a bulk of documents, not the checkpoint."""
    return "update" in command and isinstance(command["updates"][0]["q"]["_id"], str)


def once(when: Callable[[Command], bool], fault: Fault) -> Fault:
    """The fault at the first command that fits, and never again."""
    left = [fault]

    async def maybe(command: Command, forward: Forward) -> Command | None:
        return await (left.pop() if left and when(command) else as_it_is)(command, forward)

    return maybe
