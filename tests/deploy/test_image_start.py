"""A service started as its image starts it: the Dockerfile's entry point and health check, the probes' paths."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from tests.deploy.dockerfile import exec_form
from tests.deploy.manifests import container, probe_paths, workloads
from tests.deploy.promised import PORTS


class Started(NamedTuple):
    """A process that listens, and what its environment is in a container."""

    process: "subprocess.Popen[str]"
    url: str
    environment: dict[str, str]


@contextmanager
def started(service: str, folder: Path) -> Iterator[Started]:
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SERVICE": service}
    command = [*exec_form("ENTRYPOINT"), "--sqlite", str(folder)]
    with subprocess.Popen(
        command,
        env=environment | {"IP_PORT": "127.0.0.1:0"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[0]  # it is printed when the port is open
            yield Started(process, url, environment | {"IP_PORT": urlsplit(url).netloc})
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def health(service: Started, state: str) -> "subprocess.CompletedProcess[str]":
    _, *command, _ = exec_form("HEALTHCHECK")
    command = [sys.executable, *command, state]
    return subprocess.run(command, env=service.environment, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(params=sorted(PORTS))
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Started]]:
    with started(request.param, tmp_path) as running:
        yield request.param, running


def test_probes_ask_for_what_is_there_and_sigterm_ends_the_process_well(service: tuple[str, Started]) -> None:
    name, running = service
    paths = probe_paths(container(workloads("k8s")[name]))

    replies = {path: httpx.get(running.url + path).status_code for path in paths}
    alive = health(running, "live")
    running.process.terminate()

    assert set(replies.values()) <= {200, 503}
    assert alive.returncode == 0, alive.stdout
    assert running.process.wait(timeout=20) == 0


def test_health_is_what_the_service_says_of_itself(tmp_path: Path) -> None:
    with started("eventstore", tmp_path) as log, started("projection", tmp_path) as reads:
        able, waiting = health(log, "ready"), health(reads, "ready")
        reads.process.kill()
        reads.process.wait()
        gone = health(reads, "live")

    assert able.returncode == 0, able.stdout
    assert waiting.returncode == 1
    assert "ReadModelUnavailable" in waiting.stdout
    assert gone.returncode == 1
