"""What a read model holds: documents, and the checkpoint that lives and dies with them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qaservice.domain.answers import AnswerDeleted
from qaservice.domain.recorded import Position, Recorded


@dataclass(slots=True)
class Document:
    """An answer as of `revision`; `value` None marks a deleted one, kept so that an older event can't revive it."""

    key: str
    value: str | None
    revision: int
    position: Position


def document_of(last: Recorded) -> Document:
    """What is left of an answer after its last event: the same as `evolve` says, without making an answer first."""
    event = last.event
    value = None if isinstance(event, AnswerDeleted) else event.value
    return Document(event.key, value, last.revision, last.position)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the read model is, and of which log.

    `build` numbers the builds from the start, each higher than all before: documents carry it, so that an older build
    never overwrites a newer one. `position`: everything up to here is in. `event_position` and `event_id` name the last
    event that was applied, to recognise a log that was replaced. `target`: while building, the log's end as it was at
    the start; None once it was reached. `confirmed`: the last moment at which nothing was missing.
    """

    store: UUID
    build: int
    position: Position
    event_position: Position | None = None
    event_id: UUID | None = None
    target: Position | None = None
    confirmed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document, if there is one, and the checkpoint (None: no build was ever begun) of one moment."""

    document: Document | None
    checkpoint: Checkpoint | None
