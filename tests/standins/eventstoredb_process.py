"""The stand-in as a process, for tests: started, commanded, frozen and killed from here."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[2]


class EventStoreDBProcess:
    """A running process. `uri` is for the client."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Waits for its first line. Raises RuntimeError where it did not start."""
        assert process.stdout is not None
        self._process = process
        self.ports = [int(port) for port in process.stdout.readline().split()]
        if not self.ports:
            raise RuntimeError("the stand-in did not start")
        self.uri = f"esdb://{','.join(f'127.0.0.1:{port}' for port in self.ports)}?Tls=False"

    def command(self, line: str) -> str:
        """Let it do what eventstoredb_control describes and return its answer. Raises ValueError where it could not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        result, _, answer = self._process.stdout.readline().rstrip().partition(" ")
        if result != "ok":
            raise ValueError(answer or "the stand-in is gone")
        return answer

    def freeze(self) -> None:
        """Stop all its threads: connections stay open, but nothing, not even a ping, is answered any more."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; returns its exit code."""
        self._process.terminate()
        return self._process.wait()


@contextmanager
def running(log: Path | None, *, port: int = 0, nodes: int = 1) -> Iterator[EventStoreDBProcess]:
    """A process that lives as long as the block at most. `log` None: in memory."""
    arguments = ["--port", str(port), "--nodes", str(nodes), *(["--log", str(log)] if log else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.standins.eventstoredb", *arguments],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield EventStoreDBProcess(process)
        finally:
            process.kill()
