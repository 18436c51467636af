"""What clients cost that wait for a change while nothing happens."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench import fill
from bench.rows import Row
from bench.run import Run
from bench.servers import Server, ours

_WAITERS = 1_000
_SETTLE_SECONDS = 2


def idle_waiters(run: Run) -> Sequence[Row]:
    """A thousand long polls of an answer that does not change."""
    folder = run.folder / "waiters"
    fill.model_file(folder / "answers.sqlite", 1)
    with ours("projection", folder) as reads:
        before = reads.resident_mebibytes()
        with _waiting(reads):
            time.sleep(_SETTLE_SECONDS)
            run.say(f"{_WAITERS} idle waiters")
            share = reads.idle_share(run.seconds * run.rounds)
            held = reads.resident_mebibytes() - before
    return [
        Row(f"{_WAITERS} idle waiters", "% of a core", share, target=5),
        Row(f"{_WAITERS} idle waiters", "MiB", held, target=32),
    ]


@contextmanager
def _waiting(reads: Server) -> Iterator[None]:
    request = (
        f"GET /answers/{fill.stored_key(0)} HTTP/1.1\r\nHost: localhost\r\n"
        'If-None-Match: "0"\r\nPrefer: wait=60\r\n\r\n'
    ).encode()
    with ExitStack() as connections:
        for _ in range(_WAITERS):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", reads.port)))
            connection.sendall(request)
        yield
