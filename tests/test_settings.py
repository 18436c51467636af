"""What the environment may say."""

import os
import re
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
