"""Clients that do not behave: the process answers what can be answered and goes on."""

import json
import os
import re
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.processes import Machine, Process, create, eventually, machine, reply, request, rest
from tests.e2e.stored import fill

PING = request("GET", "/ping")
FAREWELL = request("GET", "/ping", b"", "Connection: close")
LONG = 60_000  # events of one key; with a kilobyte each no socket's buffers hold them


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One event store service for all: whatever a test does to it, the next one must find it well."""
    with machine(tmp_path_factory.mktemp("clients")) as made:
        yield made.start("eventstore")


def sent(service: Process, data: bytes) -> bytes:
    """All that comes back on a connection of its own."""
    with service.connect() as connection:
        connection.sendall(data)
        return rest(connection)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x7f" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /ping HTTP/9.9\r\n\r\n",
        b"POST /answers HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /answers HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /answers HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT other:443 HTTP/1.1\r\n\r\n",
        b"CONNECT other:443 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_get_a_plain_400(service: Process, rubbish: bytes) -> None:
    head, _, body = sent(service, rubbish).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"text/plain" in head
    assert body
    assert service.get("/ping").status_code == 200


def test_a_head_without_end_is_refused(service: Process) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\n")
        for _ in range(65):
            connection.sendall(b"X-Filler: " + b"x" * 1012 + b"\r\n")
        got = rest(connection)

    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.endswith(b"The request's head is too long.")


def test_the_rest_of_a_body_is_not_taken_for_the_next_head(service: Process) -> None:
    with service.connect() as connection:
        connection.sendall(create("big", "x" * 200_000) + PING[:20])
        made = reply(connection)
        connection.sendall(PING[20:])
        answered = reply(connection)

    assert made.startswith(b"HTTP/1.1 201 ")
    assert answered.startswith(b"HTTP/1.1 200 ")


CHUNKED = b'POST /answers HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"key":1\r\n1\r\n}\r\n0\r\n'


def test_trailers_are_no_headers(service: Process) -> None:
    got = sent(service, CHUNKED + b"Accept: application/problem+json\r\n\r\n" + FAREWELL)

    assert got.count(b"content-type: application/json\r\n") == 2


def test_trailers_without_end_end_the_connection(service: Process) -> None:
    with service.connect() as connection:
        connection.sendall(CHUNKED)
        with suppress(ConnectionError):
            for _ in range(130):
                connection.sendall(b"X-Filler: " + b"x" * 1012 + b"\r\n")
        got = rest(connection)

    assert not got or got.startswith(b"HTTP/1.1 400 ")  # the reply may be lost with what was sent in vain
    assert service.get("/ping").status_code == 200


def test_who_has_said_all_still_hears_what_came_of_his_command(service: Process) -> None:
    with service.connect() as connection:
        connection.sendall(create(f"{uuid4()}"))
        connection.shutdown(socket.SHUT_WR)
        got = rest(connection)

    assert got.startswith(b"HTTP/1.1 201 ")


def test_a_client_of_http_1_0_gets_no_chunks(service: Process) -> None:
    key = f"{uuid4()}"
    service.post(key)

    got = sent(service, f"GET /answers/{key}/history HTTP/1.0\r\n\r\n".encode())
    pong = sent(service, b"GET /ping HTTP/1.0\r\n\r\n")

    head, _, body = got.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert [event["data"]["key"] for event in json.loads(body)] == [key]
    assert b"content-length: 18\r\n" in pong


def test_who_has_asked_all_still_gets_the_replies(service: Process) -> None:
    """As `ncat` and busybox's `nc` do at the end of their input."""
    key = f"{uuid4()}"
    service.post(key)
    with service.connect() as connection:
        connection.sendall(PING + request("GET", f"/answers/{key}/history"))
        connection.shutdown(socket.SHUT_WR)
        got = rest(connection)

    assert got.count(b"HTTP/1.1 200 ") == 2
    assert got.endswith(b"]\r\n0\r\n\r\n")


def test_an_offer_of_another_protocol_is_ignored(service: Process) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")

    with service.connect() as connection:
        connection.sendall(request("POST", "/answers", b'{"key":"upgrade","value":"me"}', *offer))
        made = reply(connection)
        connection.sendall(request("GET", "/answers/upgrade", b"", *offer))
        found = reply(connection)

    assert made.startswith(b"HTTP/1.1 201 ")
    assert found.endswith(b'{"key":"upgrade","value":"me"}')


