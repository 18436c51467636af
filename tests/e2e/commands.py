"""Commands that run to their end."""

import os
import subprocess
from collections.abc import Mapping

from tests.e2e.processes import COMMAND, Machine

Done = subprocess.CompletedProcess[bytes]


def qaservice(
    here: Machine, *arguments: str, given: bytes | None = None, variables: Mapping[str, str] | None = None
) -> Done:
    """The command, run to its end in the folder of the machine; `given` is its standard input."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=given,
        capture_output=True,
        cwd=here.folder,
        env=environment(variables or {}),
        timeout=60,
    )


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What a command finds in its environment."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")} | dict(
        variables
    )


def refuses(done: Done, words: str, code: int = 2) -> None:
    """Assert that it ended with one line that says so, and did nothing else."""
    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("qaservice: ")
    assert words in line
