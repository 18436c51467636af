"""The three processes on EventStoreDB and MongoDB: servers down, frozen, emptied; processes killed and replaced."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from tests.e2e.load import holds_what_was_said, writing
from tests.e2e.processes import THREE, Machine, Process, eventually
from tests.e2e.servers import (
    STORE_TIMEOUT,
    EventStoreDBServer,
    Installation,
    Server,
    heals,
    on_stand_ins,
    says,
)

SHARED = [f"shared-{number}" for number in range(10)]
MANY = [f"many-{number}" for number in range(300)]
BOUND = 2 * STORE_TIMEOUT + 1  # seconds; the tests' machine may be slow

LOG_DOWN = ("Event store unavailable",)
UNCLEAR = (*LOG_DOWN, "Outcome unknown, retry with the same Idempotency-Key")
MODEL_DOWN = ("Read model unavailable",)

Servers = tuple[Installation, EventStoreDBServer, Server]


@pytest.fixture
def missing(here: Machine) -> Iterator[Servers]:
    """Servers that are not there yet."""
    with on_stand_ins(here) as servers:
        yield servers


@pytest.fixture
def servers(missing: Servers) -> Servers:
    """Servers that a test may stop."""
    _, events, answers = missing
    events.start()
    answers.start()
    return missing


def soon_unavailable(texts: tuple[str, ...], *asks: Callable[[], httpx.Response]) -> None:
    """Assert that requests, sent at once, are answered in time with 503, one of the texts and when to try again."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(asks)) as pool:
        answers = list(pool.map(lambda ask: ask(), asks))
    assert time.monotonic() - began < BOUND
    for answer in answers:
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), answer.text
        assert answer.json()["error"] in texts


def commands(writes: Process) -> list[Callable[[], httpx.Response]]:
    """Each command, on keys that exist and that don't."""
    return [partial(command, key) for command in (writes.post, writes.patch) for key in ("name", "other")]


def test_without_eventstoredb_writes_and_history_say_so_reads_go_on_and_all_heals(servers: Servers) -> None:
    installation, events, _ = servers
    writes, projector, reads = installation.start(*THREE)
    writes.post("name")
    eventually(installation.agrees)

    events.kill()

    soon_unavailable(UNCLEAR, *commands(writes))
    soon_unavailable(LOG_DOWN, *(partial(writes.get, path) for path in ("/answers/name/history", "/answers/never")))
    assert says(reads, "/answers/name") == (200, {"key": "name", "value": "john"})
    assert "LogUnavailable" in writes.get("/health/ready").json()["error"]
    assert writes.get("/health/live").status_code == 200
    eventually(lambda: not projector.ready())

    events.start()

    heals(installation, writes, projector, reads)
    assert writes.patch("name").status_code == 200
    eventually(lambda: says(reads, "/answers/name") == (200, {"key": "name", "value": "jane"}))


def test_a_frozen_eventstoredb_is_an_outage_and_never_another_answer(servers: Servers) -> None:
    installation, events, _ = servers
    writes, projector, reads = installation.start(*THREE)
    writes.post("name")
    eventually(installation.agrees)

    events.process.freeze()

    soon_unavailable(UNCLEAR, *commands(writes))
    soon_unavailable(LOG_DOWN, *(partial(writes.get, path) for path in ("/answers/name/history", "/answers/never")))
    assert "LogUnavailable" in writes.get("/health/ready").json()["error"]
    assert says(reads, "/answers/name") == (200, {"key": "name", "value": "john"})

    events.process.thaw()

    heals(installation, writes, projector, reads)
    assert writes.post("other").status_code in (201, 409)
    assert len(writes.get("/answers/other/history").json()) == 1
    assert len(writes.get("/answers/name/history").json()) <= 2
    eventually(installation.agrees)


