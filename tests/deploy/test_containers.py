"""What the README says of compose and of the image, done by a Docker engine."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest

from tests.deploy.compose import DATABASES, SERVICES
from tests.deploy.dockerfile import all_of
from tests.deploy.promised import PORTS, ROOT
from tests.e2e.processes import eventually
from tests.given import a_key

pytestmark = pytest.mark.timeout(1800)  # images may have to be pulled

_BASE = all_of("FROM")[0].split()[0].replace("${PYTHON}", all_of("ARG")[0].removeprefix("PYTHON="))
_IMAGES = [_BASE, *(SERVICES[database]["image"] for database in sorted(DATABASES))]

Compose = Callable[..., str]


def docker(*arguments: str, given: str | None = None) -> str:
    """What a command prints. Raises CalledProcessError."""
    command = ["docker", *arguments]
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, timeout=900, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """What everything that is made here is called."""
    if shutil.which("docker") is None:
        pytest.skip("needs a Docker engine with Compose")
    try:
        docker("compose", "version")
        for image in _IMAGES:
            if not docker("images", "--quiet", image):
                docker("pull", "--quiet", image)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs a Docker engine with Compose that can pull images: {error.stderr.strip()[-200:]}")
    name = f"qa-test-{uuid4().hex[:8]}"
    yield name
    if images := docker("images", "--quiet", f"{name}/*").split():
        docker("image", "rm", "--force", *images)


@pytest.fixture
def compose(name: str) -> Iterator[Compose]:
    """`docker compose` for an installation that is up, with images, volumes and ports of its own."""
    own = {service: {"image": f"{name}/{service}", "ports": [f"127.0.0.1::{port}"]} for service, port in PORTS.items()}
    changes = json.dumps({"services": own}).replace('"ports":', '"ports": !override')

    def run(*arguments: str) -> str:
        return docker("compose", "-p", name, "-f", "docker-compose.yml", "-f", "-", *arguments, given=changes)

    try:
        run("up", "--detach", "--wait", "--build")
        yield run
    finally:
        run("down", "--volumes")


def test_what_is_written_is_read_and_outlives_down_and_up(compose: Compose) -> None:
    def url(service: str) -> str:
        return f"http://{compose('port', service, str(PORTS[service]))}/answers"

    key = a_key()
    created = httpx.post(url("eventstore"), json={"key": key, "value": "john"})
    assert created.json() == {"ok": "AnswerCreatedEvent"}
    token = {"Consistency-Token": created.headers["Consistency-Token"]}
    assert httpx.get(f"{url('projection')}/{key}", headers=token).json() == {"key": key, "value": "john"}

    compose("down")
    compose("up", "--detach", "--wait")

    assert httpx.get(f"{url('projection')}/{key}").json() == {"key": key, "value": "john"}
    assert len(httpx.get(f"{url('eventstore')}/{key}/history").json()) == 1


def test_a_process_in_compose_is_nobody_and_can_write_nothing(compose: Compose) -> None:
    for service in PORTS:
        tried = compose("exec", "-T", service, "sh", "-c", "id -u; touch /data/file 2>&1 || true")
        assert tried.startswith("10001\n")
        assert "Read-only file system" in tried


def test_the_image_answers_as_the_readme_starts_it_and_stops_when_told(name: str) -> None:
    docker("build", "--build-arg", "SERVICE=monolith", "-t", f"{name}/monolith", ".")
    container = docker("run", "--detach", "--publish", "127.0.0.1::8080", f"{name}/monolith", "--memdb")
    try:
        url = f"http://{docker('port', container, '8080')}"

        def is_ready() -> bool:
            with suppress(httpx.TransportError):
                return httpx.get(f"{url}/health/ready").is_success
            return False

        eventually(is_ready)
        assert httpx.post(f"{url}/answers", json={"key": "name", "value": "john"}).status_code == 201
        docker("stop", container)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
    finally:
        docker("rm", "--force", "--volumes", container)
