"""Runs applications and the work beside them in one process, until a signal or until one of them fails."""

import asyncio
import errno
import gc
import logging
import os
import resource
import select
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvloop

from qaservice.runtime.server import Server

log = logging.getLogger("qaservice")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PARTS_SECONDS = 1.2
_WHAT_TO_DO = {
    errno.EADDRINUSE: "stop what uses it, or set",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address: set",
}


class CannotListen(Exception):
    """An address can't be served on; the text says why and what to do."""


class PartFailed(Exception):
    """A part of the process ended that should go on as long as the process."""


@dataclass(frozen=True, slots=True)
class Site:
    """An ASGI application and where it is served; `offers` tells a person what is there; `ending` is called when
    the process is told to stop, to end at once what would wait for long."""

    app: Callable[..., Awaitable[None]]
    address: tuple[str, int]
    offers: str
    ending: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Part:
    """Work beside the applications, which ends soon after `stop` was called."""

    run: Callable[[], Coroutine[Any, Any, None]]
    stop: Callable[[], None]


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def serve(sites: Sequence[Site], parts: Sequence[Part] = ()) -> None:
    """Serve until SIGTERM or SIGINT, then stop accepting, answer what has arrived (7.5 s at most), stop the parts, and
    return. Raises CannotListen, PartFailed."""
    _allow_connections()
    listeners = [_listening(site.address) for site in sites]
    servers = [Server(site.app) for site in sites]
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    serving = [loop.create_task(server.serve([own])) for server, own in zip(servers, listeners, strict=True)]
    working = [loop.create_task(part.run()) for part in parts]
    for site, listener in zip(sites, listeners, strict=True):
        _announce(site, *listener.getsockname()[:2])
    gc.freeze()  # what start-up made lives as long as the process: collections need not look at it
    until = loop.create_task(stopping.wait())
    await asyncio.wait([until, *serving, *working], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    for site in sites:
        site.ending()
    until.cancel()
    for server in servers:
        server.should_exit = True
    await asyncio.wait(serving)
    for part in parts:
        part.stop()
    await _ended(working)
    for number in _SIGNALS:  # while it ends, the interpreter takes handlers away, and a second signal would kill it
        signal.signal(number, signal.SIG_IGN)
    _raise_failure([*serving, *working])
    if not stopping.is_set():
        raise PartFailed("a part of the process ended by itself")
    log.info("stopped")


def _allow_connections() -> None:
    """Allow as many open files, of which each connection is one, as the system does. Shells allow 1,024, for the sake
    of programs that use select(2); Go's runtime does the same as this (golang/go issue 46279)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name a limit that they do not keep
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _ended(parts: Sequence[asyncio.Task[None]]) -> None:
    """Wait until the parts end; cancel those that take long, which like a crash costs nothing but repeated work."""
    if parts:
        _, late = await asyncio.wait(parts, timeout=_PARTS_SECONDS)
        for part in late:
            part.cancel()


def _announce(site: Site, host: str, port: int) -> None:
    reached = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    with suppress(OSError):  # nobody has to listen
        if select.select([], [1], [], 0)[1]:  # a pipe that is full, since its reader hangs, would stop the event loop
            os.write(1, f"http://{reached}:{port}  {site.offers}\n".encode())
    log.info("listening", extra={"host": host, "port": port})


def _raise_failure(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the process failed", exc_info=error)
            raise PartFailed(f"{type(error).__name__}: {error}") from error


def _listening(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is: else replies wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = f"can't listen on {address[0]}:{address[1]}: {error.strerror or error}"
        what_to_do = _WHAT_TO_DO.get(error.errno or 0, "set")
        raise CannotListen(f"{why}; {what_to_do} IP_PORT, for example IP_PORT=:8090") from error
    return listener
