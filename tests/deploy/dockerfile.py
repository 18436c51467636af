"""The Dockerfile as instructions."""

import json
import shlex
from typing import NamedTuple

from tests.deploy.promised import ROOT


class Instruction(NamedTuple):
    """A word like RUN and what follows it, on one line."""

    word: str
    rest: str


def instructions() -> list[Instruction]:
    """All of them, in order, of all stages."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in whole.splitlines() if line.strip()]


def all_of(word: str) -> list[str]:
    """What follows `word`, wherever it stands."""
    return [rest for each, rest in instructions() if each == word]


def last(word: str) -> str:
    """What is in force at the end."""
    return all_of(word)[-1]


def exec_form(word: str) -> list[str]:
    """The arguments of an instruction in exec form. Raises ValueError where it is in shell form."""
    words: list[str] = json.loads(last(word)[last(word).index("[") :])
    return words


def copied_from_the_context() -> set[str]:
    """The paths that COPY takes out of the checkout."""
    copies = [shlex.split(rest) for rest in all_of("COPY")]
    return {source for words in copies if not words[0].startswith("--from") for source in words[:-1]}
