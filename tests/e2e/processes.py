"""Real processes on real ports, and what tests ask of them."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

THREE = ("eventstore", "projector", "projection")
COMMAND = [sys.executable, "-c", "from services.cli import main; main()"]
START_SECONDS = 20.0
_BELOW_THE_EPHEMERAL = range(20_000, 32_000)  # or a process could be given the port of one that is down

T = TypeVar("T")

http = httpx.Client(timeout=15, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Process:
    """A running `qaservice`: where it answers and what it has logged."""

    popen: "subprocess.Popen[bytes]"
    log: Path
    url: str = ""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def printed(self) -> str:
        """What it wrote to its standard output."""
        return self.log.with_suffix(".out").read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line of its log so far, each of which must be JSON."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def said(self, words: str) -> bool:
        """Whether a line of its log contains `words`."""
        return any(words in str(line.get("message", "")) for line in self.lines)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return http.get(self.url + path, headers=headers)

    def post(self, key: str, value: str = "john") -> httpx.Response:
        return http.post(f"{self.url}/answers", json={"key": key, "value": value})

    def patch(self, key: str, value: str = "jane") -> httpx.Response:
        return http.patch(f"{self.url}/answers", json={"key": key, "value": value})

    def ready(self) -> bool:
        return self.get("/health/ready").status_code == 200

    def metric(self, name: str) -> float:
        """The value of one without labels."""
        (value,) = re.findall(rf"^{name} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return float(value)

    def applied(self) -> float:
        """How many events a projector has applied in its life."""
        return self.metric("qaservice_events_applied_total")

    def connect(self) -> socket.socket:
        """A connection of one's own, for what no client library would send."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=15)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def kill(self) -> None:
        """End it as a power cut would."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, within: float = 10) -> int:
        """Ask it to end, and return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(within)


@dataclass
class Machine:
    """A folder with data and the processes that work on it. Leaving it ends them all."""

    folder: Path
    started: list[Process] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(
        self,
        process: str,
        *flags: str,
        ready: bool = True,
        before: Callable[[], None] | None = None,
        **variables: str,
    ) -> Process:
        """Start a process on a free port, over the data here unless `flags` say otherwise, and wait until it is ready;
        with `ready` False only until it answers. `before` runs in it before the program does."""
        made = self.launch([*COMMAND, process, *(flags or ("--sqlite", str(self.data)))], before, variables)
        return answering(made, ready)

    def start_all(self, *processes: str, ready: bool = True) -> list[Process]:
        """Start processes at once; each finds the others' files missing and goes on when they are there."""
        made = [self.launch([*COMMAND, process, "--sqlite", str(self.data)]) for process in processes]
        return [answering(each, ready) for each in made]

    def launch(
        self, command: list[str], before: Callable[[], None] | None = None, variables: Mapping[str, str] | None = None
    ) -> Process:
        """Start any command, with its output in files."""
        log = self.folder / f"{len(self.started)}.log"
        environment = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")}
        with log.open("wb") as stderr, log.with_suffix(".out").open("wb") as stdout:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.folder,
                env=environment | {"IP_PORT": "127.0.0.1:0", "LOG_FORMAT": "json"} | dict(variables or {}),
                preexec_fn=before,
            )
        made = Process(popen, log)
        self.started.append(made)
        return made


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine that leaves nothing running behind."""
    made = Machine(folder)
    try:
        yield made
    finally:
        for process in made.started:
            if process.popen.poll() is None:
                process.kill()
            # Shown where the test has failed.
            sys.stdout.writelines(process.log.read_text().splitlines(keepends=True)[-20:])


def answering(process: Process, ready: bool) -> Process:
    """The process, once it has printed its address and is ready or, with `ready` False, live."""
    process.url = eventually(lambda: announced(process))
    eventually(process.ready if ready else lambda: process.get("/health/live").status_code == 200)
    return process


def announced(process: Process) -> str:
    """The first address that it printed; nothing while it has not. Fails where it has ended."""
    assert process.popen.poll() is None, process.log.read_text()
    found = re.search(r"^(http://\S+:\d+)  ", process.printed)
    return found[1] if found else ""


def eventually(condition: Callable[[], T], within: float = START_SECONDS) -> T:
    """The first true result of `condition`; fails where there is none `within` seconds."""
    deadline = time.monotonic() + within
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {within} s: {condition}"
        time.sleep(0.01)
    return result


def free_port() -> int:
    """One that nobody listens on now."""
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port := random.choice(_BELOW_THE_EPHEMERAL)))
            except OSError:
                continue
            return port


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """A request as it goes over the wire."""
    head = [f"{method} {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def create(key: str, value: str = "john") -> bytes:
    """A whole POST as it goes over the wire."""
    return request("POST", "/answers", json.dumps({"key": key, "value": value}).encode())


def reply(connection: socket.socket) -> bytes:
    """The next reply, head and body. Raises ConnectionError where the connection ends before it is whole."""
    got = b""
    while not _whole(got):
        more = connection.recv(1 << 16)
        if not more:
            raise ConnectionError(f"ended after {got!r}")
        got += more
    return got


def rest(connection: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    got = b""
    with suppress(ConnectionResetError):
        while more := connection.recv(1 << 16):
            got += more
    return got


def _whole(got: bytes) -> bool:
    head, end, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)
