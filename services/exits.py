"""How a command ends that is no service: done, or one line on standard error that says what is wrong."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TROUBLE = 2


def said(words: object, code: int) -> int:
    """Say it on standard error; returns the exit code."""
    with suppress(OSError):  # nobody has to listen
        for line in str(words).splitlines():
            os.write(2, f"qaservice: {line}\n".encode(errors="backslashreplace"))
    return code


@contextmanager
def one_line_for(*troubles: type[Exception]) -> Iterator[None]:
    """Trouble ends the process with exit code 2 and a line. Where nobody reads its output any more it ends without a
    word, as SIGPIPE would end it."""
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
