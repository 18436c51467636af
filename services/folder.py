"""The folder that `--sqlite` names, as a process finds it at its start. What happens to it later is an outage."""

import logging
import os
from pathlib import Path

from qaservice.runtime.settings import BadSettings

EVENTS, ANSWERS = "events.sqlite", "answers.sqlite"

log = logging.getLogger("qaservice")


def to_write(folder: Path) -> Path:
    """The folder, made where it is missing. Raises BadSettings where nothing could ever be written there."""
    to_read(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"it can't be made: {error.strerror}"
        raise BadSettings(f"--sqlite {folder}: {why}; make it yourself, or name another folder") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadSettings(f"--sqlite {folder}: give this user the right to write there, or name another folder")
    return folder


def to_read(folder: Path) -> Path:
    """The folder, which another process may make later. Raises BadSettings where that can't be."""
    if os.path.isfile(folder):
        raise BadSettings(f"--sqlite {folder}: that is a file; name a folder, for example --sqlite data")
    return folder


def say_if_missing(folder: Path | None, name: str) -> None:
    """Whoever looks for a file that another process makes, and may make later, is told once."""
    if folder is not None and not os.path.exists(folder / name):
        log.info("waiting for %s", folder / name)
