"""A MongoDB server for the tests: the one that is named, one in a container, or SecantusDB.

SecantusDB speaks MongoDB's wire protocol. It is beta and GPL-2.0: a process of its own from a virtual environment of
its own, never a dependency. Take no timings from it; a range of `_id` costs it a scan of the collection.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient
from testcontainers.community.mongodb import MongoDbContainer

from tests.standins import docker_engine
from tests.standins.docker_engine import NotToBeHad

VARIABLE = "QA_TEST_MONGODB_URI"

_IMAGE = "mongo:8.0.20"
_ROOT = Path(__file__).parents[2]
_REQUIREMENTS = _ROOT / "requirements" / "secantusdb.txt"
_ENVIRONMENT = _ROOT / ".venv-secantusdb"
_LISTENING = "secantus listening on "
_INSTALL_WITHIN, _START_WITHIN = 100.0, 30.0


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a running server. Use no database of it but `mongodb_database`."""
    if named := os.environ.get(VARIABLE):
        yield named
        return
    reasons = []
    with ExitStack() as running:
        for server in (container(), secantusdb(tmp_path_factory.mktemp("mongodb"))):
            try:
                uri = running.enter_context(server)
            except NotToBeHad as reason:
                reasons.append(str(reason))
            else:
                yield uri
                return
    pytest.skip(f"no MongoDB: name a server in {VARIABLE} ({'; '.join(reasons)})")


@pytest.fixture
def mongodb_database(mongodb_uri: str) -> Iterator[str]:
    """The name of a database that nobody else uses; dropped afterwards."""
    name = f"qaservice-test-{uuid4().hex[:16]}"
    yield name
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        client.drop_database(name)


@contextmanager
def container() -> Iterator[str]:
    """The URI of MongoDB in a container. Raises NotToBeHad."""
    with docker_engine.started(lambda: MongoDbContainer(_IMAGE)) as server:
        uri = server.get_connection_url()
        with MongoClient[dict[str, object]](uri) as client:
            client.admin.command("ping")  # it restarts once, after its log said that it is ready
        yield uri


@contextmanager
def secantusdb(folder: Path, port: int = 0) -> Iterator[str]:
    """The URI of a SecantusDB that keeps its data in `folder`. Port 0: a free one. Raises NotToBeHad."""
    program, output = _installed() / "bin" / "secantusd-py", folder / "output"
    (folder / "empty.toml").touch()  # or it would look for a configuration in the home folder
    command: list[str | Path] = [
        program,
        "--config",
        "empty.toml",
        "--port",
        str(port),
        "--storage-path",
        folder / "data",
    ]
    with output.open("wb") as sink, subprocess.Popen(command, cwd=folder, stdout=sink, stderr=sink) as process:
        try:
            yield f"mongodb://{_address(process, output)}/"
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    """Where the server says it listens."""
    limit = time.monotonic() + _START_WITHIN
    while time.monotonic() < limit:
        _, found, rest = output.read_text(errors="replace").partition(_LISTENING)
        if found and "\n" in rest:
            return rest.split()[0]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise NotToBeHad(f"SecantusDB did not start: {output.read_text(errors='replace')[-500:]}")


def _installed() -> Path:
    """The virtual environment of SecantusDB, made where there is none of these requirements. Raises NotToBeHad."""
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    made = _ENVIRONMENT / "made-of"
    try:
        with _REQUIREMENTS.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists() or made.read_text() != wanted:
                shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
                _run(sys.executable, "-m", "venv", _ENVIRONMENT)
                (_ENVIRONMENT / ".gitignore").write_text("*")
                options = ["-q", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:"]
                _run(_ENVIRONMENT / "bin" / "python", "-m", "pip", "install", *options, "-r", _REQUIREMENTS)
                made.write_text(wanted)
    except subprocess.CalledProcessError as error:
        raise NotToBeHad(f"SecantusDB can't be installed: {error.stderr.strip()[-500:]}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise NotToBeHad(f"SecantusDB can't be installed: {error}") from error
    return _ENVIRONMENT


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_WITHIN)
