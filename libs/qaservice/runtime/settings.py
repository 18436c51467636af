"""What a process can be told by its environment, or by a `.env` file in the working directory."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote_plus

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class BadSettings(Exception):
    """The environment can't be used as it is; the text says what to change, a line for each variable."""


Address = tuple[str, int]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s@]+")


def _address(text: str) -> str:
    split_address(text, 0)
    return text


def split_address(text: str, default_port: int) -> Address:
    """`host`, `host:port`, `:port` or `[IPv6]:port` as host and port. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    if not (port.isascii() and port.isdigit() and int(port) <= 65535) or (":" in host and not host.startswith("[")):
        raise ValueError("is not host:port")
    return host.strip("[]"), int(port)


def _listen_address(text: str) -> str:
    host, colon, _ = text.rpartition(":")
    if not colon:
        raise ValueError("has no port")
    if host not in ("", "localhost"):
        ip_address(host.strip("[]"))
    return _address(text)


def _origins(text: str) -> str:
    for origin in _listed(text):
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError("is not a list of origins")
    return text


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


HostPort = Annotated[str, AfterValidator(_address)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
Origins = Annotated[str, AfterValidator(_origins)]
Bytes = Annotated[int, Field(ge=1, le=1 << 30)]


class Settings(BaseSettings):
    """All variables, by their names in lower case. The first example is what an error message shows."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    eventstore_host: HostPort | None = Field(default=None, examples=["localhost:2113"])
    eventstore_uri: SecretStr | None = Field(default=None, examples=["esdb://localhost:2113?tls=false"])
    eventstore_prefix: str = Field(default="qaservice.answer-", pattern=r"^[^$]", examples=["qaservice.answer-"])
    mongodb_host: HostPort | None = Field(default=None, examples=["localhost:27017"])
    mongodb_user: str | None = Field(default=None, examples=["qaservice"])
    mongodb_pass: SecretStr | None = Field(default=None, examples=["secret"])
    mongodb_uri: SecretStr | None = Field(default=None, examples=["mongodb://localhost:27017"])
    mongodb_database: str = Field(default="qaservice", pattern=r'^[^/\\. "$*<>:|?]{1,63}$', examples=["qaservice"])
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
        """The origins whose pages a browser lets use this; none where nothing is set."""
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
        user = ""
        if self.mongodb_user is not None:
            password = self.mongodb_pass.get_secret_value() if self.mongodb_pass is not None else ""
            user = f"{quote_plus(self.mongodb_user)}:{quote_plus(password)}@"
        return f"mongodb://{user}{_joined(split_address(self.mongodb_host, 27017))}"


def load() -> Settings:
    """The settings of this process. Raises BadSettings."""
    try:
        return Settings()
    except ValidationError as error:
        raise BadSettings("\n".join(_problem(Settings, fault) for fault in error.errors())) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f".env can't be read: {error}") from None


T = TypeVar("T", bound=BaseSettings)


def _problem(settings: type[T], fault: Any) -> str:
    """One line: variable, value, what is wrong with it, an example."""
    name = str(fault["loc"][0])
    field = settings.model_fields[name]
    secret = "SecretStr" in str(field.annotation) or "@" in str(fault["input"])  # user:password@host
    value = "" if secret else f"{fault['input']!r}: "
    words = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{name.upper()}={value}{words}, for example {name.upper()}={(field.examples or [''])[0]}"


def _joined(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
