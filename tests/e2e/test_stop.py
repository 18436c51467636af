"""The end of a process: everything that arrived is answered, within ten seconds, and its exit code says how it went."""

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.e2e.processes import COMMAND, Machine, Process, create, eventually, free_port, reply, request, rest
from tests.e2e.stored import events

LAST = b"\r\nconnection: close\r\n"


@contextmanager
def asleep(service: Process) -> Iterator[None]:
    """Stop a process from running: what is sent to it meanwhile waits in the kernel."""
    service.popen.send_signal(signal.SIGSTOP)
    yield
    service.popen.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_process_soon(here: Machine, number: int) -> None:
    service = here.start("monolith")
    with service.connect() as idle:
        idle.sendall(request("GET", "/ping"))
        reply(idle)
        service.popen.send_signal(number)

        assert service.popen.wait(4) == 0
        assert rest(idle) == b""


def test_under_load_every_request_is_answered_and_the_last_reply_says_so(here: Machine) -> None:
    service = here.start("monolith")
    sent: list[str] = []
    last: list[bytes] = []

    def client(number: int) -> None:
        with service.connect() as connection:
            got, count = b"", 0
            while LAST not in got:
                sent.append(f"{number}-{count}")
                connection.sendall(create(sent[-1]))
                got = reply(connection)
                count += 1
            last.append(got)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(sent) > 500)
    code = service.stop()
    for thread in threads:
        thread.join()

    assert code == 0
    assert len(last) == 32
    assert {key for key, *_ in events(here.data)} == set(sent)


def test_what_had_arrived_before_the_signal_is_answered(here: Machine) -> None:
    service = here.start("monolith")
    with ExitStack() as stack:
        idle = [stack.enter_context(service.connect()) for _ in range(10)]
        for connection in idle:
            connection.sendall(request("GET", "/ping"))
            reply(connection)

        with asleep(service):
            fresh = [stack.enter_context(service.connect()) for _ in range(10)]
            for connection in (*idle, *fresh):
                connection.sendall(create(f"{id(connection)}") + request("GET", "/ping"))
            service.popen.send_signal(signal.SIGTERM)

        got = [rest(connection) for connection in (*idle, *fresh)]
    assert [re.findall(rb"HTTP/1.1 (\d+)", each) for each in got] == [[b"201", b"200"]] * 20
    assert service.popen.wait(10) == 0


def test_a_request_that_is_half_sent_is_finished(here: Machine) -> None:
    service = here.start("eventstore")
    whole = create("slow")
    with service.connect() as connection:
        connection.sendall(whole[:-5])
        eventually(lambda: service.get("/ping").status_code == 200)
        service.popen.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(service))
        connection.sendall(whole[-5:])
        got = rest(connection)

    assert got.startswith(b"HTTP/1.1 201 ")
    assert LAST in got
    assert service.popen.wait(10) == 0


def refuses(service: Process) -> bool:
    """Whether it accepts no more."""
    try:
        service.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_clients_that_never_finish_do_not_keep_a_process_beyond_ten_seconds(here: Machine) -> None:
    service = here.start("monolith")
    for number in range(60):
        (service.patch if number else service.post)("long", "x" * 500_000)
    with service.connect() as sending, service.connect() as reading, service.connect() as silent:
        sending.sendall(create("never")[:-5])
        reading.sendall(request("GET", "/answers/long/history"))
        reading.recv(1000)
        silent.sendall(b"GET /ping HT")

        began = time.monotonic()
        assert service.stop(within=11) == 0

    assert time.monotonic() - began < 10
    assert not any("traceback" in line for line in service.lines)
    assert service.lines[-1]["message"] == "stopped"


FAILING = """
import asyncio
from qaservice.runtime import logs
from qaservice.runtime.serve import Part, Site, run, serve
from services import cli

async def app(scope, receive, send):
    raise AssertionError

async def part():
    await asyncio.sleep(0)
    {end}

site = Site(app, ("127.0.0.1", 0), "nothing")
cli._run(lambda settings, writer: serve([site], [Part(part, lambda: None)]))
"""


@pytest.mark.parametrize(
    ("end", "why"),
    [("raise ValueError('broken')", "ValueError: broken"), ("return", "a part of the process ended by itself")],
)
def test_a_process_whose_part_dies_ends_with_an_error(here: Machine, end: str, why: str) -> None:
    failing = here.launch([sys.executable, "-c", FAILING.format(end=end)])

    assert failing.popen.wait(20) == 1
    assert failing.log.read_text().splitlines()[-1] == f"qaservice: {why}"


def closed(*descriptors: int) -> Callable[[], None]:
    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return close


def into_a_broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for descriptor in (1, 2):
        os.dup2(writer, descriptor)


def into_a_full_pipe() -> None:
    """Its reader is the process itself, which reads nothing."""
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    for descriptor in (1, 2):
        os.dup2(writer, descriptor)


@pytest.mark.parametrize("before", [closed(1), closed(2), closed(0, 1, 2), into_a_broken_pipe, into_a_full_pipe])
def test_a_process_without_standard_streams_serves(here: Machine, before: Callable[[], None]) -> None:
    address = f"127.0.0.1:{free_port()}"  # it can't say which one it got
    service = here.launch([*COMMAND, "eventstore", "--sqlite", str(here.data)], before, {"IP_PORT": address})
    service.url = f"http://{address}"

    eventually(lambda: reached(service))
    assert service.post("name").status_code == 201
    assert service.stop() == 0
    assert [key for key, *_ in events(here.data)] == ["name"]


def reached(service: Process) -> bool:
    with suppress(OSError):
        service.connect().close()
        return True
    return False


def test_a_process_that_can_not_start_ends_though_nobody_reads_why(here: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        service = here.launch([*COMMAND, "monolith", "--memdb"], into_a_full_pipe, {"IP_PORT": address})

        assert service.popen.wait(20) == 2


@pytest.mark.parametrize("read", [True, False], ids=["gone", "stuck"])
def test_a_process_whose_log_nobody_reads_serves_and_ends_in_time(here: Machine, read: bool) -> None:
    reader, writer = os.pipe()

    def log_into() -> None:
        os.dup2(writer, 2)

    service = here.start("eventstore", before=log_into)
    os.close(writer)
    if read:
        os.close(reader)

    with service.connect() as connection:
        for number in range(2000):  # many times what a pipe holds
            connection.sendall(request("GET", f"/answers/{number}"))
            reply(connection)
    began = time.monotonic()
    code = service.stop()

    assert (code, time.monotonic() - began < 4) == (0, True)
    if not read:
        os.close(reader)


AFTERWARDS = """
import gc, os, signal
from qaservice.runtime.serve import Site, run, serve

async def app(scope, receive, send):
    raise AssertionError

class Last:
    "Goes when the interpreter takes the modules apart, after the handlers of signals."

    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.{name}):
        kill(process, number)

last = Last()
run(serve([Site(app, ("127.0.0.1", 0), "nothing")]))
gc.unfreeze()  # so that `last` goes
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_comes_again_while_the_interpreter_ends_changes_nothing(here: Machine, name: str) -> None:
    service = here.launch([sys.executable, "-c", AFTERWARDS.format(name=name)])
    eventually(lambda: service.printed)

    assert service.stop() == 0, service.log.read_text()
