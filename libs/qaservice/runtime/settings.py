"""What a process can be told by its environment, or by a `.env` file in the working directory."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote_plus

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class BadSettings(Exception):
    """The environment can't be used as it is; the text says what to change, a line for each variable."""


Address = tuple[str, int]

_FILE = ".env"
_HOST = re.compile(r"\[[^][/?#@,\s]+\]|[^][:/?#@,\s]*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s@]+")
_DATABASE = re.compile(r'[^/\\. "$*<>:|?]{1,63}')


def _address(text: str) -> str:
    if "@" in text:
        raise ValueError("is not host:port; user and password go into EVENTSTORE_URI")
    host, _ = split_address(text, 0)
    if not host:
        raise ValueError("has no host")
    return text


def _mongodb_address(text: str) -> str:
    if "@" in text:
        raise ValueError("is not host:port; user and password go into MONGODB_USER and MONGODB_PASS")
    return _address(text)


def split_address(text: str, default_port: int) -> Address:
    """`host`, `host:port`, `:port` or `[IPv6]:port` as host and port. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    if not (port.isascii() and port.isdigit() and len(port) < 10 and _HOST.fullmatch(host)):
        raise ValueError("is not host:port")
    if int(port) > 65535:
        raise ValueError("has a port above 65535")
    return host.strip("[]"), int(port)


def _listen_address(text: str) -> str:
    host, colon, _ = text.rpartition(":")
    if not colon:
        raise ValueError("has no port")
    if host not in ("", "localhost"):
        ip_address(host.strip("[]"))
    split_address(text, 0)
    return text


def _origins(text: str) -> str:
    for origin in _listed(text):
        if origin == "*" or _ORIGIN.fullmatch(origin):
            continue
        begun = _ORIGIN.match(origin)
        if begun and origin[begun.end()] != "@":
            raise ValueError(f"an origin ends before the path: {begun[0]}")
        raise ValueError("is not a list of origins")
    return text


def _prefix(text: str) -> str:
    if text.startswith("$"):
        raise ValueError("begins with $, as only the server's own streams do")
    return text


def _database(text: str) -> str:
    if not _DATABASE.fullmatch(text):
        raise ValueError('is not 1 to 63 characters without spaces and / \\ . " $ * < > : | ?')
    return text


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


HostPort = Annotated[str, AfterValidator(_address)]
MongoDbHostPort = Annotated[str, AfterValidator(_mongodb_address)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
Origins = Annotated[str, AfterValidator(_origins)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Database = Annotated[str, AfterValidator(_database)]
Bytes = Annotated[int, Field(ge=1, le=1 << 30)]


class Settings(BaseSettings):
    """All variables, by their names in lower case. The first example is what an error message shows."""

    model_config = SettingsConfigDict(env_file=_FILE, env_ignore_empty=True, extra="ignore", frozen=True)

    eventstore_host: HostPort | None = Field(default=None, examples=["localhost:2113"])
    eventstore_uri: SecretStr | None = Field(default=None, examples=["esdb://localhost:2113?tls=false"])
    eventstore_prefix: Prefix = Field(default="qaservice.answer-", examples=["qaservice.answer-"])
    mongodb_host: MongoDbHostPort | None = Field(default=None, examples=["localhost:27017"])
    mongodb_user: str | None = Field(default=None, examples=["qaservice"])
    mongodb_pass: SecretStr | None = Field(default=None, examples=["secret"])
    mongodb_uri: SecretStr | None = Field(default=None, examples=["mongodb://localhost:27017"])
    mongodb_database: Database = Field(default="qaservice", examples=["qaservice"])
    ip_port: ListenAddress | None = Field(default=None, examples=[":8080"])
    max_key_bytes: Bytes = Field(default=1024, examples=["1024"])
    max_value_bytes: Bytes = Field(default=512 * 1024, examples=["524288"])
    max_body_bytes: Bytes = Field(default=4 << 20, examples=["4194304"])
    max_watchers: int = Field(default=1000, ge=1, le=100_000, examples=["1000"])
    watch_heartbeat: float = Field(default=15, ge=0.1, le=3600, examples=["15"])
    cors_origins: Origins | None = Field(default=None, examples=["https://app.example"])
    store_timeout: float = Field(default=5, ge=0.1, le=8, examples=["5"])
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", examples=["INFO"])
    log_format: Literal["json", "text"] | None = Field(default=None, examples=["json"])

    def listen(self, default_port: int) -> Address:
        """Host and port to serve on; all interfaces where IP_PORT names none."""
        host, port = split_address(self.ip_port or f":{default_port}", default_port)
        return host or "0.0.0.0", port

    def origins(self) -> list[str]:
        """The origins whose web pages may use this; none where nothing is set."""
        return _listed(self.cors_origins or "")

    def eventstore(self) -> str:
        """The URI of the event store. Raises BadSettings where none is named."""
        if self.eventstore_uri is not None:
            return self.eventstore_uri.get_secret_value()
        if self.eventstore_host is None:
            raise BadSettings(
                "EVENTSTORE_HOST is missing, for example EVENTSTORE_HOST=localhost:2113; or use --sqlite DIR"
            )
        return f"esdb://{_joined(split_address(self.eventstore_host, 2113))}?tls=false"

    def mongodb(self) -> str:
        """The URI of MongoDB. Raises BadSettings where none is named."""
        if self.mongodb_uri is not None:
            return self.mongodb_uri.get_secret_value()
        if self.mongodb_host is None:
            raise BadSettings("MONGODB_HOST is missing, for example MONGODB_HOST=localhost:27017; or use --sqlite DIR")
        return f"mongodb://{self._mongodb_login()}{_joined(split_address(self.mongodb_host, 27017))}"

    def _mongodb_login(self) -> str:
        if self.mongodb_user is None and self.mongodb_pass is None:
            return ""
        if self.mongodb_user is None:
            raise BadSettings("MONGODB_USER is missing, and MONGODB_PASS is set: set both, or neither")
        if self.mongodb_pass is None:
            raise BadSettings("MONGODB_PASS is missing, and MONGODB_USER is set: set both, or neither")
        return f"{quote_plus(self.mongodb_user)}:{quote_plus(self.mongodb_pass.get_secret_value())}@"


def load() -> Settings:
    """The settings of this process. Raises BadSettings."""
    try:
        _check_lines()
        return Settings()
    except ValidationError as error:
        raise BadSettings("\n".join(map(_problem, error.errors()))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{_FILE} can't be read: {error}") from None


def _check_lines() -> None:
    """Raises BadSettings where the file has a line that would only be left out, with a warning."""
    if not Path(_FILE).is_file():  # a pipe can be read once
        return
    from dotenv.parser import parse_stream

    with open(_FILE, encoding="utf-8") as file:
        for line in parse_stream(file):
            if line.error:
                text = line.original.string
                blank = text[: len(text) - len(text.lstrip())].count("\n")
                raise BadSettings(f"{_FILE} can't be read: line {line.original.line + blank} is not NAME=value")


def _problem(fault: Any) -> str:
    """One line: variable, value, what is wrong with it, an example."""
    name = str(fault["loc"][0])
    field = Settings.model_fields[name]
    secret = "SecretStr" in str(field.annotation) or "@" in str(fault["input"])  # user:password@host
    value = "" if secret else f"{fault['input']!r}: "
    words = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{name.upper()}={value}{words}, for example {name.upper()}={(field.examples or [''])[0]}"


def _joined(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
