"""What a process remembers of answers that it wrote: a guess that saves a read, never an answer."""

from collections import OrderedDict

from qaservice.domain.codec import value_of
from qaservice.domain.recorded import Recorded

_ENTRY_SIZE = 512


class Hints:
    """The last known event of the keys used last, in a bounded memory (`most` entries, about `size` bytes)."""

    def __init__(self, most: int = 10_000, size: int = 16 * 1024 * 1024) -> None:
        self._events: OrderedDict[str, Recorded] = OrderedDict()
        self._most = most
        self._room = size

    def get(self, key: str) -> Recorded | None:
        """What is remembered; it may be out of date."""
        found = self._events.get(key)
        if found is not None:
            self._events.move_to_end(key)
        return found

    def put(self, key: str, recorded: Recorded) -> None:
        """Remember an event, and forget others where there is no room."""
        self._forget(self._events.pop(key, None))
        self._events[key] = recorded
        self._room -= _size(recorded)
        while self._room < 0 or len(self._events) > self._most:
            self._forget(self._events.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget everything."""
        while self._events:
            self._forget(self._events.popitem()[1])

    def _forget(self, recorded: Recorded | None) -> None:
        if recorded is not None:
            self._room += _size(recorded)


def _size(recorded: Recorded) -> int:
    return _ENTRY_SIZE + 2 * len(recorded.event.key) + 2 * len(value_of(recorded.event))
