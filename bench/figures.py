"""All figures, by the names the command line takes. A new one is a function that returns rows, and a line here."""

from collections.abc import Callable, Sequence

from bench import (
    access_log,
    backup,
    catch_up,
    eventstoredb,
    freshness,
    headers,
    looking,
    processes,
    production,
    reads,
    revisions,
    size,
    waiting,
    watching,
    writes,
)
from bench.rows import Row
from bench.run import Run

FIGURES: dict[str, Callable[[Run], Sequence[Row]]] = {
    "post": writes.post,
    "post-1": writes.post_one_connection,
    "patch-hot": writes.patch_hot_key,
    "get": reads.get,
    "size": size.many_keys,
    "revisions": revisions.many_revisions,
    "list": looking.pages,
    "history": looking.history,
    "as-of": looking.as_of,
    "backup": backup.backup,
    "catch-up": catch_up.catch_up,
    "fresh-monolith": freshness.monolith,
    "fresh-three": freshness.three_processes,
    "idempotency-key": headers.idempotency_key,
    "if-match": headers.if_match,
    "token": headers.consistency_token,
    "read-your-write": freshness.read_your_write,
    "waiters": waiting.idle_waiters,
    "watch-fan-out": watching.fan_out,
    "watch-follow": watching.one_follower,
    "watch-idle": watching.idle_watchers,
    "eventstoredb-post": eventstoredb.post,
    "eventstoredb-catch-up": eventstoredb.catch_up,
    "mongodb-get": production.get,
    "production-fresh": production.fresh,
    "production-memory": production.memory,
    "start": processes.start,
    "memory": processes.memory,
    "access-log": access_log.cost,
}
