"""Watching: how soon everybody has a change, how many changes one gets in a second, what those cost who get none."""

import json
import secrets
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median

from bench import fill
from bench.client import Client
from bench.rows import Row
from bench.run import NotMeasured, Run
from bench.servers import Server, ours, reference

_WATCHERS = 1_000
_KEY = "watched"
_FOLLOWED = 100_000
_PATIENCE_SECONDS = 30.0


def fan_out(run: Run) -> Sequence[Row]:
    """From sending an append to its delivery on the last of 1,000 connections, against bare Starlette without a log."""
    with (
        ours("eventstore", run.folder / "fan-out") as service,
        reference("starlette_fan_out", run.folder / "fan-out-reference") as bare,
        _watchers(service, _WATCHERS) as here,
        _watchers(bare, _WATCHERS) as there,
        Client(service) as client,
    ):
        client.create(_KEY)
        measured = run.interleaved({"ours": partial(_delays, service, here), "bare": partial(_delays, bare, there)})
    mine, other = (median(delay for delays in measured[name] for delay in delays) * 1000 for name in ("ours", "bare"))
    return [Row(f"append to the last of {_WATCHERS:,} watchers, p50", "ms", mine, other, other / mine, 0.5)]


def one_follower(run: Run) -> Sequence[Row]:
    """Changes in a second on one connection that reads a log from its start."""
    folder = run.folder / "followed"
    run.say(f"a log of {_FOLLOWED} events")
    fill.log_file(folder / "events.sqlite", _FOLLOWED)
    speeds = []
    with ours("eventstore", folder) as service:
        for number in range(run.rounds):
            run.say(f"round {number + 1} of {run.rounds}: {_FOLLOWED} changes")
            began = time.perf_counter()
            with _watching(service, "/watch?from=start") as stream:
                _read_frames(stream, _FOLLOWED)
            speeds.append(_FOLLOWED / (time.perf_counter() - began))
    return [Row("changes to one watcher", "changes/s", median(speeds), 10_000, median(speeds) / 10_000, 1)]


def idle_watchers(run: Run) -> Sequence[Row]:
    """What 1,000 connections hold of the memory that get no change."""
    with ours("eventstore", run.folder / "idle-watchers") as service:
        with _watchers(service, 10):
            before = service.resident_mebibytes()
        with _watchers(service, _WATCHERS):
            run.say("idle")
            held = service.resident_mebibytes() - before
            idle = service.idle_share(2 * run.seconds)
    return [
        Row(f"memory of {_WATCHERS:,} idle watchers", "MiB", held, target=48),
        Row(f"{_WATCHERS:,} idle watchers", "% of a core", idle),
    ]


@contextmanager
def _watching(server: Server, target: str) -> Iterator[socket.socket]:
    """A connection whose stream has begun."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE_SECONDS) as stream:
        stream.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        got = b""
        while b"retry: 2000\n\n" not in got:
            got += stream.recv(1 << 16)
        yield stream


@contextmanager
def _watchers(server: Server, count: int) -> Iterator[selectors.BaseSelector]:
    """So many connections on one key."""
    with ExitStack() as stack, selectors.EpollSelector() as selector:
        for _ in range(count):
            stream = stack.enter_context(_watching(server, f"/answers/{_KEY}/watch"))
            stream.setblocking(False)
            selector.register(stream, selectors.EVENT_READ)
        yield selector


def _delays(server: Server, watchers: selectors.BaseSelector, *, seconds: int) -> list[float]:
    """Of one append after the other, for about so many seconds."""
    delays = []
    with socket.create_connection(("127.0.0.1", server.port)) as writer:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            value = secrets.token_hex(8)
            _drain(watchers)
            began = time.perf_counter()
            _append(writer, value)
            _until_all_have(watchers, value.encode())
            delays.append(time.perf_counter() - began)
            writer.recv(1 << 16)
    return delays


def _append(writer: socket.socket, value: str) -> None:
    body = json.dumps({"key": _KEY, "value": value}).encode()
    writer.sendall(b"PATCH /answers HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def _until_all_have(watchers: selectors.BaseSelector, value: bytes) -> None:
    missing = len(watchers.get_map())
    deadline = time.perf_counter() + _PATIENCE_SECONDS
    while missing:
        for key, _ in watchers.select(timeout=1):
            missing -= value in key.fileobj.recv(1 << 16)  # type: ignore[union-attr]  # all are sockets
        if time.perf_counter() > deadline:
            raise NotMeasured(f"{missing} watchers did not get a change")


def _drain(watchers: selectors.BaseSelector) -> None:
    """Take what came meanwhile: signs of life."""
    for key, _ in watchers.select(timeout=0):
        key.fileobj.recv(1 << 16)  # type: ignore[union-attr]  # all are sockets


def _read_frames(stream: socket.socket, count: int) -> None:
    found, rest, mark = 0, b"", b"\ndata: "
    while found < count:
        more = stream.recv(1 << 20)
        if not more:
            raise NotMeasured("the stream ended")
        found += (rest + more).count(mark)
        rest = (rest + more)[1 - len(mark) :]
