"""Log lines: collected where they arise, formatted and written in batches by a thread, so that a request pays a
microsecond and a reader that hangs stops nobody."""

import json
import logging
import os
import select
import time
from collections import deque
from functools import lru_cache
from threading import Event, Thread
from typing import Any, Literal

Format = Literal["json", "text"]

_ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_GATHER_SECONDS = 0.02
_LONGEST_BACKLOG = 50_000
_FLUSH_SECONDS = 0.5

_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode  # `json.dumps` would make an encoder for each line


class LogWriter(logging.Handler):
    """Everything this process has to say, on one file descriptor. Takes the records of `logging` and, much cheaper,
    the lines of requests. With a full backlog lines are dropped and counted."""

    def __init__(self, descriptor: int, form: Format, level: str) -> None:
        super().__init__(level)
        self._descriptor = descriptor
        self._format = _as_json if form == "json" else _as_text
        self._lines: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._waiting = Event()
        self._closing = False
        self._thread = Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()

    def request(self, line: dict[str, Any]) -> None:
        """Write the line of one request; one that the service failed is an error."""
        level = logging.INFO if line["status"] < 500 else logging.ERROR
        if level >= self.level:
            self._put({"time": time.time(), "level": logging.getLevelName(level)} | line)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of `logging` with what was given as `extra`."""
        line = {"time": record.created, "level": record.levelname, "logger": record.name}
        line |= {"message": record.getMessage()}
        line |= {name: value for name, value in vars(record).items() if name not in _ORDINARY}
        if record.exc_info:
            line["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._put(line)

    def close(self) -> None:
        """Write what is left, for half a second at most."""
        self._closing = True
        self._waiting.set()
        self._thread.join(_FLUSH_SECONDS)
        super().close()

    def _put(self, line: dict[str, Any]) -> None:
        if len(self._lines) >= _LONGEST_BACKLOG:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._waiting.is_set():
            self._waiting.set()

    def _run(self) -> None:
        while not (self._closing and not self._lines):
            self._waiting.wait()
            if not self._closing:
                time.sleep(_GATHER_SECONDS)
            self._waiting.clear()
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._dropped:
                lines.append(
                    {"time": time.time(), "level": "ERROR", "message": "log lines dropped", "lines": self._dropped}
                )
                self._dropped = 0
            _write_all(self._descriptor, "".join(map(self._format, lines)).encode(errors="backslashreplace"))


def start(descriptor: int, form: Format | None, level: str) -> LogWriter:
    """Send everything that is logged to `descriptor`; `form` None: text on a terminal, JSON elsewhere."""
    writer = LogWriter(descriptor, form or ("text" if os.isatty(descriptor) else "json"), level)
    logging.basicConfig(handlers=[writer], level=level, force=True)
    logging.captureWarnings(True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return writer


def _write_all(descriptor: int, data: bytes) -> None:
    """All of `data`, however little the descriptor takes at a time; nothing where nobody reads any more."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except OSError:
            return


def _as_json(line: dict[str, Any]) -> str:
    return _encode(line | {"time": _moment(line["time"])}) + "\n"


def _as_text(line: dict[str, Any]) -> str:
    rest = dict(line)
    clock = _moment(rest.pop("time"))[11:23]
    words = [clock, f"{rest.pop('level'):<7}"]
    rest.pop("logger", None)
    trace = str(rest.pop("traceback", ""))
    if "message" in rest:
        words.append(rest.pop("message"))
    words += [f"{name}={value}" for name, value in rest.items()]
    return " ".join(words) + "\n" + (trace and trace.rstrip() + "\n")


def _moment(seconds: float) -> str:
    return f"{_second(int(seconds))}.{int(seconds % 1 * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
