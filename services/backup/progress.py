"""How far an export or an import is, on standard error: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from services.exits import said

_SECONDS_BETWEEN_LINES = 5.0


class Progress(Protocol):
    """Told how much is done of how much, and in words what is."""

    def __call__(self, done: int, whole: int, words: str) -> None: ...


@contextmanager
def progress() -> Iterator[Progress]:
    """Show it as long as the block lasts."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, whole, words: bar.update(task, completed=done, total=whole, description=words)


class _Lines:
    def __init__(self) -> None:
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __call__(self, done: int, whole: int, words: str) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + _SECONDS_BETWEEN_LINES
            said(f"{words} ({100 * done // max(whole, 1)} %)", 0)
