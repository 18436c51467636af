"""EventStoreDB and MongoDB under the real processes: servers that a test can stop, and what the stores hold."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from esdbclient import EventStoreDBClient, NewEvent, RecordedEvent, StreamState
from pymongo import MongoClient

from qaservice.domain.codec import decode, key_of_stream, value_of
from tests.e2e.processes import COMMAND, Machine, Process, answering, eventually, free_port
from tests.standins import eventstoredb_server, mongodb
from tests.standins.eventstoredb_process import EventStoreDBProcess, running

STORE_TIMEOUT = 2.0

State = dict[str, tuple[int, str | None]]


class Server:
    """A server on a port of its own, which keeps its data through `kill` and `start`."""

    def __init__(self, scheme: str, run: Callable[[int], AbstractContextManager[Any]]) -> None:
        self._port = free_port()
        self._run = run
        self._running = ExitStack()
        self.uri = f"{scheme}://127.0.0.1:{self._port}"
        self.process: Any = None

    def start(self) -> None:
        """Run it, and wait until it listens."""
        self.process = self._running.enter_context(self._run(self._port))

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._running.close()


class EventStoreDBServer(Server):
    """The stand-in for EventStoreDB as a process."""

    process: EventStoreDBProcess

    def __init__(self, folder: Path) -> None:
        self._log = folder / "eventstoredb.log"
        super().__init__("esdb", lambda port: running(self._log, port=port))
        self.uri += "?tls=false"

    def start_empty(self) -> None:
        """Run it as if it had never stored anything."""
        self._log.unlink()
        self.start()


@dataclass
class Installation:
    """The three services' place on a pair of servers, of which a prefix and a database are theirs."""

    machine: Machine
    eventstoredb: str
    mongodb: str
    prefix: str
    database: str

    def start(self, *processes: str, ready: bool = True) -> list[Process]:
        """Start processes at once; wait until they are ready or, with `ready` False, live."""
        variables = {
            "EVENTSTORE_URI": self.eventstoredb,
            "EVENTSTORE_PREFIX": self.prefix,
            "MONGODB_URI": self.mongodb,
            "MONGODB_DATABASE": self.database,
            "STORE_TIMEOUT": str(STORE_TIMEOUT),
        }
        made = [self.machine.launch([*COMMAND, process], variables=variables) for process in processes]
        return [answering(each, ready) for each in made]

    def events(self) -> list[tuple[str, int, str | None]]:
        """(key, revision, value) of every event, in the log's order; value None where it was a delete."""
        found = _events(self.eventstoredb, self.prefix.replace(".", "[.]") + ".*")
        return [
            (
                key_of_stream(self.prefix, one.stream_name),
                one.stream_position,
                value_of(decode(one.type, one.data)) or None,
            )
            for one in found
        ]

    def folded(self) -> State:
        """What the read model must be: (revision, value) of each key, value None where it was deleted."""
        return {key: (revision, value) for key, revision, value in self.events()}

    def documents(self) -> State:
        """What the read model is."""
        with MongoClient[dict[str, Any]](self.mongodb) as client:
            rows = client[self.database]["answers"].find({"_id": {"$type": "string"}}).to_list()
        return {row["_id"]: (row["revision"], row["value"]) for row in rows}

    def agrees(self) -> bool:
        """Whether the read model is a fold of the log."""
        return self.documents() == self.folded()

    def store(self, stream: str, *events: NewEvent) -> None:
        """Append as another application would."""
        with EventStoreDBClient(self.eventstoredb) as client:
            client.append_to_stream(stream, current_version=StreamState.ANY, events=events, timeout=5)


@contextmanager
def on_any_servers(
    machine: Machine, eventstoredb: str | None, mongodb_uri: str, database: str
) -> Iterator[Installation]:
    """On the EventStoreDB that is named, or on a stand-in, which no test of this kind stops."""
    prefix = f"qa-test-{uuid4().hex[:16]}."
    with ExitStack() as stack:
        uri = eventstoredb or stack.enter_context(running(None)).uri
        yield Installation(machine, uri, mongodb_uri, prefix, database)
        if eventstoredb:
            _delete(uri, f".*{prefix[:-1]}.*")


@contextmanager
def on_stand_ins(machine: Machine) -> Iterator[tuple[Installation, EventStoreDBServer, Server]]:
    """On two servers for this test alone, not started yet."""
    if named := {eventstoredb_server.VARIABLE, mongodb.VARIABLE} & os.environ.keys():
        pytest.skip(f"stops its servers, which are not those of {' and '.join(sorted(named))}: run it without")
    (folder := machine.folder / "mongodb").mkdir()
    events, answers = EventStoreDBServer(machine.folder), Server("mongodb", partial(mongodb.secantusdb, folder))
    try:
        yield Installation(machine, events.uri, answers.uri, "qaservice.answer-", "qaservice"), events, answers
    except mongodb.NotToBeHad as reason:
        pytest.skip(str(reason))
    finally:
        events.kill()
        answers.kill()


def says(process: Process, path: str) -> tuple[int, object]:
    """Status and body."""
    answer = process.get(path)
    return answer.status_code, answer.json()


def heals(installation: Installation, *processes: Process) -> None:
    """Assert that the processes become ready by themselves, and the read model a fold of the log."""
    for process in processes:
        eventually(process.ready)
    eventually(installation.agrees)


def _events(uri: str, pattern: str) -> list[RecordedEvent]:
    with EventStoreDBClient(uri) as client:
        return list(client.read_all(filter_include=(pattern,), filter_by_stream_name=True, timeout=30))


def _delete(uri: str, pattern: str) -> None:
    streams = {event.stream_name for event in _events(uri, pattern)}
    with EventStoreDBClient(uri) as client:
        for stream in streams:
            client.delete_stream(stream, current_version=StreamState.ANY, timeout=5)