def test_without_mongodb_writes_go_on_and_the_projector_catches_up_by_itself(servers: Servers) -> None:
    installation, _, answers = servers
    writes, projector, reads = installation.start(*THREE)
    writes.post("name")
    eventually(installation.agrees)

    with writing([writes], 4, MANY) as load:
        eventually(partial(load.has_written, 50))
        answers.kill()
        eventually(partial(load.has_written, 100))
    assert (len(load.unexpected), len(load.unknown)) == (0, 0)
    assert says(writes, "/answers/name") == (200, {"key": "name", "value": "john"})
    soon_unavailable(MODEL_DOWN, partial(reads.get, "/answers/name"))
    eventually(lambda: not projector.ready())

    answers.start()

    heals(installation, writes, projector, reads)
    holds_what_was_said(installation.events(), load)
    assert says(reads, "/answers/name") == (200, {"key": "name", "value": "john"})


def test_an_emptied_log_is_noticed_said_and_the_read_model_built_anew(servers: Servers) -> None:
    installation, events, _ = servers
    writes, projector, reads = installation.start(*THREE)
    for key in ("old", "both"):
        writes.post(key)
    eventually(installation.agrees)

    events.kill()
    events.start_empty()

    eventually(lambda: projector.said("building the read model from the start: the log was replaced"))
    eventually(lambda: says(reads, "/answers/old") == (404, {"error": "Key not found"}))
    assert writes.patch("old").status_code == 404
    assert writes.get("/answers/old/history").status_code == 404
    assert writes.post("both", "new").status_code == 201
    eventually(lambda: says(reads, "/answers/both") == (200, {"key": "both", "value": "new"}))
    heals(installation, writes, projector, reads)


def test_a_storm_of_faults_and_restarts_makes_no_write_lost_or_doubled_and_no_false_answer(servers: Servers) -> None:
    installation, events, _ = servers
    *services, projector = installation.start("eventstore", "eventstore", "projector")

    with writing(services, 16, SHARED) as load:
        events.process.command("storm 0.1 7")
        for _ in range(2):
            eventually(partial(load.has_written, len(load.acknowledged) + 50))
            events.process.command("restart 0.3")
        eventually(partial(load.has_written, len(load.acknowledged) + 50))
        events.process.command("calm")

    allowed = tuple(f'{{"error":"{text}"}}'.encode() for text in UNCLEAR)
    assert [got for got in load.unexpected if not (got.startswith(b"HTTP/1.1 503 ") and got.endswith(allowed))] == []
    assert load.slowest < BOUND
    heals(installation, projector)
    holds_what_was_said(installation.events(), load)


def test_processes_started_before_their_servers_wait_and_heal(missing: Servers) -> None:
    installation, events, answers = missing
    processes = installation.start(*THREE, ready=False)
    writes, projector, reads = processes

    assert not any(process.ready() for process in processes)
    soon_unavailable(LOG_DOWN, partial(writes.post, "name"))
    soon_unavailable(MODEL_DOWN, partial(reads.get, "/answers/name"))
    answers.start()
    eventually(lambda: not projector.ready())
    events.start()

    heals(installation, *processes)
    assert writes.post("name").status_code == 201
    eventually(lambda: says(reads, "/answers/name") == (200, {"key": "name", "value": "john"}))


@pytest.mark.parametrize("frozen", [False, True], ids=["down", "frozen"])
def test_a_signal_ends_each_process_in_time_while_its_servers_are_away(servers: Servers, frozen: bool) -> None:
    installation, events, answers = servers
    writes, projector, reads = installation.start(*THREE)
    writes.post("name")
    eventually(installation.agrees)

    if frozen:
        events.process.freeze()
    else:
        events.kill()
    answers.kill()
    soon_unavailable(UNCLEAR, partial(writes.post, "other"))
    soon_unavailable(MODEL_DOWN, partial(reads.get, "/answers/name"))

    assert [process.stop(within=10) for process in (writes, projector, reads)] == [0, 0, 0]
