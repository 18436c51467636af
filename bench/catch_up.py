"""The projector over a log that is far ahead of its read model."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bench import fill, servers
from bench.rows import Row, Sample, compared
from bench.run import NotMeasured, Run
from bench.servers import Server, ours

_KEYS, _REVISIONS = 100_000, 2
_EVENTS = _KEYS * _REVISIONS
_LOOK_EVERY = 0.005
_LONGEST_SECONDS = 300.0


def catch_up(run: Run) -> Sequence[Row]:
    """Events per second from an empty read model to a complete one, against a bare loop that applies the same rows."""
    folder = run.folder / "catch-up"
    run.say(f"a log of {_EVENTS} events")
    fill.log_file(folder / "events.sqlite", _KEYS, revisions=_REVISIONS)

    def projector(*, seconds: int) -> Sample:
        with rebuilt("projector", folder) as (_, sample):
            return sample

    def bare_loop(*, seconds: int) -> Sample:
        (folder / "bare.sqlite").unlink(missing_ok=True)
        taken, spent = servers.bare_loop("apply_loop", folder)
        return Sample(_EVENTS / taken, spent / _EVENTS * 1e6)

    samples = run.interleaved({"projector": projector, "bare loop": bare_loop})
    figure = "projector's catch-up, to a bare loop"
    return compared(figure, samples["projector"], samples["bare loop"], 0.5, unit="event")


@contextmanager
def rebuilt(service: str, folder: Path) -> Iterator[tuple[Server, Sample]]:
    """A service that has filled an empty read model from the log, and how that went. Raises NotMeasured."""
    for file in folder.glob("answers.sqlite*"):
        file.unlink()
    with ours(service, folder) as server:
        yield server, _build(server, folder / "answers.sqlite")


def _build(server: Server, path: Path) -> Sample:
    """From the first checkpoint to a complete read model. Raises NotMeasured."""
    began, before = _wait_for("building", path), server.cpu_seconds()
    ended, after = _wait_for("complete", path), server.cpu_seconds()
    with closing(sqlite3.connect(path)) as connection:
        events = connection.execute("SELECT position FROM checkpoint").fetchone()[0]
    return Sample(events / (ended - began), (after - before) / events * 1e6)


def _wait_for(state: str, path: Path) -> float:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while _state(path) not in (state, "complete"):
        if time.monotonic() > deadline:
            raise NotMeasured(f"{path} is not {state} after {_LONGEST_SECONDS:.0f} s")
        time.sleep(_LOOK_EVERY)
    return time.perf_counter()


def _state(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0.1)) as connection:
            row = connection.execute("SELECT target FROM checkpoint").fetchone()
    except sqlite3.Error:
        return None  # no file, no table yet
    return None if row is None else "complete" if row[0] is None else "building"
