"""Wakes the followers of a file: inside this process by a future, in others on this machine by a datagram.

A ring may be lost and a bell may ring for nothing: whoever waits gives a time limit and looks for himself.
"""

import asyncio
import os
import secrets
import socket
from pathlib import Path

_POLL_SECONDS = 0.05


class Bell:
    """One for each file. With a folder, rings reach every process that listens in it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._socket: socket.socket | None = None
        self._known: dict[str, None] = {}
        self._folder_time = -1
        self._listening: tuple[socket.socket, Path] | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def ring_here(self) -> None:
        """Wake those who wait in this process; to be called on the event loop."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def ring_elsewhere(self) -> None:
        """Wake those who listen in other processes. May be called from a thread; never blocks, never raises."""
        if self._folder is None:
            return
        for name in self._listeners(self._folder):
            path = f"{self._folder}/{name}"
            try:
                self._sender().sendto(b"", path)
            except (ConnectionRefusedError, FileNotFoundError):
                self._known.pop(name, None)
                Path(path).unlink(missing_ok=True)  # its process died
            except OSError:
                continue  # a full queue has rings enough

    async def wait(self, seconds: float) -> None:
        """Return at the next ring, or after `seconds`; sooner where rings of other processes can't be heard."""
        loop = asyncio.get_running_loop()
        if self._folder is not None and self._listening is None:
            self._listening = self._listen(self._folder, loop)
            if self._listening is not None:
                return  # what was rung before the socket stood went unheard: look again first
            seconds = min(seconds, _POLL_SECONDS)
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
        if self._listening is not None:
            listener, path = self._listening
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
            path.unlink(missing_ok=True)
            self._listening = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @staticmethod
    def _time_out(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)

    def _listeners(self, folder: Path) -> list[str]:
        try:
            changed = os.stat(folder).st_mtime_ns
            if changed != self._folder_time:
                self._known = dict.fromkeys(os.listdir(folder))
                self._folder_time = changed
        except OSError:
            return []
        return list(self._known)

    def _sender(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        return self._socket

    def _listen(self, folder: Path, loop: asyncio.AbstractEventLoop) -> tuple[socket.socket, Path] | None:
        """A bound socket, or None where there can't be one: the path is too long, the folder read-only."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            listener.bind(str(path))
        except OSError:
            listener.close()
            return None
        loop.add_reader(listener, self._heard, listener)
        return listener, path

    def _heard(self, listener: socket.socket) -> None:
        try:
            while True:
                listener.recv(16)
        except OSError:
            self.ring_here()
