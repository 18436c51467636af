"""Single requests, where one has to know when its reply came."""

import http.client
import json
from collections.abc import Mapping
from types import MappingProxyType, TracebackType

from bench.run import NotMeasured
from bench.servers import Server


class Client:
    """One connection that stays open."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def create(self, key: str) -> str:
        """POST an answer; gives its Consistency-Token. Raises NotMeasured."""
        self._connection.request("POST", "/answers", json.dumps({"key": key, "value": "a value"}))
        reply = self._connection.getresponse()
        text = reply.read()
        if reply.status != 201:
            raise NotMeasured(f"POST: {reply.status} {text!r}")
        return reply.headers["Consistency-Token"]

    def has(self, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> bool:
        """Whether a GET gets a 200 and not a 404. Raises NotMeasured."""
        self._connection.request("GET", path, headers=headers)
        reply = self._connection.getresponse()
        text = reply.read()
        if reply.status not in (200, 404):
            raise NotMeasured(f"GET {path}: {reply.status} {text!r}")
        return reply.status == 200

    def text(self, path: str) -> str:
        """What a GET gets."""
        self._connection.request("GET", path)
        return self._connection.getresponse().read().decode()
