"""A process that can't start as it is told says why in one line, and ends."""

import socket
import subprocess
import sys

import pytest

from tests.e2e.commands import environment, qaservice, refuses
from tests.e2e.processes import Machine


def test_bad_values_are_a_line_each(here: Machine) -> None:
    ended = qaservice(here, "monolith", "--memdb", variables={"MAX_KEY_BYTES": "x", "LOG_LEVEL": "y"})

    assert (ended.returncode, ended.stdout) == (2, b"")
    assert [line.split(b"=")[0] for line in ended.stderr.splitlines()] == [
        b"qaservice: MAX_KEY_BYTES",
        b"qaservice: LOG_LEVEL",
    ]


def test_a_taken_port_is_named(here: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = qaservice(here, "monolith", "--memdb", variables={"IP_PORT": address})

    refuses(ended, f"can't listen on {address}: Address already in use; stop what uses it, or ")


def test_an_address_of_another_machine_is_named(here: Machine) -> None:
    refuses(
        qaservice(here, "monolith", "--memdb", variables={"IP_PORT": "192.0.2.1:0"}),
        "can't listen on 192.0.2.1:0: Cannot assign requested address; no interface of this machine has that address: "
        "set IP_PORT, for example IP_PORT=:8090",
    )


@pytest.mark.parametrize(
    ("process", "variables", "missing"),
    [
        ("eventstore", {}, "EVENTSTORE_HOST"),
        ("projection", {}, "MONGODB_HOST"),
        ("projector", {}, "EVENTSTORE_HOST"),
        ("monolith", {"MONGODB_HOST": "localhost"}, "EVENTSTORE_HOST"),
    ],
)
def test_the_store_that_is_not_named_is_said(
    here: Machine, process: str, variables: dict[str, str], missing: str
) -> None:
    refuses(qaservice(here, process, variables=variables), f"{missing} is missing, for example {missing}=")


def percent_encode(kind: str) -> str:
    return (
        f"MONGODB_URI: not a MongoDB URI ({kind}): percent-encode what is special in user and password, or use "
        "MONGODB_HOST, MONGODB_USER, MONGODB_PASS"
    )


@pytest.mark.parametrize(
    ("process", "variables", "line"),
    [
        (
            "eventstore",
            {"EVENTSTORE_URI": "esdb://localhost:2113"},
            "EVENTSTORE_URI: with TLS it needs user and password; for a server without TLS add ?tls=false",
        ),
        (
            "eventstore",
            {"EVENTSTORE_HOST": "localhost", "EVENTSTORE_PREFIX": "qaservice.store-"},
            "EVENTSTORE_PREFIX: streams can't begin with 'qaservice.store-': that would mix them with those of "
            "'qaservice.store-'",
        ),
        (
            "projection",
            {"MONGODB_URI": "mongodb://user:s3cret@localhost/?w=1&colour=blue"},
            "MONGODB_URI: the option colour can't be used (ConfigurationError): change or remove it, or use "
            "MONGODB_HOST, MONGODB_USER, MONGODB_PASS",
        ),
        ("projection", {"MONGODB_URI": "mongodb://user:p@s3cret@localhost"}, percent_encode("InvalidURI")),
        (
            "projection",
            {"MONGODB_URI": "mongodb://user:p?s3cret=s3cret@localhost"},
            percent_encode("ConfigurationError"),
        ),
    ],
)
def test_the_address_of_a_store_that_can_t_be_used_is_told_without_what_is_secret(
    here: Machine, process: str, variables: dict[str, str], line: str
) -> None:
    ended = qaservice(here, process, variables=variables)

    assert (ended.returncode, ended.stdout, ended.stderr.decode()) == (2, b"", f"qaservice: {line}\n")


@pytest.mark.parametrize(("process", "driver"), [("eventstore", "esdbclient"), ("projection", "motor")])
def test_a_python_without_the_drivers_says_which_have_them(here: Machine, process: str, driver: str) -> None:
    lacking = (
        f"import sys; sys.modules[{driver!r}] = None; from services import cli, stores; "
        "stores.version_info = (3, 14, 0); cli.main()"
    )
    servers = {"EVENTSTORE_HOST": "localhost", "MONGODB_HOST": "localhost"}
    command = [sys.executable, "-c", lacking, process]

    refuses(
        subprocess.run(command, capture_output=True, cwd=here.folder, env=environment(servers), timeout=60),
        "the drivers of EventStoreDB and MongoDB need Python 3.11 to 3.13, this is 3.14: use one of those, or --sqlite "
        "DIR",
    )


@pytest.mark.parametrize("process", ["eventstore", "projector", "projection"])
@pytest.mark.parametrize("flag", ["--memdb", "-memdb"])
def test_only_the_monolith_can_keep_everything_in_memory(here: Machine, process: str, flag: str) -> None:
    ended = qaservice(here, process, flag)

    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"No such option" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_two_places_for_the_data_are_one_too_many(here: Machine) -> None:
    ended = qaservice(here, "monolith", "--memdb", "--sqlite", "data")

    assert ended.returncode == 2
    assert b"exclude each other" in ended.stderr
