"""Results for people and for programs."""

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from bench.rows import Row

_HEAD = ("figure", "unit", "ours", "reference", "ratio", "target", "ok")


def write_table(rows: Iterable[Row], out: TextIO) -> None:
    """All rows in columns."""
    lines = [_HEAD, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        texts = [cell.ljust(width) for cell, width in zip(line[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
        out.write("  ".join(texts + numbers).rstrip() + "\n")


def write_json(rows: Sequence[Row], path: Path) -> None:
    """All rows, and on what they were measured."""
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    figures = [asdict(row) | {"ok": row.ok} for row in rows]
    path.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n")


def _cells(row: Row) -> tuple[str, ...]:
    sign = ">=" if row.ratio is not None else "<="
    target = "" if row.target is None else f"{sign} {row.target:g}"
    ok = {True: "yes", False: "NO", None: ""}[row.ok]
    return row.figure, row.unit, _number(row.ours), _number(row.reference), _number(row.ratio), target, ok


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
