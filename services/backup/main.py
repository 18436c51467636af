"""Export and import as commands: their wiring."""

import shutil
import stat
import sys
from contextlib import AsyncExitStack, ExitStack
from os import fstat
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from qaservice.runtime.settings import Settings
from services import stores
from services.backup.export import export
from services.backup.file import checked
from services.backup.importing import held, import_
from services.backup.progress import Progress
from services.exits import said


async def export_to(output: BinaryIO, settings: Settings, folder: Path | None, shown: Progress) -> None:
    """Write the backup of the log to `output`. Raises BadSettings, OSError, and what `export` raises."""
    async with AsyncExitStack() as stack:
        feed = stores.event_feed(settings, folder)
        stack.push_async_callback(feed.close)
        count = await export(feed, output.write, lambda at, end, n: shown(at, end, f"exported {n:,} events"))
        output.flush()
    said(f"exported {count:,} events", 0)


async def import_from(name: str, settings: Settings, folder: Path | None, shown: Progress) -> None:
    """Bring the backup in the file `name` (`-`: standard input) into the log. Raises BadSettings, BadBackup, OSError,
    and what `held` and `import_` raise."""
    async with AsyncExitStack() as stack:
        backup = checked(stack.enter_context(_opened(name)), lambda at, end: shown(at, end, "checking"))
        sink = await stores.event_sink(settings, folder)
        stack.push_async_callback(sink.close)
        feed = stores.event_feed(settings, folder)
        stack.push_async_callback(feed.close)
        await feed.store_id()
        found = await held(backup, feed, sink.disorder)
        added = await import_(backup, found, sink, lambda at, end: shown(at, end, f"imported {at:,} events"))
    said(f"imported {added:,} events" + (f", {len(found):,} were there already" if len(found) else ""), 0)


def _opened(name: str) -> BinaryIO:
    """The file. What comes through a pipe is first put aside as a whole, on the disk, since it must be read twice: a
    pipe that breaks off is then noticed before anything is written. Raises OSError."""
    if name != "-":
        return open(name, "rb")
    given = sys.stdin.buffer
    if stat.S_ISREG(fstat(given.fileno()).st_mode):
        return given
    with ExitStack() as stack:
        aside = stack.enter_context(TemporaryFile())
        shutil.copyfileobj(given, aside)
        stack.pop_all()
    return aside
