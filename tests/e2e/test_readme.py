"""The README's commands and examples, run as they are written."""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import httpx
import pytest
from typer.main import get_command

from qaservice.runtime.settings import Settings
from services.cli import app
from tests.e2e.processes import THREE, Machine, eventually, http, machine

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(?:console|sh)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# In a console block `$` begins a command, and what it prints stands beneath; elsewhere each line is a command.
STEPS = [
    (command, printed)
    for block in BLOCKS
    for command, printed in (
        re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
        if block.startswith("$ ")
        else [(line, "") for line in block.splitlines() if line]
    )
]
CURLS = [(command, printed) for command, printed in STEPS if command.startswith("curl ") and printed]
# It goes on for ever, so its block is a plain one: how a watch begins, but for the ids.
(STREAM,) = re.findall(r"^\$ curl -N 'http://localhost:8080(\S+)'\n((?:.*\n)*?)```$", README, re.MULTILINE)
any_id = partial(re.sub, r"(?m)^id: [\w-]+$", "id: …")
BUILD_ARGUMENTS = {"service"}  # of the image, not of a process


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("readme")) as made:
        yield made


def curl(line: str) -> str:
    """What `curl` would print: machines that run the tests need not have it."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("-d")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("url")
    asked = parser.parse_args(shlex.split(line)[1:])
    method = asked.X or ("POST" if asked.d else "GET")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "curl/8", "Accept": "*/*"}
    headers |= dict(header.split(": ", 1) for header in asked.H)
    return http.request(method, asked.url, content=asked.d, headers=headers).text


def prints(line: str, expected: str) -> bool:
    return curl(line) == expected.rstrip("\n")


def test_the_examples_print_what_the_readme_says(here: Machine) -> None:
    writes, _, reads = here.start_all(*THREE)

    assert len(CURLS) >= 6
    for command, printed in CURLS:
        line = command.replace("http://localhost:8080", writes.url).replace("http://localhost:8081", reads.url)
        assert line != command
        if reads.url in line:  # it follows within milliseconds
            eventually(partial(prints, line, printed))
        else:
            assert prints(line, printed), command

    path, shown = STREAM
    with httpx.stream("GET", writes.url + path) as reply:
        begin = islice(reply.iter_lines(), shown.count("\n"))
        assert [any_id(line) for line in begin] == any_id(shown).splitlines()


def test_the_make_targets_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {words[1] for words in map(shlex.split, (command for command, _ in STEPS)) if words[:1] == ["make"]}

    assert {"run", "test"} <= named <= {*targets}


@pytest.mark.parametrize("line", sorted({command for command, _ in STEPS if "qaservice " in command}))
def test_the_commands_parse(line: str) -> None:
    _, _, arguments = line.partition("qaservice ")
    name, *flags = shlex.split(re.split(r" [|<>] ", arguments)[0], comments=True)

    command = get_command(app).commands[name]  # type: ignore[attr-defined]

    assert command.make_context(name, flags)


def test_the_variables_in_commands_are_settings() -> None:
    named = re.findall(r"\b([A-Z][A-Z_]+)=", "\n".join(BLOCKS))

    assert {name.lower() for name in named} - BUILD_ARGUMENTS <= set(Settings.model_fields)
