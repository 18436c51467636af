"""Safe retries: what is remembered of a command, so that the same one again gives the first reply again.

The memory stands in the metadata of the event, so it is stored together with it or not at all
(draft-ietf-httpapi-idempotency-key-header). A caller's key counts for one kind of command on one answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from qaservice.domain.answers import Event
from qaservice.domain.errors import IdempotencyKeyReused
from qaservice.domain.recorded import Metadata, Recorded

WINDOW = 256
"""How many of an answer's last events are looked at."""

MEMBER = "idempotency"
"""NOTE: stored. The member of an event's metadata."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes two commands the same: the caller's key and name; `fingerprint` tells whether they carry one value."""

    key: str
    fingerprint: str
    caller: str | None = None

    @classmethod
    def of(cls, key: str, value: str) -> "Idempotency":
        """The memory of a command with this value."""
        return cls(key, sha256(value.encode()).hexdigest()[:32])

    def metadata(self) -> dict[str, str | None]:
        """What is stored, as the value of MEMBER."""
        return {"key": self.key, "fingerprint": self.fingerprint, "caller": self.caller}

    def first(self, events: Iterable[Recorded], kind: type[Event]) -> Recorded | None:
        """The event that this command has recorded before, among an answer's last ones. Raises IdempotencyKeyReused
        where the key was used with another value."""
        for recorded in events:
            if isinstance(recorded.event, kind) and remembers(recorded, self.key):
                remembered = _memory(recorded)
                if remembered.get("caller") != self.caller:
                    continue
                if remembered.get("fingerprint") != self.fingerprint:
                    raise IdempotencyKeyReused
                return recorded
        return None


def remembers(recorded: Recorded, key: str) -> bool:
    """Whether an event came of a command with this idempotency key, whosever."""
    return _memory(recorded).get("key") == key


def _memory(recorded: Recorded) -> Metadata:
    memory = recorded.metadata.get(MEMBER)
    return memory if isinstance(memory, dict) else {}
