"""How a command ends: done, or with a line on standard error that says what is wrong."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TROUBLE = 2

_PATIENCE_SECONDS = 0.5


def said(words: object, code: int) -> int:
    """Write the words to standard error, if anybody reads it. Returns `code`, for `sys.exit`."""
    with suppress(OSError):  # nobody has to listen
        for line in str(words).splitlines():
            _write(f"qaservice: {line}\n".encode(errors="backslashreplace"))
    return code


def _write(data: bytes) -> None:
    """Write what fits: where the reader of a pipe hangs the rest is lost, else this process would hang too."""
    while data and select.select([], [2], [], _PATIENCE_SECONDS)[1]:
        data = data[os.write(2, data[: select.PIPE_BUF]) :]  # so much never blocks where there is room


@contextmanager
def one_line_for(*troubles: type[Exception]) -> Iterator[None]:
    """These troubles, and OSError, end the process with exit code 2 and a line. Where nobody reads its output any more
    it ends without a word, as SIGPIPE would end it."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python still holds back goes there
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(said(f"{where}{error.strerror or error}", TROUBLE))
    except troubles as error:
        sys.exit(said(str(error) or type(error).__name__, TROUBLE))
