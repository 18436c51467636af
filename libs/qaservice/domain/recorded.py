"""What a log hands out: events with their place in it, and the answer of an append."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from qaservice.domain.answers import Event
from qaservice.domain.errors import DoesNotFollow, UndecodableEvent

Position = int
"""A place in the whole log. Grows with every event, may have gaps, compares by order only."""

START: Position = -1
"""The place before every event."""

Metadata = Mapping[str, object]
"""What is stored beside an event, as JSON."""


@dataclass(slots=True)
class Recorded:
    """A stored event. `revision` counts within the answer from 0, `time` is when it was recorded (UTC)."""

    event: Event
    revision: int
    position: Position
    id: UUID
    time: datetime = field(compare=False)  # the writer's clock may tell another one than the log's
    metadata: Metadata


@dataclass(slots=True)
class Undecodable:
    """An event of ours that this program can't read, and why."""

    key: str
    position: Position
    reason: str

    def error(self) -> UndecodableEvent:
        """What to raise where it can't be passed over."""
        return UndecodableEvent(f"the event at position {self.position} of {self.key!r} can't be read: {self.reason}")


@dataclass(slots=True)
class Appended:
    """What came of an append to the log `store`. `replayed`: the event was there already, from the same command."""

    recorded: Recorded
    store: UUID
    replayed: bool = False


@dataclass(slots=True)
class Batch:
    """Consecutive events of a log. All of ours up to `end` have been handed out; `at_end` says that the log held
    nothing more when this was read. Without events it is a sign of life."""

    events: Sequence[Recorded | Undecodable]
    end: Position
    at_end: bool


def runs_by_key(events: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    """The events of each key, in their order. Raises DoesNotFollow where their revisions have a gap."""
    runs: dict[str, list[Recorded]] = {}
    for event in events:
        run = runs.setdefault(event.event.key, [])
        if run and event.revision != run[-1].revision + 1:
            raise DoesNotFollow(f"revision {event.revision} of {event.event.key!r} follows {run[-1].revision}")
        run.append(event)
    return runs
