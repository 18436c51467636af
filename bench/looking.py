"""Lists, histories, and answers as they were, in the files of one machine."""

import http.client
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import fill, servers
from bench.load import drive
from bench.rows import Row, Sample, compared
from bench.run import NotMeasured, Run
from bench.servers import Server, ours
from bench.size import MANY, filled, million

_FEW_KEYS = 10_000
_PAGE = 100
_REVISIONS, _FEW_REVISIONS = 100_000, 10
_CHUNK = 1 << 16


def pages(run: Run) -> Sequence[Row]:
    """A page of 100 answers behind any of a million keys, against the same of ten thousand, and against a bare loop."""
    big, small = million(run), filled(run, run.folder / "ten-thousand", _FEW_KEYS)
    with ours("projection", big) as many, ours("projection", small) as few:
        samples = run.interleaved(
            {
                "many": partial(drive, many, "list", MANY, _PAGE),
                "few": partial(drive, few, "list", _FEW_KEYS, _PAGE),
                "loop": partial(_looped, "list_loop", big, MANY, _PAGE),
            }
        )
    return [
        *compared("page of 100, 1,000,000 keys to 10,000", samples["many"], samples["few"], 0.8, unit="page"),
        *compared("page of 100 of 1,000,000 keys, to a bare loop", samples["many"], samples["loop"], 0.5, unit="page"),
    ]


def history(run: Run) -> Sequence[Row]:
    """A history of 100,000 events: streamed, against a bare loop; what it leaves behind; when it begins to arrive."""
    folder = _long(run)
    with ours("eventstore", folder) as service:
        _read(service)
        before = service.resident_mebibytes()
        samples = run.interleaved(
            {"ours": partial(_streamed, service), "loop": partial(_looped, "history_loop", folder, "old")}
        )
        grown = service.resident_mebibytes() - before
        first = sorted(_read(service)[0] for _ in range(run.rounds))[run.rounds // 2]
    return [
        *compared("history of 100,000 events, to a bare loop", samples["ours"], samples["loop"], 0.4, unit="event"),
        Row("what histories of 100,000 events leave behind", "MiB", grown, target=32),
        Row("a history of 100,000 events begins to arrive, p50", "ms", first * 1000, target=100),
    ]


def as_of(run: Run) -> Sequence[Row]:
    """`?revision=` of a key with 100,000 revisions, against one with ten."""
    short = run.folder / "short"
    fill.log_file_of_one(short / "events.sqlite", "new", _FEW_REVISIONS)
    with ours("eventstore", _long(run)) as many, ours("eventstore", short) as few:
        samples = run.interleaved(
            {
                "many": partial(drive, many, "read_revision", "old", _REVISIONS),
                "few": partial(drive, few, "read_revision", "new", _FEW_REVISIONS),
            }
        )
    return compared("?revision=, 100,000 revisions to 10", samples["many"], samples["few"], 0.9)


def _long(run: Run) -> Path:
    """A folder with a log of one key, `old`, with 100,000 revisions, made by the first figure that needs it."""
    folder = run.folder / "long"
    if not folder.exists():
        run.say(f"a log of one key with {_REVISIONS} revisions")
        fill.log_file_of_one(folder / "events.sqlite", "old", _REVISIONS)
    return folder


def _looped(program: str, folder: Path, *arguments: object, seconds: int) -> Sample:
    per_second, cpu_us = servers.bare_loop(program, folder, *arguments, seconds)
    return Sample(per_second, cpu_us)


def _streamed(service: Server, *, seconds: int) -> Sample:
    """Histories one after another."""
    done = 0
    began, before = time.perf_counter(), service.cpu_seconds()
    while time.perf_counter() - began < seconds:
        _read(service)
        done += _REVISIONS
    taken, spent = time.perf_counter() - began, service.cpu_seconds() - before
    return Sample(done / taken, spent / done * 1e6)


def _read(service: Server) -> tuple[float, int]:
    """Seconds until the first bytes of the body, and how many there are. Raises NotMeasured."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    began = time.perf_counter()
    connection.request("GET", "/answers/old/history")
    reply = connection.getresponse()
    size = len(reply.read1(_CHUNK))
    first = time.perf_counter() - began
    while chunk := reply.read(_CHUNK):
        size += len(chunk)
    connection.close()
    if reply.status != 200 or size < 50 * _REVISIONS:
        raise NotMeasured(f"history: {reply.status}, {size} bytes")
    return first, size
