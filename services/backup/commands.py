"""`qaservice export` and `qaservice import`."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.exits import TROUBLE, one_line_for, said
from services.flags import Sqlite

if TYPE_CHECKING:
    from qaservice.runtime.settings import Settings
    from services.backup.progress import Progress

app = typer.Typer()
PANEL = "Server"


@app.command(rich_help_panel=PANEL)
def export(sqlite: Sqlite = None) -> None:
    """Write every event of the log to standard output.

    A line of JSON each. Without --sqlite: from the server that EVENTSTORE_HOST names.
    """
    import sys

    from services.backup.main import export_to

    _run(lambda settings, shown: export_to(sys.stdout.buffer, settings, sqlite, shown))


@app.command("import", rich_help_panel=PANEL)
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What export wrote; - is standard input.")] = "-",
    sqlite: Sqlite = None,
) -> None:
    """Bring an export into an empty log, or go on with it.

    Stop the services that write to the log first. An import that was killed goes on where it stopped when it is run
    again. A file that was cut or changed is refused, and so is a log that holds anything but the first part of it.
    """
    import sys

    from services.backup.main import import_from

    if file == "-" and sys.stdin.isatty():
        sys.exit(said("import: which file? For example: qaservice import answers.ndjson", TROUBLE))
    _run(lambda settings, shown: import_from(file, settings, sqlite, shown))


def _run(work: "Callable[[Settings, Progress], Coroutine[Any, Any, str]]") -> None:
    import asyncio

    from qaservice.domain.errors import QaserviceError
    from qaservice.runtime.settings import BadSettings, load
    from services.backup.file import BadBackup
    from services.backup.progress import progress

    with one_line_for(QaserviceError, BadSettings, BadBackup):
        with progress() as shown:
            words = asyncio.run(work(load(), shown))
        said(words, 0)
