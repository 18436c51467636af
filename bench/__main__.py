"""`python -m bench [--quick] [FIGURE…]`: measure, print one table, and write it to bench/results.json.

Needs Linux, two cores that nobody else uses, wrk, and for `fresh-monolith` the ports 8080 and 8081. Exit code 1 where a
target is missed or a figure could not be measured.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.figures import FIGURES
from bench.rows import Row
from bench.run import NotMeasured, Run
from bench.servers import LOAD_CORE
from bench.table import write_json, write_table

_RESULTS = Path(__file__).with_name("results.json")
_TERMINAL = sys.stderr.isatty()


def main() -> int:
    """Measure the figures that the command line names, or all; show what was measured, also when stopped half-way."""
    arguments = _arguments()
    os.sched_setaffinity(0, {LOAD_CORE})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaving nothing behind, as with Ctrl-C
    rows: list[Row] = []
    failed: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            for name in arguments.figures or FIGURES:
                _tell(name, "")
                try:
                    rows += FIGURES[name](_run(name, Path(folder), quick=arguments.quick))
                except NotMeasured as error:
                    failed.append(f"{name}: {error}")
    finally:
        _tell("", "")
        write_table(rows, sys.stdout)
        write_json(rows, _RESULTS)
    sys.stdout.writelines(f"not measured: {line}\n" for line in failed)
    return int(bool(failed) or any(row.ok is False for row in rows))


def _run(figure: str, folder: Path, *, quick: bool) -> Run:
    rounds, seconds = (3, 1) if quick else (7, 2)
    return Run(folder=folder, say=partial(_tell, figure), rounds=rounds, seconds=seconds)


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
