"""Processes under test: started on a core of their own, watched from outside."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.run import NotMeasured
from qaservice.runtime.settings import Settings
from tests.standins import eventstoredb_process

SERVER_CORE, LOAD_CORE = 0, 1

_START_SECONDS = 20.0
_STOP_SECONDS = 15.0
_LOOK_EVERY = 0.002


@dataclass(frozen=True)
class Server:
    """A running process that serves on `port` of this machine."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """What all its threads, ended ones too, have used: clock_getcpuclockid(3), the number in /proc/PID/stat with
        more digits."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def idle_share(self, seconds: float) -> float:
        """The CPU time it uses while nobody asks it for anything, in per cent of a core."""
        before, began = self.cpu_seconds(), time.perf_counter()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.perf_counter() - began) * 100

    def resident_mebibytes(self) -> float:
        """What it holds of the machine's memory, by proc(5)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@contextmanager
def ours(
    service: str, folder: Path, *, port: int | None = None, stores: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`qaservice SERVICE`, as a user runs it: metrics, request ids and the JSON access log are on. Its data is in
    `folder`, or in the servers that the settings `stores` name. `port`: the service's own, where it is not told another
    one. Raises NotMeasured, also where that is taken."""
    if port is not None and _is_taken(port):
        raise NotMeasured(f"port {port} is taken")
    command = [str(Path(sys.executable).with_name("qaservice")), service]
    if stores is None:
        command += ["--sqlite", str(folder)]
    here = free_port() if port is None else port
    environment = {} if port is not None else {"IP_PORT": f"127.0.0.1:{here}"}
    with _running(command, folder, here, environment | {**(stores or {})}) as server:
        yield server


@contextmanager
def reference(program: str, folder: Path, *arguments: str) -> Iterator[Server]:
    """A program of `bench.references` over the files in `folder`."""
    port = free_port()
    command = [sys.executable, "-m", f"bench.references.{program}", str(folder), str(port), *arguments]
    with _running(command, folder, port, {}) as server:
        yield server


@contextmanager
def mongodb_stub(folder: Path) -> Iterator[dict[str, str]]:
    """The settings that name `bench.references.mongodb_stub`, beside the load."""
    port = free_port()
    command = [sys.executable, "-m", "bench.references.mongodb_stub", str(port)]
    with _running(command, folder, port, {}, core=LOAD_CORE, is_ready=_is_taken):
        yield {"MONGODB_URI": f"mongodb://127.0.0.1:{port}/"}


@contextmanager
def eventstoredb(log: Path | None = None) -> Iterator[dict[str, str]]:
    """The settings that name the stand-in of the tests, beside the load. `log`: the file it keeps."""
    with eventstoredb_process.running(log) as server:
        yield {"EVENTSTORE_URI": server.uri}


def bare_loop(program: str, *arguments: object) -> list[float]:
    """The numbers that a program of `bench.references` prints when it has done its work. Raises NotMeasured."""
    command = [sys.executable, "-m", f"bench.references.{program}", *map(str, arguments)]
    done = subprocess.run(["taskset", "-c", str(SERVER_CORE), *command], capture_output=True, text=True)
    if done.returncode:
        raise NotMeasured(f"{program}: {done.stderr[-2000:]}")
    return [float(number) for number in done.stdout.split()]


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(
    command: Sequence[str],
    folder: Path,
    port: int,
    environment: Mapping[str, str],
    *,
    core: int = SERVER_CORE,
    is_ready: Callable[[int], bool] | None = None,
) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    said = folder / f"{port}.log"
    clean = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    with said.open("wb") as log:
        pinned = ["taskset", "-c", str(core), *command]
        process = subprocess.Popen(pinned, cwd=folder, env=clean | {**environment}, stdout=log, stderr=log)
    try:
        _wait(process, port, said, is_ready or answers)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        said.unlink()


def _wait(process: "subprocess.Popen[bytes]", port: int, said: Path, is_ready: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_ready(port):
            return
        time.sleep(_LOOK_EVERY)
    raise NotMeasured(f"{process.args!r}\n{said.read_text()[-2000:]}")


def answers(port: int, path: str = "/ping") -> bool:
    """Whether a GET gets a 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
