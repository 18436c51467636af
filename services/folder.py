"""The folder that `--sqlite` names, as a process finds it at its start. What happens to it later is an outage."""

import logging
import os
from pathlib import Path

from qaservice.runtime.settings import BadSettings

EVENTS, ANSWERS = "events.sqlite", "answers.sqlite"

log = logging.getLogger("qaservice")


def checked(folder: Path) -> Path:
    """The folder, which need not be there or be writable yet. Raises BadSettings where it is a file."""
    if os.path.isfile(folder):
        raise BadSettings(f"--sqlite {folder}: that is a file; name a folder, for example --sqlite data")
    return folder


def say_if_missing(folder: Path | None, name: str) -> None:
    """Log that this process waits for the file, which another one makes."""
    if folder is not None and not os.path.exists(folder / name):
        log.info("waiting for %s", folder / name)
