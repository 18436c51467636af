"""Flags that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Sqlite = Annotated[
    Path | None,
    typer.Option("--sqlite", metavar="DIR", help="Keep the data in SQLite files in DIR, without any server."),
]
