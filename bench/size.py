"""A million keys against a thousand."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import fill
from bench.load import drive
from bench.rows import Row, Sample, compared
from bench.run import Run
from bench.servers import ours

MANY, _FEW = 1_000_000, 1_000


def many_keys(run: Run) -> Sequence[Row]:
    """POST, PATCH and GET of random keys."""
    big, small = million(run), filled(run, run.folder / "thousand", _FEW)
    with ours("eventstore", big) as many, ours("eventstore", small) as few:
        posts = run.interleaved({"many": partial(drive, many, "create"), "few": partial(_post_to_copy, small)})
        patches = run.interleaved(
            {"many": partial(drive, many, "update_any", MANY), "few": partial(drive, few, "update_any", _FEW)}
        )
    with ours("projection", big) as many, ours("projection", small) as few:
        gets = run.interleaved(
            {"many": partial(drive, many, "read_any", MANY), "few": partial(drive, few, "read_any", _FEW)}
        )
    return [
        row
        for name, samples in (("POST", posts), ("PATCH", patches), ("GET on 8081", gets))
        for row in compared(f"{name}, 1,000,000 keys to 1,000", samples["many"], samples["few"], 0.7)
    ]


def million(run: Run) -> Path:
    """A folder with a log and a read model of a million keys, made by the first figure that needs it."""
    return filled(run, run.folder / "million", MANY)


def filled(run: Run, folder: Path, keys: int) -> Path:
    """A folder with a log and a read model of as many keys, made where there is none."""
    if not folder.exists():
        run.say(f"a log and a read model of {keys} keys")
        fill.log_file(folder / "events.sqlite", keys)
        fill.model_file(folder / "answers.sqlite", keys)
    return folder


def _post_to_copy(folder: Path, *, seconds: int) -> Sample:
    """A load of new keys on a copy of a log, which stays small that way."""
    copy = folder.with_name("copy")
    copy.mkdir()
    try:
        shutil.copy(folder / "events.sqlite", copy)
        with ours("eventstore", copy) as service:
            return drive(service, "create", seconds=seconds)
    finally:
        shutil.rmtree(copy)
