"""What a command prints: for people on a terminal, plain lines elsewhere, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from typing import Any

_ESCAPES = {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPES |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
_ON_SEVERAL_LINES = {number: words for number, words in _ESCAPES.items() if number not in (ord("\n"), ord("\t"))}


def line(text: str) -> None:
    """Print a line, now."""
    sys.stdout.buffer.write(f"{text}\n".encode())
    sys.stdout.buffer.flush()


def json_line(value: Any) -> None:
    """Print a value as a line of JSON."""
    line(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def value(text: str) -> None:
    """Print a value as it is; to a terminal without what would control it."""
    line(text.translate(_ON_SEVERAL_LINES) if sys.stdout.isatty() else text)


def event_name(type_: str) -> str:
    """`AnswerCreatedEvent` as `created`."""
    return type_.removeprefix("Answer").removesuffix("Event").lower()


class Rows:
    """Rows of texts, printed as they come: in columns on a terminal, with tabs between elsewhere."""

    def __init__(self, **columns: int | None) -> None:
        """The columns' names and widths; None: what is left."""
        self._columns = columns
        self._is_first = True

    def print(self, rows: Sequence[Sequence[str]]) -> None:
        """Print some more rows."""
        shown = [[text.translate(_ESCAPES) for text in row] for row in rows]
        if not sys.stdout.isatty():
            for row in shown:
                line("\t".join(row))
        elif shown:
            self._print_table(shown)

    def _print_table(self, rows: Sequence[Sequence[str]]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=self._is_first, expand=True)
        self._is_first = False
        for name, width in self._columns.items():
            table.add_column(name, width=width, ratio=None if width else 1, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        Console().print(table)
