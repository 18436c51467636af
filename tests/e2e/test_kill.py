"""Killed at any moment: what was acknowledged is there, what was refused is not, and the read model is a fold of the
log."""

import random
import time
from functools import partial

from tests.e2e.load import holds_what_was_said, writing
from tests.e2e.processes import Machine, eventually
from tests.e2e.stored import caught_up, documents, events, folded

WRITERS = 64
KEYS = [f"key-{number}" for number in range(50)]


def test_a_killed_event_store_service_has_every_acknowledged_write_once(here: Machine) -> None:
    service = here.start("eventstore")
    loads = []
    for _ in range(3):
        with writing([service], WRITERS, KEYS) as load:
            eventually(partial(load.has_written, 300))
            service.kill()
        loads.append(load)
        service = here.start("eventstore")

    for load in loads:
        assert load.unexpected == []
        holds_what_was_said([(key, revision, value) for key, revision, _, value in events(here.data)], load)
    told = service.get(f"/answers/{KEYS[0]}/history").json()
    assert [event["type"] for event in told] == [type_ for key, _, type_, _ in events(here.data) if key == KEYS[0]]


def test_a_read_model_whose_projector_is_killed_again_and_again_equals_a_fold_of_the_log(here: Machine) -> None:
    writes, reads = here.start_all("eventstore", "projection", ready=False)
    with writing([writes], 4, KEYS) as load:
        for _ in range(4):
            projector = here.start("projector", ready=False)
            eventually(partial(lambda process: process.applied() > 20, projector))
            time.sleep(random.uniform(0, 0.05))  # to die at another step each time
            projector.kill()
    assert load.unexpected == []

    here.start("projector")
    eventually(lambda: caught_up(here.data))

    assert documents(here.data) == folded(here.data)
    assert len(documents(here.data)) > 10
    for key, (_, value) in folded(here.data).items():
        answer = reads.get(f"/answers/{key}")
        assert (answer.status_code, answer.json().get("value")) == ((404, None) if value is None else (200, value))
