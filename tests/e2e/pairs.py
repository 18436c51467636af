"""The three processes on each pair of stores."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from tests.e2e.processes import COMMAND, THREE, Machine, Process, answering
from tests.standins import eventstoredb_process

PAIRS = ("embedded", "servers")


@dataclass
class Trio:
    """Event store service, projector and projection service at work together. A process that is started again has
    another address, so ask for it each time."""

    machine: Machine
    variables: dict[str, str]
    running: dict[str, Process] = field(default_factory=dict)

    @property
    def writes(self) -> str:
        """Where the event store service answers."""
        return self.running["eventstore"].url

    @property
    def reads(self) -> str:
        """Where the projection service answers."""
        return self.running["projection"].url

    def start(self, *names: str, command: Sequence[str] = COMMAND) -> None:
        """Start processes at once and wait until they are ready."""
        flags = [] if self.variables else ["--sqlite", str(self.machine.data)]
        for name in names:
            self.running[name] = self.machine.launch([*command, name, *flags], variables=self.variables)
        for name in names:
            answering(self.running[name], ready=True)

    def restart(self, name: str) -> None:
        """kill -9, and start it again."""
        self.running[name].kill()
        self.start(name)


@contextmanager
def trio(pair: str, machine: Machine, request: pytest.FixtureRequest) -> Iterator[Trio]:
    """Nothing started yet, on a pair of stores that nobody else uses: files, or EventStoreDB and MongoDB."""
    with ExitStack() as servers:
        variables = {}
        if pair == "servers":
            events = request.getfixturevalue("real_eventstoredb")
            variables = {
                "EVENTSTORE_URI": events or servers.enter_context(eventstoredb_process.running(None)).uri,
                "EVENTSTORE_PREFIX": f"qa-test-{uuid4().hex[:16]}.",
                "MONGODB_URI": request.getfixturevalue("mongodb_uri"),
                "MONGODB_DATABASE": request.getfixturevalue("mongodb_database"),
            }
        made = Trio(machine, variables)
        try:
            yield made
        finally:
            for process in made.running.values():
                process.kill()


def started(pair: str, machine: Machine, request: pytest.FixtureRequest) -> Iterator[Trio]:
    """All three, ready. For fixtures."""
    with trio(pair, machine, request) as made:
        made.start(*THREE)
        yield made
