"""The projector over a log that is far ahead of its read model."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bench import fill
from bench.rows import Row, faster
from bench.run import Run
from bench.servers import SERVER_CORE, Server, ours

_KEYS, _REVISIONS = 100_000, 2
_EVENTS = _KEYS * _REVISIONS
_LOOK_EVERY = 0.001
_LONGEST_SECONDS = 300.0


class NotBuilt(Exception):
    """The read model was not complete in time."""


def catch_up(run: Run) -> Sequence[Row]:
    """Events per second from an empty read model to a complete one, against a bare loop that applies the same rows."""
    folder = run.folder / "catch-up"
    run.say(f"a log of {_EVENTS} events")
    fill.log_file(folder / "events.sqlite", _KEYS, revisions=_REVISIONS)

    def projector(*, seconds: int) -> float:
        with rebuilt("projector", folder) as (_, taken):
            return _EVENTS / taken

    def bare_loop(*, seconds: int) -> float:
        (folder / "bare.sqlite").unlink(missing_ok=True)
        program = [sys.executable, "-m", "bench.references.apply_loop", str(folder)]
        done = subprocess.run(["taskset", "-c", str(SERVER_CORE), *program], check=True, capture_output=True, text=True)
        return _EVENTS / float(done.stdout)

    speeds = run.interleaved({"projector": projector, "bare loop": bare_loop})
    return [
        faster("catch-up of the projector, to a bare loop", speeds["projector"], speeds["bare loop"], 0.5, "events/s")
    ]


@contextmanager
def rebuilt(service: str, folder: Path) -> Iterator[tuple[Server, float]]:
    """A service that has filled an empty read model from the log, and the seconds that took. Raises NotBuilt."""
    for file in folder.glob("answers.sqlite*"):
        file.unlink()
    with ours(service, folder) as server:
        yield server, _seconds_to_build(folder / "answers.sqlite")


def _seconds_to_build(path: Path) -> float:
    """Seconds from the first checkpoint to a complete read model. Raises NotBuilt."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    began = None
    while time.monotonic() < deadline:
        state = _state(path)
        if state is not None:
            began = began or time.perf_counter()
            if state == "complete":
                return time.perf_counter() - began
        time.sleep(_LOOK_EVERY)
    raise NotBuilt(f"{path} after {_LONGEST_SECONDS:.0f} s")


def _state(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0.1)) as connection:
            row = connection.execute("SELECT target FROM checkpoint").fetchone()
    except sqlite3.Error:
        return None  # no file, no table yet
    return None if row is None else "complete" if row[0] is None else "building"
