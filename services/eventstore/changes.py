"""Changes on their way from the log to the watchers."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter

from qaservice.domain.codec import value_of
from qaservice.domain.recorded import Position, Recorded, Undecodable

PAGE_CHANGES, PAGE_BYTES = 256, 1 << 20
"""How much a watcher that catches up takes at a time; a page may be one change longer."""

_RING_CHANGES, _RING_BYTES = 10_000, 32 << 20
_OVERHEAD_BYTES = 1_000  # what a change takes in memory beside its value

_position = attrgetter("position")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a watcher wants: the one answer `text`, or all whose keys begin with it."""

    text: str
    is_prefix: bool = False

    def has(self, key: str) -> bool:
        """Whether a change of this answer is wanted."""
        return key.startswith(self.text) if self.is_prefix else key == self.text


@dataclass(slots=True, eq=False)
class Change:
    """An event, for all watchers of its answer. `frame` is its form on the wire, made by the first that sends it;
    `size` is about how many bytes that is."""

    key: str
    position: Position
    event: Recorded | Undecodable
    size: int
    frame: bytes = b""


def change_of(event: Recorded | Undecodable) -> Change:
    """An event as a change."""
    if isinstance(event, Undecodable):
        return Change(event.key, event.position, event, 0)
    value = value_of(event.event)
    size = len(value) if value.isascii() else len(value.encode())  # in memory one emoji makes a text four times as long
    return Change(event.event.key, event.position, event, size)


class Page:
    """Some consecutive changes that are wanted."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to send them."""
        return len(self.changes) >= PAGE_CHANGES or self._size >= PAGE_BYTES

    def add(self, change: Change) -> None:
        """Put one more at its end."""
        self.changes.append(change)
        self._size += change.size


class Ring:
    """The last changes of all answers in the log's order: all of them behind `after`."""

    def __init__(self, after: Position) -> None:
        self.after = after
        self._changes: deque[Change] = deque()
        self._bytes = 0

    def add(self, change: Change) -> None:
        """Put the next one at the end, and drop the oldest where they become too many."""
        self._changes.append(change)
        self._bytes += _memory(change)
        while len(self._changes) > _RING_CHANGES or self._bytes > _RING_BYTES:
            oldest = self._changes.popleft()
            self._bytes -= _memory(oldest)
            self.after = oldest.position

    def page(self, after: Position, wanted: Wanted) -> Sequence[Change]:
        """The next changes behind a position, which may not be before this ring's `after`."""
        page = Page()
        for change in self._behind(after):
            if wanted.has(change.key):
                page.add(change)
                if page.is_full:
                    break
        return page.changes

    def _behind(self, position: Position) -> Iterable[Change]:
        return islice(self._changes, bisect_right(self._changes, position, key=_position), None)


def _memory(change: Change) -> int:
    """About how many bytes it takes: its value, its frame, and the objects around them."""
    event = change.event
    value = 0 if isinstance(event, Undecodable) else value_of(event.event).__sizeof__()
    return value + change.size + _OVERHEAD_BYTES
