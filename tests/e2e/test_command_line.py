"""`qaservice get`, `put`, `delete`, `history`, `list` and `watch` against running services."""

import json
import os
import pty
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from services.client.answers import delete, put
from services.client.http import Refused, Server
from tests.e2e.commands import Done, environment, qaservice, refuses
from tests.e2e.processes import COMMAND, THREE, Machine, Process, eventually, free_port, machine

KEY = "a/b ä?#%&+=\u2028"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Everything on one port."""
    with machine(tmp_path_factory.mktemp("client")) as made:
        yield made.start("monolith", "--memdb")


@pytest.fixture
def client(here: Machine, service: Process) -> "partial[Done]":
    """The command, with the address of the service."""
    return partial(qaservice, here, variables={"QASERVICE_URL": service.url})


def lines(done: Done) -> list[dict[str, object]]:
    """What a command with --json printed."""
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]


def test_put_creates_or_updates_and_get_prints_the_value(client: "partial[Done]") -> None:
    assert client("put", KEY, "john").stdout == b"created, revision 0\n"
    assert client("put", KEY, "-", given="jäne\n\n".encode()).stdout == b"updated, revision 1\n"
    assert client("get", KEY).stdout == "jäne\n\n".encode()
    assert client("get", KEY, "--as-of", "0").stdout == b"john\n"
    assert lines(client("get", KEY, "--json")) == [{"key": KEY, "value": "jäne\n", "revision": 1}]
    assert client("delete", KEY).stdout == b"deleted, revision 2\n"
    assert client("put", KEY, "jack").stdout == b"created, revision 3\n"

    told = lines(client("history", KEY, "--json"))
    assert [event["type"] for event in told] == [
        f"Answer{name}Event" for name in ("Created", "Updated", "Deleted", "Created")
    ]
    time = told[1]["meta"]["time"]  # type: ignore[index]
    assert lines(client("get", KEY, "--as-of", time, "--json")) == [{"key": KEY, "value": "jäne\n", "revision": 1}]
    refuses(client("get", KEY, "--as-of", "2"), "Key not found", 1)
    rows = [row.split("\t") for row in client("history", KEY).stdout.decode().splitlines()]
    assert [(row[0], *row[2:]) for row in rows] == [
        ("0", "created", "john"),
        ("1", "updated", "jäne\\n"),
        ("2", "deleted", ""),
        ("3", "created", "jack"),
    ]


def test_a_condition_that_does_not_hold_is_exit_code_1(client: "partial[Done]", service: Process) -> None:
    service.post("conditional")
    assert client("put", "conditional", "jane", "--if-match", "0").returncode == 0
    refuses(client("put", "conditional", "jack", "--if-match", "0"), "Revision does not match", 1)
    refuses(client("delete", "conditional", "--if-match", "0"), "Revision does not match", 1)
    refuses(client("put", "missing", "jack", "--if-match", "0"), "Key not found", 1)
    refuses(client("delete", "missing"), "Key not found", 1)
    refuses(client("get", "missing"), "Key not found", 1)


def test_trouble_is_exit_code_2(client: "partial[Done]") -> None:
    refuses(client("put", "name", ""), "value is empty")
    refuses(client("get", "name", "--as-of", "yesterday"), "Input not valid")
    refuses(client("get", "name", "--url", "http://127.0.0.1:1", "--timeout", "0"), "can't be reached")
    refuses(client("put", "name", "-", given=b"\xff"), "utf-8")
    refuses(client("get", "name", "--as-of", "0", "--current"), "--as-of and --current exclude each other")
    assert client("watch").returncode == 2


def test_a_list_goes_on_to_its_last_page(here: Machine) -> None:
    service = here.start("monolith", "--memdb")
    keys = [f"ключ-{number:04}" for number in range(1200)]
    for key in keys:
        service.post(key, "v\tv")
    service.post("other")
    client = partial(qaservice, here, variables={"QASERVICE_URL": service.url})

    eventually(lambda: service.get("/answers?prefix=other").json())
    assert [answer["key"] for answer in lines(client("list", "--prefix", "ключ", "--json"))] == keys
    assert client("list", "--prefix", "ключ-0000").stdout.decode() == "ключ-0000\tv\\tv\n"
    assert client("list", "--prefix", "none").stdout == b""


def test_reads_go_to_the_read_service(here: Machine) -> None:
    writes, _, reads = here.start_all(*THREE)
    writes.post("name", "john")
    client = partial(
        qaservice, here, variables={"QASERVICE_READ_URL": reads.url, "QASERVICE_URL": "http://127.0.0.1:1"}
    )

    eventually(lambda: reads.get("/answers/name").status_code == 200)
    assert client("get", "name").stdout == b"john\n"
    assert client("list").stdout == b"name\tjohn\n"
    assert client("get", "name", "--current", "--url", writes.url).stdout == b"john\n"


def test_puts_that_race_with_each_other_and_with_deletes_all_succeed(service: Process) -> None:
    failed: list[object] = []

    def write(writer: int) -> None:
        with Server(service.url, 10) as server:
            for number in range(30):
                try:
                    put(server, "raced", f"{writer}.{number}")
                except Refused as error:
                    failed.append(error)

    def interfere() -> None:
        with Server(service.url, 10) as server:
            while writers[0].is_alive():
                with suppress(Refused):
                    delete(server, "raced", None)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in (everybody := [*writers, threading.Thread(target=interfere)]):
        thread.start()
    for thread in everybody:
        thread.join()

    assert failed == []
    values = [event["data"]["value"] for event in service.get("/answers/raced/history").json()]
    assert sorted(value for value in values if value) == sorted(f"{w}.{n}" for w in range(4) for n in range(30))


def test_a_watch_goes_on_over_a_restart_without_a_gap(here: Machine) -> None:
    variables = {"IP_PORT": f"127.0.0.1:{free_port()}"}
    service = here.start("eventstore", **variables)
    watching = here.launch([*COMMAND, "watch", "--prefix", "wat", "--json"], variables={"QASERVICE_URL": service.url})
    eventually(lambda: "qaservice_watchers 1.0" in service.get("/metrics").text)

    service.post("watched", "0")
    service.post("other")
    eventually(lambda: watching.printed)
    service.kill()
    service = here.start("eventstore", **variables)
    for number in range(1, 4):
        service.patch("watched", str(number))
    eventually(lambda: watching.printed.count("\n") == 4)

    told = [json.loads(line) for line in watching.printed.splitlines()]
    assert [(event["type"], event["key"], event["value"]) for event in told] == [
        ("AnswerCreatedEvent", "watched", "0"),
        *[("AnswerUpdatedEvent", "watched", str(number)) for number in range(1, 4)],
    ]
    again = here.launch(
        [*COMMAND, "watch", "watched", "--from", told[1]["id"]], variables={"QASERVICE_URL": service.url}
    )
    eventually(lambda: again.printed.count("\n") == 2)
    assert again.printed == "updated\twatched\t2\nupdated\twatched\t3\n"


def test_a_terminal_gets_columns_with_times_and_nothing_that_would_control_it(here: Machine, service: Process) -> None:
    service.post("terminal", "\x1b[31mred")
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "history", "terminal"],
        stdout=theirs,
        cwd=here.folder,
        env=environment({"QASERVICE_URL": service.url, "COLUMNS": "100", "TERM": "dumb"}),
        timeout=60,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)

    assert done.returncode == 0
    head, row = shown.splitlines()
    assert head.split() == ["revision", "time", "event", "value"]
    assert row.split()[0] == "0"
    assert row.split()[2:] == ["created", "\\x1b[31mred"]


def test_an_output_that_nobody_reads_ends_the_command_without_a_word(here: Machine, service: Process) -> None:
    for number in range(200):
        (service.patch if number else service.post)("long", "x" * 5000)
    command = subprocess.Popen(
        [*COMMAND, "history", "long"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=here.folder,
        env=environment({"QASERVICE_URL": service.url}),
    )
    assert command.stdout is not None
    assert command.stderr is not None
    with command:
        command.stdout.readline()
        command.stdout.close()
        said = command.stderr.read()
    assert (command.returncode, said) == (141, b"")


def test_the_version_is_that_of_the_package(here: Machine) -> None:
    told = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]

    assert qaservice(here, "--version").stdout.decode() == f"{told}\n"


@pytest.mark.parametrize("arguments", [["put", "closed", "john"], ["get", "closed"], ["list"], ["history", "closed"]])
def test_a_command_whose_output_is_closed_does_its_work(here: Machine, service: Process, arguments: list[str]) -> None:
    if arguments[0] != "put":
        service.post("closed")
    command = here.launch([*COMMAND, *arguments], lambda: os.close(1), {"QASERVICE_URL": service.url})

    assert command.popen.wait(20) == 0
    assert command.log.read_text() == ""


def test_help_fits_on_a_screen_and_needs_no_server(here: Machine) -> None:
    shown = qaservice(here, "--help", variables={"COLUMNS": "80"}).stdout.decode()
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, services.cli; print(*sys.modules)"],
        capture_output=True,
        cwd=Path(__file__).parents[2],
        env=environment({}),
        check=True,
    ).stdout.split()

    assert len(shown.strip().splitlines()) <= 24
    assert not {b"pydantic", b"fastapi", b"httpx", b"rich", b"esdbclient", b"motor", b"sqlite3", b"uvicorn"} & set(
        loaded
    )
