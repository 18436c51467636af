"""Export and import of the embedded log, as commands with their start-up, against bare loops without any."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import fill, servers
from bench.rows import Row, Sample, compared
from bench.run import NotMeasured, Run

_KEYS, _REVISIONS = 50_000, 2
_EVENTS = _KEYS * _REVISIONS
_COMMAND = [sys.executable, "-c", "from services.cli import main; main()"]


def backup(run: Run) -> Sequence[Row]:
    """Events each second, out of a log and into an empty one."""
    folder = run.folder / "backup"
    run.say(f"a log of {_EVENTS} events")
    fill.log_file(folder / "events.sqlite", _KEYS, revisions=_REVISIONS)
    out = run.interleaved({"ours": partial(_exported, folder), "loop": partial(_looped, "export_loop", folder)})
    into = run.interleaved({"ours": partial(_imported, folder), "loop": partial(_looped, "import_loop", folder)})
    return [
        *compared("export, to a bare loop", out["ours"], out["loop"], 0.4, unit="event"),
        *compared("import, to a bare loop", into["ours"], into["loop"], 0.3, unit="event"),
    ]


def _exported(folder: Path, *, seconds: int) -> Sample:
    return _timed(folder, "export", "--sqlite", str(folder))


def _imported(folder: Path, *, seconds: int) -> Sample:
    shutil.rmtree(folder / "copy", ignore_errors=True)
    return _timed(folder, "import", str(folder / "all.ndjson"), "--sqlite", str(folder / "copy"))


def _looped(program: str, folder: Path, *, seconds: int) -> Sample:
    per_second, cpu_us = servers.bare_loop(program, folder)
    return Sample(per_second, cpu_us)


def _timed(folder: Path, command: str, *arguments: str) -> Sample:
    """A command from its start to its end; what it prints is the export. Raises NotMeasured."""
    output = folder / "all.ndjson" if command == "export" else Path(os.devnull)
    began = time.perf_counter()
    with output.open("wb") as printed, (folder / "said").open("wb") as said:
        words = ["taskset", "-c", str(servers.SERVER_CORE), *_COMMAND, command, *arguments]
        running = subprocess.Popen(words, stdout=printed, stderr=said)
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise NotMeasured(f"{command}: {(folder / 'said').read_text()}")
    return Sample(_EVENTS / (time.perf_counter() - began), (used.ru_utime + used.ru_stime) / _EVENTS * 1e6)
