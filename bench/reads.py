"""Reads over HTTP from the read model."""

from collections.abc import Sequence
from functools import partial

from bench import fill
from bench.load import drive
from bench.rows import Row, compared
from bench.run import Run
from bench.servers import ours, reference

_KEYS = 100_000


def get(run: Run) -> Sequence[Row]:
    """Random keys, against a bare Starlette route and a decorated FastAPI route that read the same file."""
    folder = run.folder / "get"
    run.say(f"a read model of {_KEYS} keys")
    fill.model_file(folder / "answers.sqlite", _KEYS)
    with (
        ours("projection", folder) as service,
        reference("starlette_reads", folder) as starlette,
        reference("decorated_reads", folder) as decorated,
    ):
        servers = {"ours": service, "starlette": starlette, "decorated": decorated}
        samples = run.interleaved({name: partial(drive, server, "read_any", _KEYS) for name, server in servers.items()})
    return [
        *compared("GET on 8081, to bare Starlette", samples["ours"], samples["starlette"], 0.6),
        *compared("GET on 8081, to decorated FastAPI", samples["ours"], samples["decorated"], 1.5),
    ]
