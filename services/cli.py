"""The `qaservice` command."""

import gc
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.backup.commands import app as backup
from services.client.commands import app as client
from services.exits import TROUBLE, said
from services.flags import Sqlite

if TYPE_CHECKING:
    from qaservice.runtime.logs import LogWriter
    from qaservice.runtime.settings import Settings

app = typer.Typer(
    help="Keeps answers as events and serves them over HTTP.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

app.add_typer(client)
app.add_typer(backup)

PANEL = "Server"
SETTINGS = "Settings come from the environment or .env: EVENTSTORE_HOST, MONGODB_HOST, IP_PORT, …; see .env.example."
Memory = Annotated[
    bool, typer.Option("--memdb", "-memdb", help="Keep everything in memory; gone when the process ends.")
]

Run = Callable[["Settings", "LogWriter"], Coroutine[Any, Any, None]]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("qaservice"))
        raise typer.Exit


@app.callback()
def _every(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


@app.command(rich_help_panel=PANEL, epilog=SETTINGS)
def eventstore(sqlite: Sqlite = None) -> None:
    """Take writes and answer history, on port 8080."""
    from services.eventstore.main import run

    _run(lambda settings, logs: run(settings, sqlite, logs))


@app.command(rich_help_panel=PANEL, epilog=SETTINGS)
def projector(sqlite: Sqlite = None) -> None:
    """Keep the read model, with health on port 8082."""
    from services.projector.main import run

    _run(lambda settings, logs: run(settings, sqlite, logs))


@app.command(rich_help_panel=PANEL, epilog=SETTINGS)
def projection(sqlite: Sqlite = None) -> None:
    """Answer reads from the read model, on port 8081."""
    from services.projection.main import run

    _run(lambda settings, logs: run(settings, sqlite, logs))


@app.command(rich_help_panel=PANEL, epilog=SETTINGS)
def monolith(sqlite: Sqlite = None, memdb: Memory = False) -> None:
    """Run the three in one process, on 8080 and 8081.

    With IP_PORT everything is on that one port.
    """
    from services.monolith.main import run

    if sqlite is not None and memdb:
        raise typer.BadParameter("--sqlite and --memdb exclude each other")
    _run(lambda settings, logs: run(settings, sqlite, logs, memory=memdb))


def _run(start: Run) -> None:
    """Run a process to its end. Exit code 2: it can't start as it was told; 1: a part of it failed."""
    from qaservice.runtime import logs as log_lines
    from qaservice.runtime.serve import CannotListen, PartFailed, run
    from qaservice.runtime.settings import BadSettings, load

    try:
        settings = load()
        logs = log_lines.start(2, settings.log_format, settings.log_level)
        try:
            run(start(settings, logs))
        finally:
            logs.close()
    except (BadSettings, CannotListen) as error:
        sys.exit(said(error, TROUBLE))
    except PartFailed as error:
        sys.exit(said(error, 1))


def _open_standard_streams() -> None:
    """Put the null device in the place of each that is closed: else a socket or a database would get its number, and
    with it our lines. In `sys`, Python has None for those that it found closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(descriptor)
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def main() -> None:
    """The entry point."""
    _open_standard_streams()
    gc.set_threshold(5_000)  # new objects; an import, or a few requests under way, make 700, the default
    app()
