"""What an append decides on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qaservice.domain.answers import Answer, Event, evolve
from qaservice.domain.idempotency import Idempotency
from qaservice.domain.recorded import Recorded

Remembered = Callable[[str], Iterable[Recorded]]
"""Among an answer's last WINDOW events those that remember an idempotency key."""


def _none(key: str) -> Iterable[Recorded]:
    return ()


@dataclass(frozen=True, slots=True)
class Recent:
    """The answer's last event, if it has any, and what its last ones remember of commands."""

    last: Recorded | None
    remembered: Remembered = _none

    @property
    def answer(self) -> Answer | None:
        """The present state: the last event carries all of it."""
        return None if self.last is None else evolve(None, self.last.event)

    def find(self, command: Idempotency, kind: type[Event]) -> Recorded | None:
        """The event that this command, of this kind, has recorded before. Raises IdempotencyKeyReused."""
        return None if self.last is None else command.first(self.remembered(command.key), kind)


Decide = Callable[[Recent], Event | Recorded]
"""A decision: the event to append, or the one that was appended when the same command came before."""
