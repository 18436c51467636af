"""`qaservice export` and `qaservice import`, as they are called."""

import json
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.commands import environment, qaservice, refuses
from tests.e2e.processes import COMMAND, Machine, Process, answering, eventually
from tests.e2e.stored import events, fill, rows
from tests.standins.eventstoredb_process import running

HISTORIES = "'key ' || (i / 4), i % 4, iif(i % 4, 'AnswerUpdatedEvent', 'AnswerCreatedEvent'), 'vålue ' || i"


def exported(here: Machine, folder: str = "data", variables: dict[str, str] | None = None) -> bytes:
    """What an export that succeeds writes."""
    flags = [] if variables else ["--sqlite", folder]
    done = qaservice(here, "export", *flags, variables=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def a_log(here: Machine, count: int) -> bytes:
    """A log of so many events in the data folder, and its export."""
    here.start("eventstore").stop()
    fill(here.data, count, HISTORIES)
    return exported(here)


@contextmanager
def eventstoredb() -> Iterator[dict[str, str]]:
    """The variables that name a server of the test's own."""
    with running(None) as server:
        yield {"EVENTSTORE_URI": server.uri, "EVENTSTORE_PREFIX": "qa-test."}


def test_the_last_line_counts_and_checks_all_before_it(here: Machine) -> None:
    data = a_log(here, 1000)

    before, last = data[: data.rindex(b"\n", 0, -1) + 1], data.splitlines()[-1]
    assert json.loads(last) == {"count": 1000, "sha256": sha256(before).hexdigest()}
    assert [json.loads(line)["value"] for line in before.splitlines()] == [row[3] for row in events(here.data)]


def test_a_log_moves_to_the_servers_and_back(here: Machine) -> None:
    service = here.start("eventstore")
    for key in ("name", "näme", "a/b"):
        service.post(key, "john")
        service.patch(key, "jane")
    paths = [f"/answers/{key}/history?include=meta" for key in ("name", "n%C3%A4me", "a%2Fb")]
    before = [service.get(path).content for path in paths]
    service.stop()
    data = exported(here)

    with eventstoredb() as variables:
        assert qaservice(here, "import", "-", given=data, variables=variables).returncode == 0
        moved = answering(here.launch([*COMMAND, "eventstore"], variables=variables), ready=True)
        assert [moved.get(path).content for path in paths] == before
        assert moved.patch("name", "jack").status_code == 200
        moved.stop()
        again = exported(here, variables=variables)

    assert qaservice(here, "import", "--sqlite", "back", given=again).returncode == 0
    assert sorted(again.splitlines()[:6]) == sorted(data.splitlines()[:6])
    assert exported(here, "back") == again


def test_an_export_under_load_ends(here: Machine) -> None:
    a_log(here, 5000)
    service = here.start("eventstore")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            service.post(str(uuid4()))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        data = exported(here)
    finally:
        stop.set()
        for writer in writers:
            writer.join()

    assert qaservice(here, "import", "--sqlite", "copy", given=data).returncode == 0
    assert exported(here, "copy") == data


def test_a_killed_import_goes_on_where_it_stopped(here: Machine) -> None:
    data = a_log(here, 20_000)
    file = here.folder / "answers.ndjson"
    file.write_bytes(data)

    for wanted in (1, 8_000):
        importing = here.launch([*COMMAND, "import", file.name, "--sqlite", "copy"])
        eventually(partial(has_imported, importing, here.folder / "copy", wanted))
        importing.kill()
    rest = qaservice(here, "import", file.name, "--sqlite", "copy")

    assert rest.returncode == 0
    assert b"were there already" in rest.stderr
    assert exported(here, "copy") == data


def has_imported(importing: Process, folder: Path, count: int) -> bool:
    """Whether a log of at least so many events is there; fails where the import did."""
    assert importing.popen.poll() in (None, 0), importing.log.read_text()
    try:
        ((found,),) = rows(folder / "events.sqlite", "SELECT count(*) FROM events")
    except sqlite3.OperationalError:
        return False
    return int(found) >= count


def test_a_killed_import_into_eventstoredb_goes_on_where_it_stopped(here: Machine) -> None:
    data = a_log(here, 4_000)
    file = here.folder / "answers.ndjson"
    file.write_bytes(data)
    with eventstoredb() as variables:
        importing = here.launch([*COMMAND, "import", file.name], variables=variables)
        eventually(lambda: exported(here, variables=variables).count(b"\n") > 1)
        importing.kill()
        rest = qaservice(here, "import", file.name, variables=variables)
        again = exported(here, variables=variables)

    assert rest.returncode == 0
    assert b"were there already" in rest.stderr
    assert sorted(again.splitlines()[:-1]) == sorted(data.splitlines()[:-1])


@pytest.mark.parametrize("by", ["file", "pipe"])
def test_a_cut_or_changed_file_is_refused_before_anything_is_written(here: Machine, by: str) -> None:
    data = a_log(here, 100)
    changed = data.replace(b"AnswerUpdated", b"AnswerCreated", 1)
    for broken in (data[: len(data) // 2], data[:-80], changed, b""):
        (here.folder / "broken").write_bytes(broken)
        arguments = ["import", "broken" if by == "file" else "-", "--sqlite", "copy"]
        refuses(qaservice(here, *arguments, given=broken if by == "pipe" else None), "the ")
        assert not (here.folder / "copy").exists()


def test_an_export_whose_reader_leaves_ends_without_a_word(here: Machine) -> None:
    a_log(here, 20_000)
    export = subprocess.Popen(
        [*COMMAND, "export", "--sqlite", "data"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=here.folder,
        env=environment({}),
    )
    assert export.stdout is not None
    assert export.stderr is not None
    with export:
        assert json.loads(export.stdout.readline())["revision"] == 0
        export.stdout.close()
        said = export.stderr.read()

    assert (export.returncode, said) == (141, b"")


def test_an_export_whose_output_is_closed_goes_to_its_end(here: Machine) -> None:
    a_log(here, 10)
    export = here.launch([*COMMAND, "export", "--sqlite", "data"], lambda: os.close(1))

    assert (export.popen.wait(20), export.log.read_text()) == (0, "qaservice: exported 10 events\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "--sqlite", "nowhere"], "check that the folder exists"),
        (["export"], "EVENTSTORE_HOST is missing"),
        (["import", "nowhere", "--sqlite", "data"], "nowhere: No such file"),
        (["import", "."], "Is a directory"),
    ],
)
def test_whatever_is_wrong_is_one_line(here: Machine, arguments: Sequence[str], words: str) -> None:
    refuses(qaservice(here, *arguments), words)
    assert not (here.folder / "nowhere").exists()


def test_a_server_that_is_not_there_is_one_line(here: Machine) -> None:
    variables = {"EVENTSTORE_HOST": "127.0.0.1:1", "STORE_TIMEOUT": "1"}
    refuses(qaservice(here, "export", variables=variables), "EventStoreDB")
    data = a_log(here, 1)
    refuses(qaservice(here, "import", given=data, variables=variables), "EventStoreDB")


def test_a_service_on_the_same_file_serves_what_is_imported(here: Machine) -> None:
    data = a_log(here, 3000)
    shutil.rmtree(here.data)
    service = here.start("eventstore")

    assert qaservice(here, "import", "--sqlite", "data", given=data).returncode == 0

    assert len(service.get("/answers/key%20700/history").json()) == 4
    assert service.patch("key 700").status_code == 200


def test_a_service_that_writes_while_one_imports_ends_the_import(here: Machine) -> None:
    data = a_log(here, 20_000)
    file = here.folder / "answers.ndjson"
    file.write_bytes(data)
    shutil.rmtree(here.data)
    service = here.start("eventstore")

    importing = here.launch([*COMMAND, "import", file.name, "--sqlite", "data"])
    eventually(lambda: has_imported(importing, here.data, 1))
    assert service.post("another").status_code == 201
    assert importing.popen.wait(30) == 2

    assert "another process writes to it" in importing.log.read_text()
