"""The read model is rebuilt when it or the log was replaced, says why, and answers 503 until it is complete."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.processes import THREE, Machine, Process, eventually
from tests.e2e.stored import caught_up, documents, fill, folded, rows
from tests.e2e.watching import events, stream
from tests.given import remove

MANY = 3000


def copied(file: Path, to: Path) -> None:
    """Copy a database that no process has open."""
    remove(to)
    for each in file.parent.glob(f"{file.name}*"):
        shutil.copy(each, to.parent / each.name.replace(file.name, to.name))


def warned(projector: Process, why: str) -> bool:
    return projector.said(f"building the read model from the start: {why}")


def statuses_until_found(reads: Process, key: str) -> set[int]:
    """What a client was told of a key, up to and with the first 200."""
    told: set[int] = set()

    def found() -> bool:
        told.add(reads.get(f"/answers/{key}").status_code)
        return 200 in told

    eventually(found)
    return told


def refusal(service: Process, cursor: str) -> object:
    """The reply to a watcher who resumes behind `cursor`; nothing where he may."""
    with stream(f"{service.url}/watch", **{"Last-Event-ID": cursor}) as (response, _):
        return json.loads(response.read()) if response.status_code == 400 else None


def test_a_deleted_read_model_is_filled_again_and_never_says_not_found_meanwhile(here: Machine) -> None:
    writes, projector, reads = here.start_all(*THREE)
    writes.post("name")
    fill(here.data, MANY, "'many-' || i, 0, 'AnswerCreatedEvent', 'v'")
    eventually(lambda: caught_up(here.data))
    for process in (projector, reads):
        assert process.stop() == 0
    remove(here.data / "answers.sqlite")

    reads = here.start("projection", ready=False)
    assert reads.get("/answers/name").status_code == 503
    projector = here.start("projector", ready=False)

    assert statuses_until_found(reads, f"many-{MANY - 1}") <= {503, 200}
    eventually(lambda: warned(projector, "the read model is empty"))
    eventually(lambda: caught_up(here.data))
    assert documents(here.data) == folded(here.data)


@pytest.mark.parametrize("running", [True, False], ids=["under the projector", "while it is down"])
def test_a_log_replaced_by_another_is_noticed_and_the_read_model_rebuilt(here: Machine, running: bool) -> None:
    writes, projector, reads = here.start_all(*THREE)
    for key in ("kept", "gone"):
        writes.post(key)
    eventually(lambda: caught_up(here.data))
    writes.stop()
    if not running:
        projector.stop()
    elsewhere = here.start("eventstore", "--sqlite", str(here.folder / "other"))
    elsewhere.post("kept", "other")
    elsewhere.stop()

    copied(here.folder / "other" / "events.sqlite", here.data / "events.sqlite")
    if not running:
        projector = here.start("projector", ready=False)

    eventually(lambda: warned(projector, "the log was replaced: store "))
    eventually(lambda: caught_up(here.data))
    assert documents(here.data) == folded(here.data) == {"kept": (0, "other")}
    assert reads.get("/answers/kept").json() == {"key": "kept", "value": "other"}
    assert reads.get("/answers/gone").status_code == 404


def test_tokens_and_cursors_of_a_log_that_was_deleted_under_its_writer_are_refused(here: Machine) -> None:
    service = here.start("monolith")
    old = service.post("name").headers["Consistency-Token"]
    with events(f"{service.url}/watch?from=start") as changes:
        cursor = next(changes).id

    remove(here.data / "events.sqlite")
    for key in ("name", "other"):  # the new log goes on over the places that the old ones name
        assert service.post(key).status_code == 201

    assert service.get("/answers/name", **{"Consistency-Token": old}).status_code == 400
    # Whoever comes before the service has seen that the log is another one is let in, and cut off when it sees it.
    assert eventually(lambda: refusal(service, cursor)) == {"error": "Input not valid: cursor is of another store"}


@pytest.mark.parametrize("running", [True, False], ids=["under the projector", "while it is down"])
def test_a_log_replaced_by_an_older_copy_of_itself_is_noticed(here: Machine, running: bool) -> None:
    writes, projector, reads = here.start_all(*THREE)
    writes.post("name", "old")
    writes.stop()
    copied(here.data / "events.sqlite", here.folder / "copy.sqlite")
    writes = here.start("eventstore")
    writes.patch("name", "new")
    writes.post("later")
    eventually(lambda: caught_up(here.data))
    writes.stop()
    if not running:
        projector.stop()

    copied(here.folder / "copy.sqlite", here.data / "events.sqlite")
    if not running:
        projector = here.start("projector", ready=False)

    eventually(lambda: warned(projector, "the log was replaced: it no longer holds the event at position "))
    eventually(lambda: caught_up(here.data))
    assert documents(here.data) == folded(here.data) == {"name": (0, "old")}
    assert reads.get("/answers/later").status_code == 404


def test_an_event_that_can_not_be_decoded_stops_the_projector_there_and_it_says_so(here: Machine) -> None:
    writes, projector, reads = here.start_all(*THREE)
    writes.post("before")
    eventually(lambda: reads.get("/answers/before").status_code == 200)
    fill(here.data, 1, "'odd', 0, 'AnswerForgottenEvent', 'v'")
    writes.post("after")

    eventually(lambda: projector.get("/health/ready").status_code == 503)

    ((position,),) = rows(here.data / "events.sqlite", "SELECT position FROM events WHERE key = 'odd'")
    why = projector.get("/health/ready").json()["error"]
    assert f"position {position} of 'odd' can't be read: unknown event type 'AnswerForgottenEvent'" in why
    eventually(lambda: projector.said(why))
    assert projector.get("/health/live").status_code == 200
    assert reads.get("/answers/before").status_code == 200
    assert reads.get("/answers/after").status_code == 404
    for process in (projector, reads):  # where nothing is wrong, it is 0 again every second
        eventually(partial(lambda process: process.metric("qaservice_projection_lag_seconds") > 1.5, process))
