"""The folder that --sqlite names, at the start of a process."""

import pytest

from tests.e2e.commands import qaservice, refuses
from tests.e2e.processes import COMMAND, THREE, Machine, bound_by_permissions, eventually

WRITERS = ("eventstore", "monolith", "projector")


def refuses_bound_by_permissions(here: Machine, process: str, folder: str, words: str) -> None:
    """Assert that it ends with one line that says so, as a user who may not write everywhere."""
    ended = here.launch([*COMMAND, process, "--sqlite", folder], bound_by_permissions)
    assert (ended.popen.wait(20), ended.printed) == (2, "")
    (line,) = ended.log.read_text().splitlines()
    assert line.startswith(f"qaservice: --sqlite {folder}: ")
    assert words in line


@pytest.mark.parametrize("process", [*WRITERS, "projection", "export", "import"])
def test_no_folder_at_all_is_not_the_working_directory(here: Machine, process: str) -> None:
    refuses(qaservice(here, process, "--sqlite", "", given=b""), "--sqlite names no folder")
    assert not list(here.folder.iterdir())


@pytest.mark.parametrize("process", [*WRITERS, "projection"])
def test_a_file_is_no_folder(here: Machine, process: str) -> None:
    here.data.write_text("not a folder")
    refuses(qaservice(here, process, "--sqlite", "data"), "--sqlite data: that is a file; name a folder")


@pytest.mark.parametrize("process", WRITERS)
def test_a_folder_that_can_not_be_made_ends_who_would_write_there(here: Machine, process: str) -> None:
    (here.folder / "closed").mkdir(0o555)
    words = "it can't be made: Permission denied; make it yourself, or name another folder"
    refuses_bound_by_permissions(here, process, "closed/data", words)


@pytest.mark.parametrize("process", WRITERS)
def test_a_folder_that_can_not_be_written_ends_who_would_write_there(here: Machine, process: str) -> None:
    here.data.mkdir(0o555)
    words = "give this user the right to write there, or name another folder"
    refuses_bound_by_permissions(here, process, "data", words)


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
