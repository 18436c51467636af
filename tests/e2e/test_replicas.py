"""The three processes on any EventStoreDB and MongoDB, several of each: killed, doubled and replaced under load."""

from collections.abc import Iterator
from functools import partial
from uuid import uuid4

import pytest
from esdbclient import NewEvent

from tests.e2e.load import holds_what_was_said, reading, writing
from tests.e2e.processes import THREE, Machine, eventually
from tests.e2e.servers import Installation, heals, on_any_servers, says

SHARED = [f"shared-{number}" for number in range(10)]


@pytest.fixture
def pair(
    here: Machine, real_eventstoredb: str | None, mongodb_uri: str, mongodb_database: str
) -> Iterator[Installation]:
    """Servers that go on."""
    with on_any_servers(here, real_eventstoredb, mongodb_uri, mongodb_database) as installation:
        yield installation


def test_a_read_model_whose_projector_is_killed_under_load_is_a_fold_of_the_log(pair: Installation) -> None:
    (writes,) = pair.start("eventstore")
    writes.post("first")
    with writing([writes], 4, SHARED) as load:
        for number in range(4):
            (projector,) = pair.start("projector", ready=False)
            eventually(partial(lambda process, least: process.applied() > least, projector, 5 * number))
            projector.kill()
    assert load.unexpected == []

    pair.start("projector")

    eventually(pair.agrees)
    assert len(pair.documents()) > len(SHARED) / 2
    holds_what_was_said(pair.events(), load)


def test_two_projectors_at_once_are_harmless(pair: Installation) -> None:
    writes, one, other = pair.start("eventstore", "projector", "projector")

    with writing([writes], 4, SHARED) as load:
        eventually(partial(load.has_written, 100))

    heals(pair, one, other)
    holds_what_was_said(pair.events(), load)


def test_writers_of_the_same_keys_at_two_services_lose_and_double_nothing(pair: Installation) -> None:
    services = pair.start("eventstore", "eventstore")

    with writing(services, 16, SHARED) as load:
        eventually(partial(load.has_written, 400))

    assert (len(load.unexpected), len(load.unknown)) == (0, 0)
    holds_what_was_said(pair.events(), load)


def test_replacing_one_write_service_after_the_other_under_load_loses_nothing(pair: Installation) -> None:
    services = pair.start("eventstore", "eventstore")

    with writing(services, 8, SHARED) as load:
        for old in list(services):
            eventually(partial(load.has_written, len(load.acknowledged) + 50))
            services += pair.start("eventstore")
            services.remove(old)  # as a load balancer does before the signal
            assert old.stop() == 0
        eventually(partial(load.has_written, len(load.acknowledged) + 50))

    assert load.unexpected == []
    holds_what_was_said(pair.events(), load)


def test_replacing_one_read_service_after_the_other_under_load_fails_no_read(pair: Installation) -> None:
    writes, _, *services = pair.start("eventstore", "projector", "projection", "projection")
    writes.post("name")
    eventually(pair.agrees)

    with reading(services, 8, "/answers/name") as load:
        for old in list(services):
            eventually(partial(load.has_read, load.answered + 100))
            services[services.index(old)] = pair.start("projection")[0]  # as a load balancer does before the signal
            assert old.stop() == 0
        eventually(partial(load.has_read, load.answered + 100))

    assert (load.unexpected, load.broken) == ([], 0)


def test_what_other_applications_store_is_neither_shown_nor_counted(pair: Installation) -> None:
    writes, projector, reads = pair.start(*THREE)
    writes.post("name")
    strange = NewEvent("AnswerCreatedEvent", b'{"key":"theirs","value":"v"}')
    similar = pair.prefix.replace(".", "x")
    for stream in (f"{similar}theirs", f"other-{pair.prefix}theirs", pair.prefix[:-1], f"{similar}-{uuid4().hex}"):
        pair.store(stream, strange, strange)
    writes.post("last")

    eventually(lambda: says(reads, "/answers/last")[0] == 200)
    eventually(lambda: projector.applied() > 1)  # what is read already is counted only when its checkpoint is stored

    assert pair.documents() == {"name": (0, "john"), "last": (0, "john")}
    assert projector.applied() == 2
    assert says(reads, "/answers/theirs")[0] == says(writes, "/answers/theirs/history")[0] == 404
    heals(pair, writes, projector, reads)
