"""A backup is text: one JSON object on each line, an event, and last of all how many there are and their checksum.

NOTE: what stands here is what backups hold; a change makes old ones unreadable.
"""

import json
from dataclasses import dataclass
from uuid import UUID

from qaservice.domain.codec import event_of, type_of, value_of
from qaservice.domain.recorded import START, Recorded
from qaservice.domain.times import parse_time, time_text

_MEMBERS = {"key", "revision", "id", "time", "type", "value", "metadata"}

_string = json.encoder.encode_basestring


@dataclass(frozen=True, slots=True)
class Seal:
    """The last line. `sha256`: the checksum of all bytes before it, in hexadecimal digits."""

    count: int
    sha256: str

    def line(self) -> bytes:
        """The seal as it is written."""
        return f'{{"count":{self.count},"sha256":"{self.sha256}"}}\n'.encode()


def line_of(recorded: Recorded) -> bytes:
    """An event as it is written; the same event always gives the same bytes."""
    event = recorded.event
    # Metadata may hold what is no UTF-8, a lone surrogate, so it keeps its escapes.
    metadata = json.dumps(recorded.metadata, separators=(",", ":")) if recorded.metadata else "{}"
    return (
        f'{{"key":{_string(event.key)},"revision":{recorded.revision},"id":"{recorded.id}",'
        f'"time":"{time_text(recorded.time)}","type":"{type_of(event)}","value":{_string(value_of(event))},'
        f'"metadata":{metadata}}}\n'
    ).encode()


def event_on(line: bytes) -> Recorded:
    """The inverse of `line_of`; the event has no position yet. Raises ValueError."""
    try:
        fields = json.loads(line.decode())
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(fields, dict) or fields.keys() != _MEMBERS:
        raise ValueError(f"it is not an object of {', '.join(sorted(_MEMBERS))}")
    match fields:
        case {
            "key": str(key),
            "revision": int(revision),
            "id": str(id),
            "time": str(time),
            "type": str(type_),
            "value": str(value),
            "metadata": dict(metadata),
        } if revision >= 0 and not isinstance(revision, bool):
            (key + value).encode()  # JSON's escapes allow lone surrogates; a UnicodeEncodeError is a ValueError
            return Recorded(event_of(type_, key, value), revision, START, UUID(id), parse_time(time), metadata)
        case _:
            raise ValueError("a member is not of its type")


def seal_on(line: bytes) -> Seal | None:
    """The seal, if the line is one."""
    try:
        match json.loads(line):
            case {"count": int(count), "sha256": str(sha256)}:
                return Seal(count, sha256)
    except (ValueError, RecursionError):
        pass
    return None
