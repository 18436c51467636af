"""`python -m bench [--quick] [FIGURE…]`: measure, print one table, and write it to bench/results.json.

Needs Linux, two cores that nobody else uses, and wrk. Exit code 1 where a target is missed.
"""

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.figures import FIGURES
from bench.rows import Row
from bench.run import Run
from bench.servers import LOAD_CORE
from bench.table import write_json, write_table

_RESULTS = Path(__file__).with_name("results.json")
_TERMINAL = sys.stderr.isatty()


def main() -> int:
    """Measure the figures that the command line names, or all."""
    arguments = _arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in arguments.figures or FIGURES:
            _tell(name, "")
            run = Run(
                folder=Path(folder),
                say=partial(_tell, name),
                rounds=3 if arguments.quick else 9,
                seconds=1 if arguments.quick else 2,
            )
            rows += FIGURES[name](run)
    _tell("", "")
    write_table(rows, sys.stdout)
    write_json(rows, _RESULTS)
    return int(any(row.ok is False for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="How fast the services are.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", choices=[[], *FIGURES], help=", ".join(FIGURES))
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that it runs, not how fast")
    return parser.parse_args()


def _tell(figure: str, text: str) -> None:
    """Progress: one line that changes on a terminal, lines of their own elsewhere."""
    if _TERMINAL:
        sys.stderr.write(f"\r\x1b[K{figure} {text}")
    elif figure:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {figure} {text}\n")
    sys.stderr.flush()


sys.exit(main())
