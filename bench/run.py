"""How a figure is measured: in rounds in which everything that is compared takes its turn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class NotMeasured(Exception):
    """A figure can't be told; the text says why."""


class Measure(Protocol[T_co]):
    """Something to measure in every round, for about so many seconds."""

    def __call__(self, *, seconds: int) -> T_co: ...


@dataclass(frozen=True)
class Run:
    """One call of the bench. `folder` is for what figures share or throw away; `seconds` is the length of one load."""

    folder: Path
    say: Callable[[str], None]
    rounds: int
    seconds: int

    def interleaved(self, measures: Mapping[str, Measure[T_co]]) -> dict[str, list[T_co]]:
        """The results of every measure, one for each round, after a round that does not count. Each round begins with
        another measure, so that a machine that becomes slower or faster favours none."""
        names = list(measures)
        for name in names:
            self.say(f"warming up: {name}")
            measures[name](seconds=1)
        results: dict[str, list[T_co]] = {name: [] for name in names}
        for number in range(self.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                self.say(f"round {number + 1} of {self.rounds}: {name}")
                results[name].append(measures[name](seconds=self.seconds))
        return results
