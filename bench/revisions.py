"""A key with a long history against a fresh one."""

import secrets
from collections.abc import Sequence

from bench import fill
from bench.client import Client
from bench.load import drive
from bench.rows import Row, Sample, compared
from bench.run import Run
from bench.servers import Server, ours

_REVISIONS = 100_000


def many_revisions(run: Run) -> Sequence[Row]:
    """PATCH and GET on 8080 of a key with 100,000 revisions, against a key with one."""
    folder = run.folder / "revisions"
    run.say(f"a log of one key with {_REVISIONS} revisions")
    fill.log_file_of_one(folder / "events.sqlite", "old", _REVISIONS)

    def of_old(script: str, seconds: int) -> Sample:
        return drive(service, script, "old", seconds=seconds)

    def of_fresh(script: str, seconds: int) -> Sample:
        return drive(service, script, _fresh_key(service), seconds=seconds)

    rows: list[Row] = []
    with ours("eventstore", folder) as service:
        for name, script in (("PATCH", "update_one"), ("GET on 8080", "read_one")):
            samples = run.interleaved(
                {
                    f"{name} old": lambda seconds, script=script: of_old(script, seconds),
                    f"{name} fresh": lambda seconds, script=script: of_fresh(script, seconds),
                }
            )
            figure = f"{name}, 100,000 revisions to a fresh key"
            rows += compared(figure, samples[f"{name} old"], samples[f"{name} fresh"], 0.9)
    return rows


def _fresh_key(service: Server) -> str:
    key = secrets.token_hex(8)
    with Client(service) as client:
        client.create(key)
    return key
