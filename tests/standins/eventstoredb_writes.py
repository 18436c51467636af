"""The stand-in's rules for writes: expected versions, idempotency, soft deletes and tombstones."""

import json
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from tests.standins.eventstoredb_log import TOMBSTONE, Log, Proposed

# EventStoreDB v24.10 source: ExpectedVersion. A number from 0 on is the number of the stream's last event.
NO_STREAM, ANY, EXISTS = -1, -2, -4
_RECENT_BYTES = 8 * 1024 * 1024  # EventStoreDB v24.10 source: ESConsts.CommitedEventsMemCacheLimit


class Written(NamedTuple):
    """The write is in the log, by this call or by an earlier one. `position` None: nothing to be stored."""

    number: int
    position: int | None


class WrongVersion(NamedTuple):
    """The stream's last event has another number than expected."""

    current: int


class StreamDeleted(NamedTuple):
    """The stream has a tombstone, or is soft-deleted and was expected to exist."""


Outcome = Written | WrongVersion | StreamDeleted


class Writes:
    """Decides over writes, one at a time, and stores them."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._recent = RecentIds()

    def append(self, stream: str, expected: int, events: Sequence[Proposed]) -> Outcome:
        """EventStoreDB v24.10 source: StorageWriterService, WritePrepares."""
        outcome, was_deleted = self._check(stream, expected, [event.id for event in events])
        if outcome is not None:
            return outcome
        current = self._log.last_number(stream)
        if not events:
            return Written(current, None)
        last = self._store(stream, current + 1, events)
        if was_deleted:
            self._set_truncate_before(stream, current + 1)
        return last

    def delete(self, stream: str, expected: int, *, hard: bool) -> Outcome:
        """EventStoreDB v24.10 source: StorageWriterService, WriteDelete."""
        id = str(uuid4())
        outcome, _ = self._check(stream, expected, [id])
        if outcome is not None:
            return outcome
        if hard:
            return self._store(stream, TOMBSTONE, [Proposed(id, "$streamDeleted", False, b"", b"")])
        return self._store_metadata(stream, {"$tb": TOMBSTONE}, id)

    def _check(self, stream: str, expected: int, ids: Sequence[str]) -> tuple[Outcome | None, bool]:
        """What to answer without storing, or None; and whether the stream is soft-deleted.

        EventStoreDB v24.10 source: IndexWriter.CheckCommit.
        """
        current = self._log.last_number(stream)
        if current == TOMBSTONE:
            return StreamDeleted(), False
        is_deleted = self._log.truncated_before(stream) == TOMBSTONE
        if expected == EXISTS:
            if is_deleted:
                return StreamDeleted(), True
            if current < 0 and self._log.last_number(f"$${stream}") < 0:
                return WrongVersion(current), False
        if expected in (ANY, EXISTS):
            return self._check_any(stream, current, ids), is_deleted
        if expected < current:
            return self._check_earlier(stream, expected, current, ids, is_deleted), is_deleted
        return (WrongVersion(current) if expected > current else None), is_deleted

    def _check_any(self, stream: str, current: int, ids: Sequence[str]) -> Outcome | None:
        """Idempotency with ANY and EXISTS: best effort, by what is remembered of recent ids."""
        number = None
        for id in ids:
            found = self._recent.get(stream, id)
            if found is None:
                return None if number is None else WrongVersion(current)
            number = found
        return None if number is None else Written(number, self._log.streams[stream][number].position)

    def _check_earlier(
        self, stream: str, expected: int, current: int, ids: Sequence[str], is_deleted: bool
    ) -> Outcome | None:
        """Idempotency with an expected number below the current one, by what the log holds right after it."""
        records = self._log.streams[stream]
        for number, id in enumerate(ids, expected + 1):
            if number > current or records[number].id != id:
                is_first = number == expected + 1
                revives = is_first and expected == NO_STREAM and is_deleted
                return None if revives else WrongVersion(current)
        if not ids:
            return WrongVersion(current)
        last = records[expected + len(ids)]
        return Written(last.number, last.position)

    def _store(self, stream: str, first: int, events: Sequence[Proposed]) -> Written:
        last = self._log.write(stream, first, events)
        for number, event in enumerate(events, first):
            self._recent.add(stream, event.id, number)
        return Written(last.number, last.position)

    def _set_truncate_before(self, stream: str, number: int) -> None:
        """A revived stream goes on counting, and shows nothing of the time before.

        EventStoreDB v24.10 source: StorageWriterService, SoftUndeleteStream.
        """
        self._store_metadata(stream, {"$tb": number}, str(uuid4()))

    def _store_metadata(self, stream: str, metadata: dict[str, int], id: str) -> Written:
        name = f"$${stream}"
        event = Proposed(id, "$metadata", True, json.dumps(metadata).encode(), b"")
        return self._store(name, self._log.last_number(name) + 1, [event])


class RecentIds:
    """The ids of the last events, in memory only: forgotten at a restart, the oldest first where there are many.

    EventStoreDB v24.10 source: IndexWriter, the bounded cache of committed events.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, tuple[str, int]] = {}
        self._order: deque[tuple[str, int]] = deque()
        self._bytes = 0

    def get(self, stream: str, id: str) -> int | None:
        """The number under which an event was stored in this stream."""
        found = self._numbers.get(id)
        return found[1] if found is not None and found[0] == stream else None

    def add(self, stream: str, id: str, number: int) -> None:
        """Remember an event, and forget old ones where the memory is full."""
        size = 28 + 2 * len(stream)
        self._numbers[id] = (stream, number)
        self._order.append((id, size))
        self._bytes += size
        while self._bytes > _RECENT_BYTES:
            oldest, freed = self._order.popleft()
            self._numbers.pop(oldest, None)
            self._bytes -= freed
