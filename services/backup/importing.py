"""Import: the events of a backup into a log that is empty, or holds the first of them already."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha256

from qaservice.domain.codec import value_of
from qaservice.domain.errors import DoesNotFollow
from qaservice.domain.recorded import Recorded
from services.backup.export import events_up_to
from services.backup.file import Backup
from services.backup.lines import line_of
from services.backup.ports import EventFeed, EventSink

_BATCH_EVENTS, _BATCH_SIZE = 1_000, 1 << 20

Place = tuple[str, int]
"""Key and revision."""


@dataclass(slots=True)
class Held:
    """What a log holds of a backup: of its first `read` events all but those that are `missing`."""

    read: int = 0
    missing: dict[Place, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.read - len(self.missing)

    def holds(self, number: int, event: Recorded) -> bool:
        """Whether the log holds the event that is the backup's `number`th, from 0."""
        return number < self.read and _place(event) not in self.missing


async def held(backup: Backup, feed: EventFeed, disorder: int) -> Held:
    """What the log holds of the backup. Raises DoesNotFollow where it holds anything else, or where its order is more
    than `disorder` events away from that of the backup; LogUnavailable, UndecodableEvent, BadBackup."""
    found = Held()
    events = backup.events()
    async with aclosing(events_up_to(feed, await feed.end())) as pages:
        async for page in pages:
            for recorded in page:
                _find(recorded, events, found, disorder)
    return found


async def import_(backup: Backup, found: Held, sink: EventSink, stored: Callable[[int, int], None]) -> int:
    """Append what the log does not hold yet. How many events that were. `stored` is told after each batch how many
    events of how many the log holds. Raises what EventSink.add raises, BadBackup."""
    added = 0
    for batch, previous in _batches(backup, found):
        await sink.add(batch, previous)
        added += len(batch)
        stored(len(found) + added, backup.count)
    return added


def _batches(backup: Backup, found: Held) -> Iterator[tuple[Sequence[Recorded], Recorded | None]]:
    """The events that the log does not hold, in batches, each with the event that is before it in the file."""
    previous: Recorded | None = None
    batch: list[Recorded] = []
    size = 0
    for number, event in enumerate(backup.events()):
        if found.holds(number, event):
            previous = event
            continue
        batch.append(event)
        size += len(value_of(event.event))
        if len(batch) == _BATCH_EVENTS or size > _BATCH_SIZE:
            yield batch, previous
            previous, batch, size = event, [], 0
    if batch:
        yield batch, previous


def _find(recorded: Recorded, events: Iterator[Recorded], found: Held, disorder: int) -> None:
    """Note that the log holds this event. Raises DoesNotFollow where the backup does not."""
    place = _place(recorded)
    while place not in found.missing:
        event = next(events, None)
        if event is None or len(found.missing) > disorder:
            raise DoesNotFollow(
                f"the log is not empty: it holds {_words(recorded)}, which the file does not hold there"
            )
        found.missing[_place(event)] = _fingerprint(event)
        found.read += 1
    if found.missing.pop(place) != _fingerprint(recorded):
        raise DoesNotFollow(f"the log is not empty: it holds another {_words(recorded)} than the file")


def _words(recorded: Recorded) -> str:
    return f"revision {recorded.revision} of {recorded.event.key!r}"


def _place(recorded: Recorded) -> Place:
    return recorded.event.key, recorded.revision


def _fingerprint(recorded: Recorded) -> bytes:
    return sha256(line_of(recorded)).digest()
