"""Following changes for as long as one likes: over lost connections and restarts of the service, without a gap."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from httpx_sse import EventSource, SSEError

from services.client.http import Server, Trouble

_FOR_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an answer; `cursor`: the place after it, to go on from."""

    type: str
    data: str
    cursor: str


def changes(server: Server, path: str, parameters: dict[str, str]) -> Iterator[Change]:
    """Every change from where `parameters` say, for ever. Raises Refused, Trouble."""
    cursor, pause = "", 2.0
    patience: float | None = None
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": cursor} if cursor else {})
        try:
            with server.stream(path, parameters, headers, patience) as response:
                patience = _FOR_EVER
                for event in EventSource(response).iter_sse():
                    cursor = event.id or cursor
                    pause = pause if event.retry is None else event.retry / 1000
                    if event.data:
                        yield Change(event.event, event.data, cursor)
        except httpx.TransportError:
            pass  # it is resumed
        except SSEError as error:
            raise Trouble(str(error)) from None
        time.sleep(pause)
