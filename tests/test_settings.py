"""What the environment may say, and what a process that can't start as told says before it ends."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from qaservice.runtime.settings import BadSettings, Settings, load

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / ".env.example"
NAMES = {name.upper(): field for name, field in Settings.model_fields.items()}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.upper() in NAMES:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # where there is no .env


def exemplified() -> dict[str, tuple[str, bool]]:
    """Each variable of .env.example, with its value and whether it is only a comment."""
    found = re.findall(r"^(# )?([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    return {name: (value, bool(comment)) for comment, name, value in found}


def test_the_example_names_every_setting_and_no_other() -> None:
    assert exemplified().keys() == NAMES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_example_shows_the_default(name: str) -> None:
    value, comment = exemplified()[name]

    if NAMES[name].default is not None:
        assert (value, comment) == (str(NAMES[name].default), False)


def test_the_example_can_be_used_as_it_is_and_with_every_line() -> None:
    Path(".env").write_text(EXAMPLE.read_text())
    assert load().max_key_bytes == 1024

    Path(".env").write_text(re.sub(r"^# (?=[A-Z_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert load().mongodb_user == "qaservice"


def test_the_readme_names_every_setting() -> None:
    readme = (ROOT / "README.md").read_text()

    assert [name for name in NAMES if f"`{name}`" not in readme] == []


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MAX_KEY_BYTES=100\nMAX_VALUE_BYTES=200\n")
    monkeypatch.setenv("MAX_KEY_BYTES", "300")

    assert (load().max_key_bytes, load().max_value_bytes) == (300, 200)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("MAX_KEY_BYTES", "many", "should be a valid integer"),
        ("MAX_VALUE_BYTES", "0", "should be greater than or equal to 1"),
        ("MAX_BODY_BYTES", "1e99", "should be a valid integer"),
        ("MAX_WATCHERS", "0", "should be greater than or equal to 1"),
        ("WATCH_HEARTBEAT", "0", "should be greater than or equal to 0.1"),
        ("CORS_ORIGINS", "https://app.example/", "an origin ends before the path: https://app.example,"),
        ("CORS_ORIGINS", "*,https://a.example:8443/b?c", "an origin ends before the path: https://a.example:8443,"),
        ("CORS_ORIGINS", "app.example,*", "is not a list of origins"),
        ("STORE_TIMEOUT", "60", "should be less than or equal to 8"),
        ("STORE_TIMEOUT", "nan", "should be"),
        ("IP_PORT", "8080", "has no port"),
        ("IP_PORT", ":http", "is not host:port"),
        ("IP_PORT", ":65536", "has a port above 65535"),
        ("IP_PORT", "somewhere:8080", "does not appear to be an IPv4 or IPv6 address"),
        ("EVENTSTORE_HOST", "tcp://10.0.0.1:2113", "is not host:port"),
        ("EVENTSTORE_HOST", "node1/path", "is not host:port"),
        ("EVENTSTORE_HOST", "node1,node2", "is not host:port"),
        ("EVENTSTORE_HOST", ":2113", "has no host"),
        ("MONGODB_HOST", "a:b:c", "is not host:port"),
        ("MONGODB_DATABASE", "a b", "is not 1 to 63 characters without spaces and "),
        ("EVENTSTORE_PREFIX", "$answers", "begins with $, as only the server's own streams do"),
        ("LOG_LEVEL", "LOUD", "should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LOG_FORMAT", "a\nb", "should be 'json' or 'text'"),
    ],
)
def test_a_bad_value_is_one_line_with_name_value_problem_and_example(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(BadSettings) as raised:
        load()

    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{name}={value!r}: ")
    assert problem in line
    assert f", for example {name}=" in line


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MONGODB_PASS", "MONGODB_URI", "EVENTSTORE_URI"):
        monkeypatch.setenv(name, "s3cret")
    assert "s3cret" not in repr(load())

    for name in ("MONGODB_HOST", "EVENTSTORE_HOST", "CORS_ORIGINS"):
        monkeypatch.setenv(name, "https://user:s3cret@host:x")
    with pytest.raises(BadSettings) as raised:
        load()
    assert "s3cret" not in str(raised.value)
    assert "user and password go into MONGODB_USER and MONGODB_PASS" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 3


def test_a_file_that_is_no_text_is_one_line() -> None:
    Path(".env").write_bytes(b"MAX_KEY_BYTES=\xff\n")

    with pytest.raises(BadSettings, match=r"^\.env can't be read: .*$"):
        load()


@pytest.mark.parametrize("line", ["MAX_KEY_BYTES 300", "MAX_KEY_BYTES='300", "= 300"])
def test_a_line_of_the_file_that_is_no_variable_is_named(line: str) -> None:
    Path(".env").write_text(f"# Limits\n\nLOG_LEVEL=INFO\n\n{line}\nMAX_VALUE_BYTES=200\n")

    with pytest.raises(BadSettings, match=r"^\.env can't be read: line 5 is not NAME=value$"):
        load()


@pytest.mark.parametrize(("name", "missing"), [("MONGODB_USER", "MONGODB_PASS"), ("MONGODB_PASS", "MONGODB_USER")])
def test_a_user_needs_a_password_and_a_password_a_user(
    monkeypatch: pytest.MonkeyPatch, name: str, missing: str
) -> None:
    monkeypatch.setenv("MONGODB_HOST", "db")
    monkeypatch.setenv(name, "s3cret")

    with pytest.raises(BadSettings) as raised:
        load().mongodb()

    assert str(raised.value) == f"{missing} is missing, and {name} is set: set both, or neither"


@pytest.mark.parametrize(
    ("set_", "uri"),
    [
        ({"MONGODB_HOST": "db"}, "mongodb://db:27017"),
        ({"MONGODB_HOST": "db:1"}, "mongodb://db:1"),
        (
            {"MONGODB_HOST": "[::1]:1", "MONGODB_USER": "a@b", "MONGODB_PASS": "p/:@"},
            "mongodb://a%40b:p%2F%3A%40@[::1]:1",
        ),
        ({"MONGODB_HOST": "db", "MONGODB_URI": "mongodb://a,b/?replicaSet=rs0"}, "mongodb://a,b/?replicaSet=rs0"),
    ],
)
def test_mongodb_is_named_by_parts_or_by_a_whole_uri(
    monkeypatch: pytest.MonkeyPatch, set_: dict[str, str], uri: str
) -> None:
    for name, value in set_.items():
        monkeypatch.setenv(name, value)

    assert load().mongodb() == uri


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    command = [sys.executable, "-c", "from services.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, timeout=30, check=False)


def test_bad_values_end_the_process_with_a_line_each() -> None:
    ended = run("monolith", "--memdb", MAX_KEY_BYTES="x", LOG_LEVEL="y")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert [line.split("=")[0] for line in ended.stderr.splitlines()] == [
        "qaservice: MAX_KEY_BYTES",
        "qaservice: LOG_LEVEL",
    ]


def test_a_taken_port_ends_the_process_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("monolith", "--memdb", IP_PORT=address)

    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"qaservice: can't listen on {address}: Address already in use; stop what uses it, or ")


def test_an_address_of_another_machine_ends_the_process_with_one_line() -> None:
    ended = run("monolith", "--memdb", IP_PORT="192.0.2.1:0")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "qaservice: can't listen on 192.0.2.1:0: Cannot assign requested address; no interface of this machine has "
        "that address: set IP_PORT, for example IP_PORT=:8090\n"
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
def test_without_a_store_the_process_says_which_and_ends(process: str, variables: dict[str, str], missing: str) -> None:
    ended = run(process, **variables)

    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"qaservice: {missing} is missing, for example {missing}=")


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
        *[
            (
                "projection",
                {"MONGODB_URI": uri},
                f"MONGODB_URI: not a MongoDB URI ({kind}): percent-encode what is special in user and password, or use "
                "MONGODB_HOST, MONGODB_USER, MONGODB_PASS",
            )
            for uri, kind in (
                ("mongodb://user:p@s3cret@localhost", "InvalidURI"),
                ("mongodb://user:p?s3cret=s3cret@localhost", "ConfigurationError"),
            )
        ],
    ],
)
def test_the_address_of_a_store_that_can_t_be_used_is_one_line(
    process: str, variables: dict[str, str], line: str
) -> None:
    ended = run(process, **variables)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"qaservice: {line}\n")


@pytest.mark.parametrize(("process", "driver"), [("eventstore", "esdbclient"), ("projection", "motor")])
def test_a_python_without_the_drivers_says_which_have_them(process: str, driver: str) -> None:
    lacking = (
        f"import sys; sys.modules[{driver!r}] = None; from services import cli, stores; "
        "stores.version_info = (3, 14, 0); cli.main()"
    )
    servers = {"EVENTSTORE_HOST": "localhost", "MONGODB_HOST": "localhost"}
    ended = subprocess.run(
        [sys.executable, "-c", lacking, process],
        capture_output=True,
        text=True,
        env=os.environ | servers,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "qaservice: the drivers of EventStoreDB and MongoDB need Python 3.11 to 3.13, this is 3.14: use one of those, "
        "or --sqlite DIR\n"
    )


@pytest.mark.parametrize("process", ["eventstore", "projector", "projection"])
@pytest.mark.parametrize("flag", ["--memdb", "-memdb"])
def test_only_the_monolith_can_keep_everything_in_memory(process: str, flag: str) -> None:
    ended = run(process, flag)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "No such option" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_places_for_the_data_are_one_too_many() -> None:
    ended = run("monolith", "--memdb", "--sqlite", "data")

    assert ended.returncode == 2
    assert "exclude each other" in ended.stderr
