"""Watching real processes: over their death and restart, with slow clients, to the end."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from tests.e2e.processes import Machine, Process, eventually, request
from tests.e2e.watching import Watcher, events, stream, watching
from tests.given import a_key
from tests.standins import eventstoredb_process

END = b"0\r\n\r\n"


@dataclass
class Service:
    """An event store service that can be killed and started again; then it has another address."""

    machine: Machine
    flags: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, **variables: str) -> Process:
        """Wait until it is ready."""
        flags = self.flags or ["eventstore"]
        self.process = self.machine.start(*flags, **{"WATCH_HEARTBEAT": "0.2"} | self.variables | variables)
        return self.process


@pytest.fixture(params=["sqlite", "eventstoredb"])
def service(request: pytest.FixtureRequest, here: Machine) -> Iterator[Service]:
    """Not started yet."""
    if request.param == "sqlite":
        yield Service(here, ["eventstore", "--sqlite", str(here.data)])
        return
    with eventstoredb_process.running(None) as server:
        # Without flags a machine would keep its data in files.
        yield Service(here, ["eventstore", "--"], {"EVENTSTORE_URI": server.uri})


def watchers(process: Process) -> float:
    """How many watch, as it says itself."""
    return process.metric("qaservice_watchers")


def test_watchers_of_a_service_that_is_killed_again_and_again_see_every_change_once(service: Service) -> None:
    service.start()
    keys = [a_key() for _ in range(3)]
    of_one = Watcher(lambda: f"{service.process.url}/answers/{keys[0]}/watch?from=start")
    of_all = Watcher(lambda: f"{service.process.url}/watch?from=start&prefix=key-")
    stopped = False

    def write() -> None:
        number = 0
        while not stopped:
            number += 1
            with suppress(httpx.TransportError):
                send = service.process.patch if number > 3 else service.process.post
                send(keys[number % 3], f"{number}")

    writer = threading.Thread(target=write)
    with watching(of_one, of_all):
        writer.start()
        eventually(lambda: len(of_one.got) > 20)
        for _ in range(3):
            service.process.kill()
            before = len(of_one.got)
            service.start()
            eventually(lambda before=before: len(of_one.got) > before + 20)  # type: ignore[misc]
        stopped = True
        writer.join()
        histories = {key: service.process.get(f"/answers/{key}/history").json() for key in keys}
        eventually(lambda: len(of_one.got) >= len(histories[keys[0]]))
        eventually(lambda: len(of_all.got) >= sum(map(len, histories.values())))

    assert min(of_one.connections, of_all.connections) >= 4
    for key, history in histories.items():
        assert [data for data in of_all.data if data["key"] == key] == [event["data"] for event in history]
    assert of_one.data == [event["data"] for event in histories[keys[0]]]
    assert [event.event for event in of_one.got] == [event["type"] for event in histories[keys[0]]]


def test_what_is_written_after_the_head_has_arrived_is_delivered(service: Service) -> None:
    process = service.start()
    key = a_key()
    process.post(key)
    for number in range(10):
        with events(f"{process.url}/answers/{key}/watch") as changes:
            process.patch(key, f"{number}")
            assert next(changes).json() == {"key": key, "value": f"{number}"}


def test_a_stream_begins_with_the_time_to_come_back_and_a_place_and_gives_signs_of_life(service: Service) -> None:
    process = service.start()
    key = a_key()
    with process.connect() as connection:
        connection.sendall(request("GET", f"/answers/{key}/watch"))
        got = b""
        while got.count(b": ping\n\n") < 3:
            got += connection.recv(1000)
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"content-type: text/event-stream" in head
    assert b"cache-control: no-store" in head
    assert b"x-accel-buffering: no" in head
    assert body.index(b"retry: 2000\n\n") < body.index(b"\nid: ") < body.index(b": ping")

    with stream(f"{process.url}/answers/{key}/watch") as (_, every):
        place = [next(every) for _ in range(2)][1].id
    process.post(key)
    with events(f"{process.url}/answers/{key}/watch", **{"Last-Event-ID": place}) as changes:
        assert next(changes).json() == {"key": key, "value": "john"}
    eventually(lambda: watchers(process) == 0)


def test_who_watches_a_prefix_is_told_how_far_he_has_come_while_only_others_change(service: Service) -> None:
    process = service.start()
    own = a_key()
    with stream(f"{process.url}/watch?prefix={own}&from=start") as (_, every):
        first = [next(every) for _ in range(2)][1].id
        process.post(a_key())
        place = next(event.id for event in every if event.id != first)
    process.post(own)
    with events(f"{process.url}/watch", **{"Last-Event-ID": place}) as changes:
        assert next(changes).json()["key"] == own


def test_a_client_that_takes_nothing_is_cut_off_and_others_are_not(service: Service) -> None:
    process = service.start()
    key, value = a_key(), "x" * 500_000
    with closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", process.port))
        slow.sendall(request("GET", f"/answers/{key}/watch"))
        assert slow.recv(15) == b"HTTP/1.1 200 OK"
        with events(f"{process.url}/answers/{key}/watch") as changes:
            process.post(key, value)
            assert next(changes).json()["value"] == value
            number = 0
            while watchers(process) > 1:
                number += 1
                process.patch(key, value)
                assert next(changes).json()["value"] == value
    assert number < 30
    eventually(lambda: any("WatcherTooSlow" in str(line.get("error")) for line in process.lines))


def test_a_signal_ends_all_watches_at_once_and_well_formed(service: Service) -> None:
    process = service.start()
    connections = [process.connect() for _ in range(20)]
    for connection in connections:
        connection.sendall(request("GET", "/watch"))
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    began = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - began < 4
    for connection in connections:
        got = b""
        while more := connection.recv(1 << 16):
            got += more
        assert got.endswith(END)
        connection.close()
    assert not any("traceback" in line or line["level"] == "ERROR" for line in process.lines)


def test_a_signal_ends_watches_of_clients_that_take_nothing_too(here: Machine) -> None:
    process = here.start("eventstore")
    value = "x" * 500_000
    process.post("name", value)
    for _ in range(7):
        process.patch("name", value)
    with closing(socket.socket()) as live, closing(socket.socket()) as resuming:
        for silent, path in ((live, "/watch"), (resuming, "/watch?from=start")):
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.connect(("127.0.0.1", process.port))
            silent.sendall(request("GET", path))
            assert silent.recv(15) == b"HTTP/1.1 200 OK"
        for _ in range(8):  # more than fits into the sockets, and not so many that a watcher is cut off
            process.patch("name", value)
        assert watchers(process) == 2
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 4
    assert not any("traceback" in line for line in process.lines)


def test_more_watchers_than_may_are_asked_to_come_later(here: Machine) -> None:
    process = here.start("monolith", MAX_WATCHERS="2")
    with events(f"{process.url}/watch"), events(f"{process.url}/watch"):
        refused = process.get("/watch")
        assert (refused.status_code, refused.json()) == (503, {"error": "Too many watchers"})
        assert refused.headers["retry-after"] == "1"
        assert watchers(process) == 2
    eventually(lambda: process.get("/watch?from=x").status_code == 400 and watchers(process) == 0)


def test_an_event_that_can_not_be_read_breaks_the_stream_off_there(here: Machine) -> None:
    process = here.start("eventstore")
    for number in range(3):
        (process.patch if number else process.post)("name", f"{number}")
    with closing(sqlite3.connect(here.data / "events.sqlite")) as file, file:
        file.execute("UPDATE events SET type = 'Unknown' WHERE revision = 2")
    got = []

    with pytest.raises(httpx.RemoteProtocolError), events(f"{process.url}/watch?from=start") as changes:
        got += [json.loads(event.data) for event in changes]

    assert [data["value"] for data in got] in ([], ["0", "1"])
    eventually(
        lambda: any("UndecodableEvent: the event at position 3 of" in str(line.get("error")) for line in process.lines)
    )
