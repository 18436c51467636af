"""The folder that --sqlite names, at the start of a process."""

import pytest

from tests.e2e.commands import qaservice, refuses
from tests.e2e.processes import THREE, Machine, eventually

SERVICES = ("eventstore", "monolith", "projector", "projection")


@pytest.mark.parametrize("process", [*SERVICES, "export", "import"])
def test_no_folder_at_all_is_not_the_working_directory(here: Machine, process: str) -> None:
    refuses(qaservice(here, process, "--sqlite", "", given=b""), "--sqlite names no folder")
    assert not list(here.folder.iterdir())


@pytest.mark.parametrize("process", SERVICES)
def test_a_file_is_no_folder(here: Machine, process: str) -> None:
    here.data.write_text("not a folder")
    refuses(qaservice(here, process, "--sqlite", "data"), "--sqlite data: that is a file; name a folder")


def test_a_reader_waits_for_a_folder_that_is_not_there_yet_and_makes_none(here: Machine) -> None:
    reads = here.start("projection", ready=False)
    eventually(lambda: reads.said(f"waiting for {here.data}/answers.sqlite"))
    assert not here.data.exists()

    here.start("monolith").post("name")
    eventually(lambda: reads.get("/answers/name").status_code == 200)


def test_a_projector_waits_for_the_log(here: Machine) -> None:
    projector = here.start("projector", ready=False)
    eventually(lambda: projector.said(f"waiting for {here.data}/events.sqlite"))

    here.start("eventstore")
    eventually(projector.ready)


def test_nobody_waits_for_what_is_there(here: Machine) -> None:
    writes = here.start("monolith")
    writes.post("name")
    started = here.start_all(*THREE)
    assert not any(process.said("waiting for") for process in [writes, *started])
