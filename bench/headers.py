"""What the headers for programs cost: If-Match, Idempotency-Key, Consistency-Token."""

from collections.abc import Sequence
from functools import partial
from itertools import count
from uuid import UUID

from bench import fill
from bench.load import drive
from bench.rows import Row, Sample, compared
from bench.run import Run
from bench.servers import ours
from qaservice.domain.tokens import Token

_LONG_ANSWERS, _EVENTS = 1_000, 300
_MOST_EACH_SECOND = 20_000
_KEYS = 100_000


def idempotency_key(run: Run) -> Sequence[Row]:
    """POST of new keys, and PATCH of answers with a history longer than the memory, with a fresh Idempotency-Key each
    and without."""
    folder = run.folder / "idempotency"
    run.say(f"a log of {_LONG_ANSWERS} keys with {_EVENTS} events each")
    fill.log_file(folder / "events.sqlite", _LONG_ANSWERS, revisions=_EVENTS)
    with ours("eventstore", folder) as service:
        posts = run.interleaved(
            {"POST with": partial(drive, service, "create", "repeatable"), "POST": partial(drive, service, "create")}
        )
        patches = run.interleaved(
            {
                "PATCH with": partial(drive, service, "update_any", _LONG_ANSWERS, "repeatable"),
                "PATCH": partial(drive, service, "update_any", _LONG_ANSWERS),
            }
        )
    return [
        *compared("POST with Idempotency-Key, to without", posts["POST with"], posts["POST"], 0.75),
        *compared(
            f"PATCH with Idempotency-Key, {_EVENTS} events, to without", patches["PATCH with"], patches["PATCH"], 0.6
        ),
    ]


def if_match(run: Run) -> Sequence[Row]:
    """PATCH of an answer that is at the revision which If-Match names, and without."""
    folder = run.folder / "if-match"
    keys_each_round = _MOST_EACH_SECOND * run.seconds
    keys = keys_each_round * 2 * (run.rounds + 1)
    run.say(f"a log of {keys} keys")
    fill.log_file(folder / "events.sqlite", keys)
    untouched = count(0, keys_each_round)

    def patch_each(*, seconds: int, revision: Sequence[str]) -> Sample:
        return drive(service, "update_each", next(untouched), *revision, seconds=seconds)

    with ours("eventstore", folder) as service:
        samples = run.interleaved(
            {"with": partial(patch_each, revision=['"0"']), "without": partial(patch_each, revision=[])}
        )
    return compared("PATCH with If-Match, to without", samples["with"], samples["without"], 1 / 1.1)


def consistency_token(run: Run) -> Sequence[Row]:
    """GET on 8081 with a token that the read model has reached, and without."""
    folder = run.folder / "token"
    run.say(f"a read model of {_KEYS} keys")
    fill.model_file(folder / "answers.sqlite", _KEYS)
    token = Token(UUID(int=1), _KEYS - 1)
    with ours("projection", folder) as service:
        samples = run.interleaved(
            {
                "with": partial(drive, service, "read_any", _KEYS, token),
                "without": partial(drive, service, "read_any", _KEYS),
            }
        )
    return compared("GET with a satisfied token, to without", samples["with"], samples["without"], 1 / 1.1)
