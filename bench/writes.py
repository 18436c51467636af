"""Durable writes over HTTP."""

from collections.abc import Sequence
from functools import partial

from bench.client import Client
from bench.load import drive
from bench.rows import Row, compared
from bench.run import Run
from bench.servers import ours, reference


def post(run: Run) -> Sequence[Row]:
    """New keys from 64 connections, against a bare Starlette route and a decorated FastAPI route on the same log."""
    with (
        ours("eventstore", run.folder / "post-ours") as service,
        reference("starlette_writes", run.folder / "post-starlette") as starlette,
        reference("decorated_writes", run.folder / "post-decorated") as decorated,
    ):
        servers = {"ours": service, "starlette": starlette, "decorated": decorated}
        samples = run.interleaved({name: partial(drive, server, "create") for name, server in servers.items()})
    return [
        *compared("POST of new keys, to bare Starlette", samples["ours"], samples["starlette"], 0.75),
        *compared("POST of new keys, to decorated FastAPI", samples["ours"], samples["decorated"], 1.5),
    ]


def post_one_connection(run: Run) -> Sequence[Row]:
    """New keys, one after the other: each waits for a commit of its own."""
    with (
        ours("eventstore", run.folder / "post-1-ours") as service,
        reference("starlette_writes", run.folder / "post-1-starlette") as starlette,
    ):
        servers = {"ours": service, "starlette": starlette}
        samples = run.interleaved(
            {name: partial(drive, server, "create", connections=1) for name, server in servers.items()}
        )
    return compared("POST, 1 connection, to bare Starlette", samples["ours"], samples["starlette"], 0.8)


def patch_hot_key(run: Run) -> Sequence[Row]:
    """Updates of one key from 64 connections, against new keys."""
    with ours("eventstore", run.folder / "patch") as service:
        with Client(service) as client:
            client.create("hot")
        samples = run.interleaved(
            {"hot key": partial(drive, service, "update_one", "hot"), "new keys": partial(drive, service, "create")}
        )
    return compared("PATCH of one hot key, to POST of new keys", samples["hot key"], samples["new keys"], 0.85)
