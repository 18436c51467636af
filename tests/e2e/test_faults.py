"""A folder, a disk or a file that fails: one clear line, 503, and nothing acknowledged is lost."""

import ctypes
import os
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.e2e.processes import THREE, Machine, Process, eventually, reply, request
from tests.e2e.stored import caught_up, events

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # linux/prctl.h, linux/capability.h


def bound_by_permissions() -> None:
    """Let root, too, write only where the permissions say so."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0


def with_a_disk_of(size: int) -> Callable[[], None]:
    """Let no file grow over `size` bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def unavailable(process: Process, path: str, text: str) -> None:
    """Assert that a read is answered with 503."""
    answer = process.get(path)
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (503, {"error": text}, "1")


def told(process: Process, words: str) -> None:
    """Assert that the log says so in one clear line, without a traceback."""
    eventually(lambda: any(words in str(line) for line in process.lines))
    assert not any("traceback" in line for line in process.lines)


def test_a_read_only_folder_refuses_writes_and_goes_on_reading(here: Machine) -> None:
    writes = here.start("eventstore")
    writes.post("name")
    writes.stop()
    for path in (*here.data.iterdir(), here.data):
        path.chmod(0o555)

    writes = here.start("eventstore", ready=False, before=bound_by_permissions)

    assert writes.post("other").status_code == 503
    assert writes.post("name").status_code == 503
    assert writes.get("/answers/name").status_code == 200
    assert "read-only" in writes.get("/health/ready").json()["error"]
    told(writes, "events.sqlite: the file or its folder is read-only: give this user the right to write")


def test_a_folder_that_can_not_be_made_is_an_outage_that_heals(here: Machine) -> None:
    closed = here.folder / "closed"
    closed.mkdir(0o555)

    data = str(closed / "data")
    writes = here.start("eventstore", "--sqlite", data, ready=False, before=bound_by_permissions)
    assert writes.post("name").status_code == 503
    told(writes, "can't be made")

    closed.chmod(0o755)
    eventually(lambda: writes.post("name").status_code == 201)
    assert writes.ready()


def test_a_folder_that_went_away_is_an_outage_until_it_is_back(here: Machine) -> None:
    service = here.start("monolith")
    service.post("name")
    here.data.rename(here.folder / "moved")

    eventually(lambda: service.get("/answers/name").status_code == 503)
    for key in ("name", "other"):
        assert service.post(key).status_code == 503
    words = "events.sqlite: the folder is gone or another one than at the start: put it back, or restart to begin there"
    assert words in service.get("/health/ready").json()["error"]
    told(service, words)
    assert not here.data.exists()

    (here.folder / "moved").rename(here.data)
    eventually(service.ready)
    assert service.post("name").status_code == 409
    assert service.post("other").status_code == 201
    eventually(lambda: caught_up(here.data))


def test_a_full_disk_loses_nothing_that_was_acknowledged(here: Machine) -> None:
    writes = here.start("eventstore", before=with_a_disk_of(400_000))
    acknowledged = []
    with writes.connect() as connection:
        for number in range(200):
            body = f'{{"key":"{number}","value":"{"x" * 8000}"}}'.encode()
            connection.sendall(request("POST", "/answers", body))
            status = int(reply(connection).split()[1])
            if status != 201:
                break
            acknowledged.append(str(number))

    assert (status, len(acknowledged) > 10) == (503, True)
    assert writes.get("/answers/0").status_code == 200
    assert writes.get(f"/answers/{len(acknowledged)}").status_code == 404
    told(writes, "the disk ")
    assert writes.post("0").status_code in (409, 503)
    writes.kill()

    writes = here.start("eventstore")
    assert [key for key, *_ in events(here.data)] == acknowledged
    assert writes.post("now").status_code == 201


def test_a_damaged_log_is_named_and_heals_when_it_is_restored(here: Machine) -> None:
    writes = here.start("eventstore")
    writes.post("name")
    writes.stop()
    good = here.folder / "good.sqlite"
    shutil.copy(here.data / "events.sqlite", good)
    (here.data / "events.sqlite").write_bytes(b"not a database" * 1000)

    writes = here.start("eventstore", ready=False)
    unavailable(writes, "/answers/name", "Event store unavailable")
    unavailable(writes, "/answers/name/history", "Event store unavailable")
    assert writes.post("other").status_code == 503
    told(writes, "events.sqlite: the file is not a database or is damaged: restore it from a backup")

    os.replace(good, here.data / "events.sqlite")
    eventually(lambda: writes.get("/answers/name").status_code == 200)
    eventually(writes.ready)


def from_a_newer_version(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version=99")


def test_a_log_of_a_newer_version_is_refused(here: Machine) -> None:
    writes = here.start("eventstore")
    writes.post("name")
    writes.stop()
    from_a_newer_version(here.data / "events.sqlite")

    writes = here.start("eventstore", ready=False)

    unavailable(writes, "/answers/name", "Event store unavailable")
    assert writes.post("other").status_code == 503
    told(writes, "written by a newer version (schema 99, known 1): upgrade")


def test_a_read_model_that_fails_stops_its_readers_and_no_writer(here: Machine) -> None:
    all_three = here.start("monolith")
    all_three.post("name")
    all_three.stop()
    from_a_newer_version(here.data / "answers.sqlite")

    writes, projector, reads = here.start_all(*THREE, ready=False)

    assert writes.post("other").status_code == 201
    unavailable(reads, "/answers/name", "Read model unavailable")
    told(reads, "newer version")
    told(projector, "newer version")
    assert projector.get("/health/ready").status_code == 503


def test_a_log_that_another_process_holds_locked_keeps_nobody_from_listening(here: Machine) -> None:
    here.start("eventstore").stop()
    with closing(sqlite3.connect(here.data / "events.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        service = here.start("eventstore", ready=False, STORE_TIMEOUT="8")
        assert time.monotonic() - began < 8
        other.execute("ROLLBACK")

    assert service.post("name").status_code == 201
