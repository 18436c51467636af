"""Takes over the events of another log into EventStoreDB: those of a key in its stream and in their order, many keys at
once."""

import asyncio
from collections.abc import Iterator, Sequence

from esdbclient import NewEvent

from qaservice.domain.codec import stream_name
from qaservice.domain.errors import DoesNotFollow, LogUnavailable, OutcomeUnknown
from qaservice.domain.recorded import Recorded, runs_by_key
from qaservice.stores.eventstoredb.calls import EventStoreDb, deadline_after, pauses
from qaservice.stores.eventstoredb.errors import NotStored, WrongRevision
from qaservice.stores.eventstoredb.events import brought_over, checked_prefix

_APPEND_BYTES = 512 * 1024  # of several events; the server takes 1 MiB by default (MaxAppendSize)
_MOST_APPENDS = 64  # at once


class EventStoreDbSink:
    """Appends with the events' own ids and revisions, so that a repeated call is stored once. To be used in one event
    loop. Streams are written side by side: within a batch the order of the whole log is not kept."""

    disorder = 100_000

    def __init__(self, uri: str, prefix: str, timeout: float) -> None:
        """`prefix`: how the streams of answers begin. `timeout` in seconds bounds every append. Raises ValueError,
        without what is secret in the URI."""
        self._database = EventStoreDb(uri)
        self._prefix = checked_prefix(prefix)
        self._timeout = timeout
        self._room = asyncio.Semaphore(_MOST_APPENDS)

    async def add(self, events: Sequence[Recorded], previous: Recorded | None) -> None:
        """See EventSink.add."""
        try:
            async with asyncio.TaskGroup() as group:
                for key, run in runs_by_key(events).items():
                    group.create_task(self._add(key, run))
        except BaseExceptionGroup as troubles:
            raise troubles.exceptions[0] from None

    async def close(self) -> None:
        """Leave appends under way 5 s to finish, then disconnect."""
        await self._database.connection.close()

    async def _add(self, key: str, run: Sequence[Recorded]) -> None:
        async with self._room:
            revision = run[0].revision
            for events in _appends(run):
                await self._append(key, revision - 1 if revision else None, events)
                revision += len(events)

    async def _append(self, key: str, expected: int | None, events: Sequence[NewEvent]) -> None:
        """The very same call, until what came of it is known."""
        deadline = deadline_after(self._timeout)
        for pause in pauses():
            try:
                await self._database.append(stream_name(self._prefix, key), expected, events, deadline)
                return
            except WrongRevision as trouble:
                raise DoesNotFollow(f"the events of {key!r} in EventStoreDB are not those before: {trouble}") from None
            except (NotStored, OutcomeUnknown) as trouble:
                if deadline_after(pause) > deadline:
                    raise LogUnavailable(str(trouble)) from None
            await asyncio.sleep(pause)


def _appends(run: Sequence[Recorded]) -> Iterator[Sequence[NewEvent]]:
    """The events, as many together as may be appended at once."""
    events: list[NewEvent] = []
    size = 0
    for recorded in run:
        event = brought_over(recorded)
        own = len(event.data) + len(event.metadata) + 2 * len(event.type)
        if events and size + own > _APPEND_BYTES:
            yield events
            events, size = [], 0
        events.append(event)
        size += own
    yield events