def test_a_body_is_asked_for_only_where_it_will_be_taken(service: Process) -> None:
    body = b'{"key":"expected","value":"100"}'
    with service.connect() as connection:
        connection.sendall(request("POST", "/answers", body, "Expect: 100-continue")[: -len(body)])
        asked = reply(connection)
        connection.sendall(body)
        made = reply(connection)
    with service.connect() as connection:
        connection.sendall(b"POST /answers HTTP/1.1\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
        refused = rest(connection)

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert made.startswith(b"HTTP/1.1 201 ")
    assert refused.startswith(b"HTTP/1.1 413 ")


def test_a_body_over_the_limit_ends_its_connection_alone(service: Process) -> None:
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"

    with service.connect() as connection:
        connection.sendall(b"POST /answers HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 4 + chunk[:1000])
        got = rest(connection)

    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in got
    assert service.get("/ping").status_code == 200


def test_a_client_that_reads_only_when_it_has_sent_all_learns_that_it_was_too_much(service: Process) -> None:
    with service.connect() as connection:
        connection.sendall(request("POST", "/answers", b"x" * (32 << 20)))
        got = rest(connection)

    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in got


def test_requests_sent_ahead_are_answered_in_their_order(service: Process) -> None:
    with service.connect() as connection:
        connection.sendall(b"".join(create(f"ahead-{n}") + request("GET", f"/answers/ahead-{n}") for n in range(50)))
        connection.sendall(FAREWELL)
        got = rest(connection)

    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"201", b"200"] * 50 + [b"200"]
    assert re.findall(rb'"key":"ahead-(\d+)"', got) == [str(n).encode() for n in range(50)]


def test_small_replies_do_not_wait_for_a_delayed_acknowledgement(service: Process) -> None:
    seconds = []
    with service.connect() as connection:
        for number in range(100):
            began = time.perf_counter()
            connection.sendall(create(f"small-{number}"))
            reply(connection)
            seconds.append(time.perf_counter() - began)

    assert statistics.median(seconds) < 0.02  # it would be 0.04


def held(service: Process) -> tuple[int, int]:
    """Its threads and open files."""
    status = Path(f"/proc/{service.popen.pid}/status").read_text()
    threads = int(re.findall(r"Threads:\s+(\d+)", status)[0])
    return threads, len(os.listdir(f"/proc/{service.popen.pid}/fd"))


def released(service: Process, before: tuple[int, int]) -> bool:
    """Whether it holds no more than before."""
    return all(now <= then for now, then in zip(held(service), before, strict=True))


def test_a_client_that_leaves_while_it_sends_leaves_nothing_behind(service: Process) -> None:
    service.post("before")
    before = held(service)

    for number in range(50):
        whole = create(f"left-{number}", "x" * 5000)
        with service.connect() as connection:
            connection.sendall(whole[: 100 * (number + 1)])

    eventually(lambda: released(service, before))
    assert {service.get(f"/answers/left-{number}").status_code for number in range(50)} == {404}
    assert service.post("left-0").status_code == 201


def test_a_client_that_leaves_before_the_reply_has_written_all_or_nothing(service: Process) -> None:
    before = held(service)

    for number in range(50):
        with service.connect() as connection:
            connection.sendall(create(f"gone-{number}", "whole"))

    eventually(lambda: released(service, before))
    for number in range(50):
        answer = service.get(f"/answers/gone-{number}")
        assert answer.status_code == 404 or answer.json()["value"] == "whole"


@pytest.fixture(scope="module")
def long(service: Process) -> str:
    """The path of a history of 60 MB."""
    columns = "'long', i, iif(i, 'AnswerUpdatedEvent', 'AnswerCreatedEvent'), '{}'"
    fill(service.log.parent / "data", LONG, columns.format("x" * 1000))
    return "/answers/long/history"


def resident(service: Process) -> int:
    """Its memory in MiB."""
    status = Path(f"/proc/{service.popen.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) // 1024


def test_clients_that_do_not_read_a_long_history_cost_no_memory_and_nobody_s_time(service: Process, long: str) -> None:
    before, connections = resident(service), [service.connect() for _ in range(8)]
    for connection in connections:
        connection.sendall(request("GET", long))
        connection.recv(1000)

    slowest = 0.0
    with service.connect() as other:
        for _ in range(300):
            began = time.perf_counter()
            other.sendall(PING)
            reply(other)
            slowest = max(slowest, time.perf_counter() - began)

    assert resident(service) < before + 40
    assert slowest < 2
    for connection in connections:
        connection.close()


def test_a_long_history_may_be_left_half_way(service: Process, long: str) -> None:
    before = held(service)

    for _ in range(5):
        with service.connect() as connection:
            connection.sendall(request("GET", long))
            connection.recv(1000)

    eventually(lambda: released(service, before))


def test_head_of_a_long_history_is_its_head_at_once(service: Process, long: str) -> None:
    with service.connect() as connection:
        connection.sendall(request("HEAD", long) + PING)
        began = time.perf_counter()
        got = reply(connection)
        while b"pong" not in got:
            got += reply(connection)

    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200", b"200"]
    assert time.perf_counter() - began < 1


def test_a_history_whose_log_fails_half_way_is_not_well_formed(here: Machine) -> None:
    service = here.start("eventstore")
    for number in range(60):
        (service.patch if number else service.post)("name", f"{number}" * 100_000)
    with closing(service.connect()) as connection:
        connection.sendall(request("GET", "/answers/name/history", b"", "Connection: close"))
        connection.recv(1000)
        broken = here.folder / "broken"
        broken.write_bytes(b"broken" * 1000)
        broken.replace(here.data / "events.sqlite")
        eventually(lambda: service.get("/answers/name").status_code == 503)
        got = rest(connection)

    assert not got.endswith(b"0\r\n\r\n")
    eventually(lambda: any("history" in str(line.get("route")) and "error" in line for line in service.lines))
    assert service.get("/health/live").status_code == 200


def test_who_has_gone_does_not_watch_any_more(here: Machine) -> None:
    service = here.start("eventstore")
    with service.connect() as connection:
        connection.sendall(request("GET", "/watch"))
        connection.shutdown(socket.SHUT_WR)
        rest(connection)

    eventually(lambda: "qaservice_watchers 0.0" in service.get("/metrics").text)
