"""Killed at any moment: what was acknowledged is there, what was refused is not, and the read model is a fold of the
log."""

import itertools
import json
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from tests.e2e.processes import Machine, Process, eventually, reply, request
from tests.e2e.stored import caught_up, documents, events, folded

WRITERS = 64


@dataclass
class Load:
    """Clients that write until the service is gone or they are told to stop; each value is sent once."""

    service: Process
    hot: str = "hot"
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unexpected: list[int] = field(default_factory=list)
    stopped: bool = False

    def write(self, writer: int) -> None:
        """Work as one client."""
        with suppress(OSError), self.service.connect() as connection:  # killed
            for number in itertools.count():
                if self.stopped:
                    return
                key = self.hot if number % 3 == 1 else f"{writer}-{number // 3}"
                value = f"{writer}.{number}.{self.service.port}"
                body = json.dumps({"key": key, "value": value}).encode()
                connection.sendall(request("PATCH" if number % 3 else "POST", "/answers", body))
                self.note(int(reply(connection).split()[1]), key, value)

    def has_written(self, number: int) -> bool:
        """Whether more than `number` writes were acknowledged."""
        return len(self.acknowledged) > number

    def note(self, status: int, key: str, value: str) -> None:
        """Remember what was said of a write."""
        if status in (200, 201):
            self.acknowledged.append((key, value))
        elif status in (404, 409):
            self.refused.append(value)
        else:
            self.unexpected.append(status)


@contextmanager
def writing(service: Process, writers: int) -> Iterator[Load]:
    """Many clients at work on a service."""
    load = Load(service)
    threads = [threading.Thread(target=load.write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopped = True
        for thread in threads:
            thread.join()


def has_applied(projector: Process, number: int) -> bool:
    """Whether it has applied more than `number` events in its life."""
    (count,) = re.findall(r"^qaservice_events_applied_total (\S+)", projector.get("/metrics").text, re.MULTILINE)
    return float(count) > number


def test_a_killed_event_store_service_has_every_acknowledged_write_once(here: Machine) -> None:
    writes = here.start("eventstore")
    loads = []
    for _ in range(3):
        with writing(writes, WRITERS) as load:
            eventually(partial(load.has_written, 300))
            writes.kill()
        loads.append(load)
        writes = here.start("eventstore")
        writes.post("hot")

    stored = defaultdict(list)
    revisions = defaultdict(list)
    for key, revision, _, value in events(here.data):
        stored[value].append(key)
        revisions[key].append(revision)
    for load in loads:
        assert load.unexpected == []
        assert all(stored[value] == [key] for key, value in load.acknowledged)
        assert not any(value in stored for value in load.refused)
    assert all(numbers == list(range(len(numbers))) for numbers in revisions.values())
    told = writes.get("/answers/hot/history").json()
    assert [event["data"]["value"] for event in told] == [
        value for key, _, _, value in events(here.data) if key == "hot"
    ]


def test_a_read_model_whose_projector_is_killed_again_and_again_equals_a_fold_of_the_log(here: Machine) -> None:
    writes, reads = here.start_all("eventstore", "projection", ready=False)
    writes.post("hot")
    with writing(writes, 4) as load:
        for _ in range(4):
            projector = here.start("projector", ready=False)
            eventually(partial(has_applied, projector, 20))
            time.sleep(random.uniform(0, 0.05))  # to die at another step each time
            projector.kill()
    assert load.unexpected == []

    here.start("projector")
    eventually(lambda: caught_up(here.data))

    assert documents(here.data) == folded(here.data)
    assert len(documents(here.data)) > 10
    for key, (revision, value) in itertools.islice(folded(here.data).items(), 50):
        answer = reads.get(f"/answers/{key}")
        assert (answer.json(), answer.headers["etag"]) == ({"key": key, "value": value}, f'"{revision}"')
