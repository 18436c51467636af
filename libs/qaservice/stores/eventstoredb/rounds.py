"""An append to an answer's stream: decide, append at exactly the revision decided on, and again where another process
was faster.

Why it is right (EventStoreDB 24.10, the rules of expected versions): an append that names the expected revision is
stored once, however often it is sent, as long as revision and id stay the same. So an unclear outcome is answered by
the very same call; "wrong revision" then means that it is not stored and never will be, and only then is there
something to decide anew.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from qaservice.domain.answers import Event
from qaservice.domain.errors import LogUnavailable, OutcomeUnknown, Refused, Unavailable
from qaservice.domain.idempotency import MEMBER, WINDOW, remembers
from qaservice.domain.recent import Decide, Recent, Remembered
from qaservice.domain.recorded import Appended, Metadata, Recorded
from qaservice.stores.eventstoredb.calls import EventStoreDb, pauses
from qaservice.stores.eventstoredb.errors import NotStored, WrongRevision
from qaservice.stores.eventstoredb.events import new_event, position_of, recorded

_MOST_ROUNDS = 30  # each is lost with even odds to another process that writes the same key all the time


@dataclass(slots=True)
class Command:
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


class Rounds:
    """Appends to the streams of answers under `prefix`."""

    def __init__(self, database: EventStoreDb, prefix: str) -> None:
        self._database = database
        self._prefix = prefix

    async def append(self, command: Command, hint: Recorded | None, store: UUID) -> Appended:
        """Decide and append until no other process is faster: first on `hint`, which may be the answer's last event,
        then on what is read. Raises as AnswerLog.append."""
        last, event = hint, _guess(command, hint)
        for _ in range(_MOST_ROUNDS):
            if event is None:
                last = await self._read(command)
                if last is not None and last.id == command.id and command.in_doubt:
                    return Appended(last, store)  # the one in doubt is there
                command.in_doubt = False
                event = command.decide(Recent(last, await self._memory(command, last)))
            if isinstance(event, Recorded):
                return Appended(event, store, replayed=True)
            stored = await self._stored(command, last, event)
            if stored is not None:
                return Appended(stored, store)
            event = None
        raise LogUnavailable(f"lost {_MOST_ROUNDS} rounds to other writers of {command.key!r}")

    async def _read(self, command: Command) -> Recorded | None:
        event = await self._database.last_event(command.stream, command.deadline)
        return None if event is None else recorded(self._prefix, event)

    async def _memory(self, command: Command, last: Recorded | None) -> Remembered:
        """What the answer's last events remember of commands, where this one asks for it."""
        found: list[Recorded] = []
        if last is not None and MEMBER in command.metadata:
            following = max(0, last.revision - WINDOW + 1)
            while following <= last.revision:
                page = await self._database.events(command.stream, command.deadline, start=following)
                found += [recorded(self._prefix, event) for event in page if MEMBER.encode() in event.metadata]
                following = page[-1].stream_position + 1 if page else last.revision + 1
        return lambda key: [event for event in reversed(found) if remembers(event, key)]

    async def _stored(self, command: Command, last: Recorded | None, event: Event) -> Recorded | None:
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

    async def _position(self, command: Command, revision: int) -> int:
        """Where the event is that was just stored, for a server that does not tell, as it may after a repeated call."""
        try:
            return position_of((await self._database.events(command.stream, command.deadline, start=revision))[0])
        except (LogUnavailable, IndexError):
            raise OutcomeUnknown("it is stored, but where could not be read") from None


def _guess(command: Command, last: Recorded | None) -> Event | Recorded | None:
    """What is decided on a state that was not read. None: it is a refusal, or may be a repetition; that needs a
    read."""
    if last is not None and MEMBER in command.metadata:
        return None
    try:
        return command.decide(Recent(last))
    except Refused:
        return None
