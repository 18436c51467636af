"""The log of answers in EventStoreDB: a stream for each answer, and on every append the revision it is decided on.

Why it is right (EventStoreDB 24.10, the rules of expected versions): an append that names the expected revision is
stored once, however often it is sent, as long as revision and id stay the same. So an unclear outcome is answered by
the very same call; "wrong revision" then means that it is not stored and never will be, and only then is there
something to decide anew.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from weakref import WeakValueDictionary

from qaservice.domain.answers import Event
from qaservice.domain.codec import stream_name
from qaservice.domain.errors import LogUnavailable, OutcomeUnknown, Refused, Unavailable
from qaservice.domain.idempotency import MEMBER, WINDOW, remembers
from qaservice.domain.recent import Decide, Recent, Remembered
from qaservice.domain.recorded import Appended, Metadata, Recorded
from qaservice.stores.eventstoredb.calls import PAGE_EVENTS, EventStoreDb, pauses
from qaservice.stores.eventstoredb.errors import NotStored, WrongRevision
from qaservice.stores.eventstoredb.events import checked_prefix, new_event, position_of, recorded, store_stream
from qaservice.stores.eventstoredb.hints import Hints
from qaservice.stores.eventstoredb.store_id import SharedStoreId, StoreId

_MOST_ROUNDS = 30  # each is lost with even odds to another process that writes the same key all the time
_LONGEST_CHECK = 2.0  # seconds


@dataclass(slots=True)
class _Command:
    """An append on its way. `in_doubt`: it was sent, and nobody has said yet what came of it."""

    key: str
    stream: str
    decide: Decide
    id: UUID
    metadata: Metadata
    deadline: float
    in_doubt: bool = False
    trouble: str = "no answer"

    def sent(self) -> None:
        """It goes out now."""
        self.in_doubt = True

    def failed(self) -> Unavailable:
        """How it ends where there is no time left."""
        return OutcomeUnknown(self.trouble) if self.in_doubt else LogUnavailable(self.trouble)


class EventStoreDbLog:
    """Appends and reads of answers. To be used in one event loop, which may be started after this was made."""

    def __init__(self, uri: str, prefix: str, timeout: float) -> None:
        """`prefix`: how the streams of answers begin. `timeout` in seconds bounds every append and every read, and
        waiting one's turn. Raises ValueError, without what is secret in the URI."""
        self._database = EventStoreDb(uri)
        self._prefix = checked_prefix(prefix)
        self._timeout = timeout
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._hints = Hints()
        self._store_id = SharedStoreId(StoreId(self._database, prefix), timeout)
        self._losses = -1

    async def append(self, key: str, decide: Decide, *, id: UUID, metadata: Metadata) -> Appended:
        """See AnswerLog.append. The time of what it returns is this machine's; reads tell the server's."""
        command = _Command(key, stream_name(self._prefix, key), decide, id, metadata, self._deadline())
        try:
            async with asyncio.timeout_at(command.deadline), self._turn(key):
                hint = self._known().get(key)
                appended = await self._rounds(command, hint, await self._store_id.get(command.deadline))
                if not appended.replayed:
                    self._hints.put(key, appended.recorded)
                return appended
        except TimeoutError:
            raise command.failed() from None

    async def last(self, key: str) -> Recorded | None:
        """See AnswerLog.last."""
        event = await self._database.last_event(stream_name(self._prefix, key), self._deadline())
        return None if event is None else recorded(self._prefix, event)

    async def at(self, key: str, revision: int) -> Recorded | None:
        """See AnswerLog.at. Backwards: what is read from beyond the stream's end is its last event, not nothing, which
        could also be a read that was cut off."""
        found = await self._database.events(
            stream_name(self._prefix, key), self._deadline(), start=revision, backwards=True, limit=1
        )
        return recorded(self._prefix, found[0]) if found and found[0].stream_position == revision else None

    async def history(self, key: str, revisions: range) -> AsyncGenerator[Sequence[Recorded], None]:
        """See AnswerLog.history."""
        stream = stream_name(self._prefix, key)
        while revisions:
            first, limit = revisions[0], min(len(revisions), PAGE_EVENTS)
            page = await self._database.events(
                stream, self._deadline(), start=first, backwards=revisions.step < 0, limit=limit
            )
            if not page or page[0].stream_position != first:
                raise LogUnavailable(f"stream {stream!r} holds no event {first} any more")
            yield [recorded(self._prefix, event) for event in page]
            revisions = revisions[len(page) :]

    async def store_id(self) -> UUID:
        """See AnswerLog.store_id."""
        self._known()
        return await self._store_id.get(self._deadline())

    async def check(self) -> None:
        """Return if the log can be read, from the node that takes the writes. Raises LogUnavailable within 2 s."""
        deadline = asyncio.get_running_loop().time() + min(self._timeout, _LONGEST_CHECK)
        await self._database.last_event(store_stream(self._prefix), deadline)

    async def close(self) -> None:
        """Leave appends under way 5 s to finish, then disconnect."""
        await self._database.connection.close()

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout

    def _turn(self, key: str) -> asyncio.Lock:
        """Commands on one key take turns, or each would cost the others a round. A lock that nobody holds or waits for
        is forgotten."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn

    def _known(self) -> Hints:
        """What is remembered; nothing after the connection was lost, for another log may stand there since."""
        losses = self._database.connection.losses()
        if losses != self._losses:
            self._hints.clear()
            self._store_id.forget()
            self._losses = losses
        return self._hints

    async def _rounds(self, command: _Command, hint: Recorded | None, store: UUID) -> Appended:
        """Decide and append until no other process is faster: first on what may be known, then on what is read."""
        last, event = hint, _guess(command, hint)
        for _ in range(_MOST_ROUNDS):
            if event is None:
                last = await self._read(command)
                if last is not None and last.id == command.id and command.in_doubt:
                    return Appended(last, store)
                command.in_doubt = False
                event = command.decide(Recent(last, await self._memory(command, last)))
            if isinstance(event, Recorded):
                return Appended(event, store, replayed=True)
            stored = await self._append(command, last, event)
            if stored is not None:
                return Appended(stored, store)
            event = None
        raise LogUnavailable(f"lost {_MOST_ROUNDS} rounds to other writers of {command.key!r}")

    async def _read(self, command: _Command) -> Recorded | None:
        event = await self._database.last_event(command.stream, command.deadline)
        return None if event is None else recorded(self._prefix, event)

    async def _memory(self, command: _Command, last: Recorded | None) -> Remembered:
        """What the answer's last events remember of commands, where this one asks for it."""
        found: list[Recorded] = []
        if last is not None and MEMBER in command.metadata:
            following = max(0, last.revision - WINDOW + 1)
            while following <= last.revision:
                page = await self._database.events(command.stream, command.deadline, start=following)
                found += [recorded(self._prefix, event) for event in page if MEMBER.encode() in event.metadata]
                following = page[-1].stream_position + 1 if page else last.revision + 1
        return lambda key: [event for event in reversed(found) if remembers(event, key)]

    async def _append(self, command: _Command, last: Recorded | None, event: Event) -> Recorded | None:
        """The stored event; None: another writer was faster. The very same call, until what came of it is known."""
        expected = None if last is None else last.revision
        new = new_event(event, command.id, command.metadata)
        pause = pauses()
        while True:
            was_in_doubt = command.in_doubt
            try:
                position = await self._database.append(command.stream, expected, [new], command.deadline, command.sent)
            except OutcomeUnknown as trouble:
                command.trouble = str(trouble)
            except (WrongRevision, LogUnavailable) as trouble:
                command.in_doubt, command.trouble = was_in_doubt, str(trouble)
                if isinstance(trouble, WrongRevision):
                    return None
                if not isinstance(trouble, NotStored):
                    raise command.failed() from None
            else:
                revision = 0 if expected is None else expected + 1
                position = position or await self._position(command, revision)
                return Recorded(event, revision, position, command.id, datetime.now(UTC), command.metadata)
            await asyncio.sleep(next(pause))

    async def _position(self, command: _Command, revision: int) -> int:
        """Where the event is that was just stored, for a server that does not tell, as it may after a repeated call."""
        try:
            return position_of((await self._database.events(command.stream, command.deadline, start=revision))[0])
        except (LogUnavailable, IndexError):
            raise OutcomeUnknown("it is stored, but where could not be read") from None


def _guess(command: _Command, last: Recorded | None) -> Event | Recorded | None:
    """What is decided on a state that was not read. None: it is a refusal, or may be a repetition; that needs a
    read."""
    if last is not None and MEMBER in command.metadata:
        return None
    try:
        return command.decide(Recent(last))
    except Refused:
        return None
