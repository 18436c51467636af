"""Watchers of real processes: a kept client library reads what comes over the wire."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from httpx_sse import ServerSentEvent, connect_sse

_client = httpx.Client(timeout=httpx.Timeout(20, connect=2), limits=httpx.Limits(max_keepalive_connections=0))


@contextmanager
def stream(url: str, **headers: str) -> Iterator[tuple[httpx.Response, Iterator[ServerSentEvent]]]:
    """A connection whose head has arrived, and what comes then; empty ones, which only carry a place, included."""
    with connect_sse(_client, "GET", url, headers=headers) as source:
        yield source.response, source.iter_sse()


@contextmanager
def events(url: str, **headers: str) -> Iterator[Iterator[ServerSentEvent]]:
    """The changes that come."""
    with stream(url, **headers) as (response, every):
        assert response.status_code == 200, response.read()
        yield (event for event in every if event.data)


@dataclass
class Watcher:
    """Watches in a thread, as a browser does: whenever the connection ends it comes again with the last id."""

    where: Callable[[], str]
    got: list[ServerSentEvent] = field(default_factory=list)
    connections: int = 0
    stopped: bool = False
    _last_id: str = ""

    def run(self) -> None:
        """Until `stopped`."""
        while not self.stopped:
            try:
                headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
                with stream(self.where(), **headers) as (response, every):
                    if response.status_code != 200:
                        continue
                    self.connections += 1
                    for event in every:
                        self._last_id = event.id
                        if event.data:
                            self.got.append(event)
                        if self.stopped:
                            return
            except httpx.TransportError:
                time.sleep(0.05)  # as long as it is down, each try fails at once

    @property
    def data(self) -> list[dict[str, str]]:
        """The keys and values of the changes so far."""
        return [event.json() for event in self.got]


@contextmanager
def watching(*watchers: Watcher) -> Iterator[None]:
    """They watch until the block ends."""
    threads = [threading.Thread(target=watcher.run, daemon=True) for watcher in watchers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.stopped = True
        for thread in threads:
            thread.join(15)
