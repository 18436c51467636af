"""Clients at work on the services, what they were told, and whether the log holds it."""

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from tests.e2e.processes import Process, reply, request


@dataclass
class Load:
    """Clients that share some keys and some services; each value is sent once. `unknown`: no answer, or an error;
    `unexpected`: every reply that is no answer to a command; `slowest` in seconds."""

    services: list[Process]
    keys: Sequence[str]
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unexpected: list[bytes] = field(default_factory=list)
    slowest: float = 0.0
    stopped: bool = False
    id: UUID = field(default_factory=uuid4)

    def write(self, writer: int) -> None:
        """Work as one client, each request on a connection of its own."""
        choose = random.Random(writer)
        for number in itertools.count():
            if self.stopped:
                return
            key, value = choose.choice(self.keys), f"{self.id}.{writer}.{number}"
            try:
                connection = self.services[number % len(self.services)].connect()
            except OSError:
                continue
            began = time.monotonic()
            try:
                with connection:
                    connection.sendall(_write(choose.choice(("POST", "PATCH", "PATCH", "DELETE")), key, value))
                    self.note(reply(connection), key, value)
                self.slowest = max(self.slowest, time.monotonic() - began)
            except OSError:
                self.unknown.append(value)

    def note(self, got: bytes, key: str, value: str) -> None:
        """Remember what was said of a write."""
        status = got.split(maxsplit=2)[1]
        if b"AnswerDeletedEvent" in got:
            return
        if status in (b"200", b"201"):
            self.acknowledged.append((key, value))
        elif status in (b"404", b"409"):
            self.refused.append(value)
        else:
            self.unexpected.append(got)
            self.unknown.append(value)

    def has_written(self, number: int) -> bool:
        """Whether more than `number` writes were acknowledged."""
        return len(self.acknowledged) > number


@dataclass
class Reads:
    """Clients that read one path from some services; what they get that is no 200, and connections that broke."""

    services: list[Process]
    path: str
    answered: int = 0
    unexpected: list[bytes] = field(default_factory=list)
    broken: int = 0
    stopped: bool = False

    def read(self, reader: int) -> None:
        """Work as one client, each request on a connection of its own."""
        while not self.stopped:
            try:
                with self.services[reader % len(self.services)].connect() as connection:
                    connection.sendall(request("GET", self.path))
                    got = reply(connection)
            except OSError:
                self.broken += 1
                continue
            if got.startswith(b"HTTP/1.1 200 "):
                self.answered += 1
            else:
                self.unexpected.append(got)

    def has_read(self, number: int) -> bool:
        """Whether more than `number` reads were answered."""
        return self.answered > number


@contextmanager
def writing(services: list[Process], writers: int, keys: Sequence[str]) -> Iterator[Load]:
    """Many clients that write until the block ends. Who changes `services` in it, changes where they go."""
    load = Load(services, keys)
    with _at_work(load, load.write, writers):
        yield load


@contextmanager
def reading(services: list[Process], readers: int, path: str) -> Iterator[Reads]:
    """Many clients that read until the block ends. Who changes `services` in it, changes where they go."""
    load = Reads(services, path)
    with _at_work(load, load.read, readers):
        yield load


def holds_what_was_said(events: Iterable[tuple[str, int, str | None]], load: Load) -> None:
    """Assert that what was acknowledged is stored once, what was refused never, the rest once at most, without gaps.
    `events`: key, revision and value of each, in the log's order."""
    stored: dict[str, list[str]] = {}
    revisions: dict[str, list[int]] = {}
    for key, revision, value in events:
        revisions.setdefault(key, []).append(revision)
        if value is not None:
            stored.setdefault(value, []).append(key)
    assert [value for key, value in load.acknowledged if stored.get(value) != [key]] == []
    assert [value for value in load.refused if value in stored] == []
    assert [value for value in load.unknown if len(stored.get(value, [])) > 1] == []
    assert all(numbers == list(range(len(numbers))) for numbers in revisions.values())


@contextmanager
def _at_work(load: Load | Reads, work: Callable[[int], None], clients: int) -> Iterator[None]:
    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        load.stopped = True
        for thread in threads:
            thread.join()


def _write(method: str, key: str, value: str) -> bytes:
    if method == "DELETE":
        return request(method, f"/answers/{key}")
    return request(method, "/answers", json.dumps({"key": key, "value": value}).encode())
