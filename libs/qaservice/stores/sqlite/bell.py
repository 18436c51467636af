"""Wakes the followers of a file: inside this process by a future, in others on this machine by a datagram.

A ring may be lost and a bell may ring for nothing: whoever waits sets a time limit, and looks at the file in any case.
"""

import asyncio
import os
import secrets
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from qaservice.stores.sqlite.names import shows_changes

_POLL_SECONDS = 0.05


class Bell:
    """One for each file. With a folder, rings reach every process that listens in it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.rings = 0
        """Counts the rings heard: whoever notes it before he looks misses none while he is busy."""
        self._folder = folder
        self._socket: socket.socket | None = None
        self._known: set[str] = set()
        self._folder_time = -1
        self._listening: tuple[socket.socket, Path] | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def ring_here(self) -> None:
        """Wake those who wait in this process; to be called on the event loop."""
        self.rings += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def ring_elsewhere(self) -> None:
        """Wake those who listen in other processes. May be called from a thread; never blocks, never raises."""
        if self._folder is None:
            return
        listening = self._listening
        own = None if listening is None else listening[1].name
        for name in self._listeners(self._folder):
            if name == own:
                continue
            path = f"{self._folder}/{name}"
            try:
                self._sender().sendto(b"", path)
            except (ConnectionRefusedError, FileNotFoundError):
                self._forget(name, path)
            except OSError:
                continue  # a full queue has rings enough; who may not be written to looks for himself

    async def wait(self, seconds: float, heard: int) -> None:
        """Return once `rings` is not `heard`, or after `seconds`; sooner where rings of other processes can't be
        heard."""
        loop = asyncio.get_running_loop()
        if self._folder is not None and self._listening is None:
            self._listening = self._listen(self._folder, loop)
            if self._listening is not None:
                return  # what was rung before the socket stood went unheard: look again first
            seconds = min(seconds, _POLL_SECONDS)
        if self.rings != heard:
            return
        future = loop.create_future()
        self._waiting.add(future)
        timer = loop.call_later(seconds, self._time_out, future)
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.discard(future)

    def close(self) -> None:
        """Stop listening and wake those who wait."""
        self.ring_here()
        self._stop_listening()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _time_out(self, future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)
        if self._listening is not None and not os.path.exists(self._listening[1]):
            self._stop_listening()  # somebody cleared the folder: bind again

    def _listeners(self, folder: Path) -> list[str]:
        try:
            changed = os.stat(folder).st_mtime_ns
            if changed != self._folder_time:
                self._known = set(os.listdir(folder))
                self._folder_time = changed if shows_changes(changed) else -1
        except OSError:
            return []
        return list(self._known)

    def _sender(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        return self._socket

    def _forget(self, name: str, path: str) -> None:
        """Its process died; where the folder forbids, the socket stays."""
        self._known.discard(name)
        with suppress(OSError):
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)

    def _listen(self, folder: Path, loop: asyncio.AbstractEventLoop) -> tuple[socket.socket, Path] | None:
        """A bound socket, or None where there can't be one: the path is too long, the folder read-only."""
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        with ExitStack() as stack:
            try:
                listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
                listener.setblocking(False)
                folder.mkdir(exist_ok=True)  # never what it stands in: that may have been moved away, to come back
                listener.bind(str(path))
            except OSError:
                return None
            stack.pop_all()
        loop.add_reader(listener, self._heard, listener)
        return listener, path

    def _stop_listening(self) -> None:
        if self._listening is None:
            return
        listener, path = self._listening
        self._listening = None
        asyncio.get_running_loop().remove_reader(listener)
        listener.close()
        with suppress(OSError):  # a socket that nobody listens to: the next ring removes it
            path.unlink()

    def _heard(self, listener: socket.socket) -> None:
        """Take all datagrams that have come; together they are one ring."""
        try:
            while True:
                listener.recv(16)
        except OSError:
            self.ring_here()
