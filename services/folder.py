"""The folder that `--sqlite` names, as a process finds it at its start. What happens to it later is an outage."""

import logging
import os
from pathlib import Path

from qaservice.runtime.settings import BadSettings

EVENTS, ANSWERS = "events.sqlite", "answers.sqlite"

log = logging.getLogger("qaservice")


def checked(folder: Path) -> Path:
    """The folder, which others may still make or open to this user. Raises BadSettings where it can never be one."""
    if os.path.isfile(folder):
        raise BadSettings(f"--sqlite {folder}: that is a file; name a folder, for example --sqlite data")
    return folder


def say_if_missing(folder: Path | None, name: str) -> None:
    """Whoever looks for a file that another process makes, and may make later, is told once."""
    if folder is not None and not os.path.exists(folder / name):
        log.info("waiting for %s", folder / name)
