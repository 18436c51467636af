"""The processes together: in any order, two of each, all in one, and again after a restart."""

import itertools
import json
import re
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.e2e.processes import COMMAND, THREE, Machine, Process, create, eventually, reply, request
from tests.e2e.stored import caught_up, documents, events, folded


def at_once(jobs: Sequence[Callable[[], bytes]]) -> Counter[int]:
    """Run all jobs at one moment and count the statuses of their replies."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], bytes]) -> int:
        barrier.wait(20)
        return int(job().split()[1])

    with ThreadPoolExecutor(len(jobs)) as pool:
        return Counter(pool.map(run, jobs))


def sender(service: Process, data: bytes) -> Callable[[], bytes]:
    """A job that sends one request on a connection of its own."""

    def job() -> bytes:
        with service.connect() as connection:
            connection.sendall(data)
            return reply(connection)

    return job


@pytest.mark.parametrize("order", [THREE[::-1], ("projector", "eventstore", "projection")])
def test_processes_start_in_any_order(here: Machine, order: tuple[str, ...]) -> None:
    started = {name: here.start(name, ready=False) for name in order}

    for process in started.values():
        eventually(process.ready)
    made = started["eventstore"].post("name")

    assert made.status_code == 201
    eventually(lambda: started["projection"].get("/answers/name").status_code == 200)
    answer = started["projection"].get("/answers/name")
    assert (answer.content, answer.headers["etag"]) == (b'{"key":"name","value":"john"}', made.headers["etag"])


def test_each_side_goes_on_without_the_other(here: Machine) -> None:
    writes, projector, reads = here.start_all(*THREE)
    writes.post("name")
    eventually(lambda: reads.get("/answers/name").status_code == 200)

    writes.kill()
    assert reads.get("/answers/name").status_code == 200
    assert reads.ready()
    writes = here.start("eventstore")
    for process in (projector, reads):
        process.kill()

    assert writes.patch("name").status_code == 200
    assert writes.ready()


def test_twenty_creators_of_one_key_have_one_winner_and_64_updates_all_succeed(here: Machine) -> None:
    service = here.start("monolith")
    patch = request("PATCH", "/answers/hot", b'{"value":"x"}')

    assert at_once([sender(service, create("hot", str(n))) for n in range(20)]) == {201: 1, 409: 19}
    assert at_once([sender(service, patch)] * 64) == {200: 64}
    assert [revision for _, revision, *_ in events(here.data)] == list(range(65))


def test_two_of_each_process_are_harmless(here: Machine) -> None:
    first, second, *others = here.start_all(*THREE[:1] * 2, *THREE[1:] * 2)
    readers = others[1::2]
    slowest, statuses, until = [0.0], Counter[int](), time.monotonic() + 2

    def write(service: Process, writer: int) -> None:
        with service.connect() as connection:
            for number in itertools.count():
                began = time.monotonic()
                if began > until:
                    return
                key = "hot" if number % 2 else f"{writer}-{number}"
                connection.sendall(request("PATCH", f"/answers/{key}", b'{"value":"x"}') if number % 2 else create(key))
                statuses[int(reply(connection).split()[1])] += 1
                slowest[0] = max(slowest[0], time.monotonic() - began)

    assert at_once([sender(service, create("hot")) for service in (first, second) * 8]) == {201: 1, 409: 15}
    threads = [threading.Thread(target=write, args=(each, n)) for n, each in enumerate((first, second) * 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses.keys() == {200, 201}
    assert slowest[0] < 1
    assert len(events(here.data)) == 1 + statuses.total()
    revisions = [revision for key, revision, *_ in events(here.data) if key == "hot"]
    assert revisions == list(range(len(revisions)))
    eventually(lambda: caught_up(here.data))
    assert documents(here.data) == folded(here.data)
    for process in others:
        eventually(process.ready)
    assert {reader.get("/answers/hot").headers["etag"] for reader in readers} == {f'"{revisions[-1]}"'}


def test_data_is_there_after_a_restart(here: Machine) -> None:
    service = here.start("monolith")
    service.post("name")
    service.patch("name")
    history = service.get("/answers/name/history").content
    assert service.stop() == 0

    service = here.start("monolith")

    assert service.get("/answers/name").json() == {"key": "name", "value": "jane"}
    assert service.get("/answers/name/history").content == history
    assert service.post("name").status_code == 409


def test_everything_in_memory_on_one_port(here: Machine) -> None:
    service = here.start("monolith", "-memdb")

    assert service.post("name").status_code == 201
    assert service.get("/answers/name").json() == {"key": "name", "value": "john"}
    assert service.patch("name").status_code == 200
    assert len(service.get("/answers/name/history").json()) == 2
    for path in ("/ping", "/eventstore/ping", "/projection/ping"):
        assert service.get(path).content == b'{"message":"pong"}'
    assert b"qaservice_projection_lag_seconds" in service.get("/metrics").content
    assert service.get("/docs").status_code == 200
    assert not here.data.exists()


# As `monolith` without IP_PORT, but on free ports.
TWO_PORTS = (
    "from services.eventstore import main as w; from services.projection import main as r; w.PORT = r.PORT = 0; "
)


def test_the_monolith_serves_each_service_on_a_port_of_its_own(here: Machine) -> None:
    command = [*COMMAND[:2], TWO_PORTS + COMMAND[2], "monolith", "--sqlite", str(here.data)]
    made = here.launch(command, variables={"IP_PORT": ""})
    eventually(lambda: made.printed.count("\n") == 2)
    ports = re.findall(r"^http://localhost:(\d+)  \S", made.printed, re.MULTILINE)
    writes, reads = (Process(made.popen, made.log, f"http://127.0.0.1:{port}") for port in ports)
    eventually(lambda: writes.ready() and reads.ready())

    writes.post("name")

    assert eventually(lambda: reads.get("/answers/name").status_code == 200)
    assert reads.post("name").status_code == 405
    assert (writes.get("/projection/ping").status_code, reads.get("/projection/ping").status_code) == (404, 200)
    assert writes.stop() == 0


def test_every_line_of_the_log_is_json_and_a_request_s_line_has_its_id(here: Machine) -> None:
    service = here.start("monolith")
    service.get("/answers/name", **{"X-Request-ID": "the-one"})

    line = eventually(lambda: [line for line in service.lines if line.get("request_id") == "the-one"])[0]

    assert {name: line[name] for name in ("level", "method", "route", "status")} == {
        "level": "INFO",
        "method": "GET",
        "route": "/answers/{key}",
        "status": 404,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert service.said("following the log")


def test_where_only_errors_are_logged_a_request_that_failed_has_its_line(here: Machine) -> None:
    service = here.start("projection", ready=False, LOG_LEVEL="ERROR")
    assert service.get("/answers/name").status_code == 503

    line = eventually(lambda: [line for line in service.lines if line.get("status")])[0]

    assert (line["level"], line["route"], line["status"]) == ("ERROR", "/answers/{key}", 503)
    assert line["error"].startswith("ReadModelUnavailable: ")


def test_the_log_is_text_for_people_where_it_is_asked_for(here: Machine) -> None:
    service = here.start("monolith", LOG_FORMAT="text")
    service.get("/answers/name", **{"X-Request-ID": "the-one"})

    eventually(lambda: "request_id=the-one method=GET route=/answers/{key} status=404" in service.log.read_text())
    with pytest.raises(json.JSONDecodeError):
        _ = service.lines


def test_a_process_takes_more_connections_than_a_shell_allows_it_files(here: Machine) -> None:
    def a_frugal_shell() -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))

    process = here.start("monolith", "--memdb", before=a_frugal_shell)
    with ExitStack() as open_at_once:
        for _ in range(100):
            connection = open_at_once.enter_context(process.connect())
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
