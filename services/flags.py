"""Flags that several commands have."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from services.exits import TROUBLE, said


def _folder(name: str) -> Path:
    if not name:  # it would be taken for the working directory
        words = "--sqlite names no folder, as where a variable of the shell is not set; for example --sqlite data"
        sys.exit(said(words, TROUBLE))
    return Path(name)


Sqlite = Annotated[
    Path | None,
    typer.Option(
        "--sqlite", metavar="DIR", parser=_folder, help="Keep the data in SQLite files in DIR, without any server."
    ),
]
