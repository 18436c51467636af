"""Which file a name means, as the file system tells it."""

import os
import time
from pathlib import Path

Inode = tuple[int, int]

_CLOCK_TICK_NS = 50_000_000


def status(name: str | Path) -> os.stat_result | None:
    """What is known of the file or folder; None: there is none, or it can't be asked."""
    try:
        return os.stat(name)
    except OSError:
        return None


def inode(name: str | Path) -> Inode | None:
    """What tells it from others of the same name; None: there is none."""
    found = status(name)
    return None if found is None else (found.st_dev, found.st_ino)


def shows_changes(changed_ns: int) -> bool:
    """Whether a change from now on shows in the time of one that was last changed at `changed_ns`: file systems' clocks
    tick, most every few milliseconds, and two changes within a tick bear the same time."""
    return time.time_ns() - changed_ns > _CLOCK_TICK_NS
