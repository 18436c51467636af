"""The stand-in's log: every record of every stream in one file, in the order of its positions.

A record is stored as the message in which a reader gets it, behind a head that gives its length and how many records
of the same append follow. A write goes to the file before anybody hears of it, so it survives `kill -9`; an append
that the file holds only in part is cut off when the file is opened.
"""

import asyncio
import json
import os
import time
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from esdbclient.protos.Grpc.streams_pb2 import ReadResp

TOMBSTONE = 2**63 - 1  # EventStoreDB v24.10 source: EventNumber.DeletedStream
# Where a log's first bytes are: a real log begins with an epoch record, which is no event.
_EPOCH = b"stand-in for an EventStoreDB log".ljust(64, b"\0")
_HEAD = Struct(">II")
_TICKS = 10_000_000  # EventStoreDB v24.10 source: EpochExtensions.ToTicksSinceEpoch, in 100 ns


class Proposed(NamedTuple):
    """An event as a client proposes it."""

    id: str
    type: str
    is_json: bool
    data: bytes
    metadata: bytes


class Record(NamedTuple):
    """An event as it is stored; `message` is the serialised ReadResp."""

    position: int
    stream: str
    number: int
    id: str
    type: str
    message: bytes


class Log:
    """Records in memory and in a file; without a path, in a file that lives in memory."""

    def __init__(self, path: Path | None = None) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._file = os.memfd_create("eventstoredb") if path is None else os.open(path, flags, 0o644)
        self._waiting: list[asyncio.Future[None]] = []
        self.load()

    def load(self) -> None:
        """Forget what is in memory and read the file again."""
        self.records: list[Record] = []
        self.streams: dict[str, list[Record]] = {}
        stored = os.pread(self._file, os.fstat(self._file).st_size, 0)
        self.end = len(_EPOCH)
        if len(stored) < self.end:
            os.ftruncate(self._file, 0)
            os.write(self._file, _EPOCH)
            return
        started: list[Record] = []
        offset = self.end
        while offset + _HEAD.size <= len(stored):
            length, following = _HEAD.unpack_from(stored, offset)
            message = stored[offset + _HEAD.size : offset + _HEAD.size + length]
            if len(message) < length:
                break
            offset += _HEAD.size + length
            started.append(_record(message))
            if not following:
                self._remember(started, offset)
                started = []
        os.ftruncate(self._file, self.end)

    def wipe(self) -> None:
        """An empty log in the place of this one."""
        os.ftruncate(self._file, 0)
        self.load()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def write(self, stream: str, first: int, events: Sequence[Proposed]) -> Record:
        """Store events under the numbers from `first` on, all or none, and return the last of them.

        EventStoreDB v24.10 source: a position is the offset of the record in the log, so positions of events rise
        strictly, have gaps, and each event of an append has its own.
        """
        parts: list[bytes] = []
        records: list[Record] = []
        position = self.end
        for offset, event in enumerate(events):
            number = first + offset
            message = _message(position, stream, number, event)
            parts += (_HEAD.pack(len(message), len(events) - offset - 1), message)
            records.append(Record(position, stream, number, event.id, event.type, message))
            position += _HEAD.size + len(message)
        os.write(self._file, b"".join(parts))
        self._remember(records, position)
        self.ring()
        return records[-1]

    def last_number(self, stream: str) -> int:
        """The number of the stream's last event; -1 without one, TOMBSTONE after a tombstone."""
        records = self.streams.get(stream)
        return records[-1].number if records else -1

    def truncated_before(self, stream: str) -> int:
        """The first event number that a reader may see; TOMBSTONE for a soft-deleted stream.

        EventStoreDB documentation, "Streams: metadata and reserved names": `$tb` in the last event of `$$stream`.
        """
        metadata = self.streams.get(f"$${stream}")
        if not metadata:
            return 0
        try:
            return int(json.loads(ReadResp.FromString(metadata[-1].message).event.event.data)["$tb"])
        except (ValueError, KeyError, TypeError):
            return 0

    def index_at(self, position: int) -> int:
        """The index in `records` of the first record at or after a position."""
        return bisect_left(self.records, position, key=lambda record: record.position)

    def starts_at(self, index: int) -> int:
        """The position of a record by its index; the log's end behind the last."""
        return self.records[index].position if index < len(self.records) else self.end

    def is_boundary(self, position: int) -> bool:
        """Whether a record starts or the log ends at a position; elsewhere nothing can be read."""
        return position == 0 or self.starts_at(self.index_at(position)) == position

    def grown(self) -> "asyncio.Future[None]":
        """Resolved at the next write or ring."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def ring(self) -> None:
        """Wake everybody who waits for the log to grow."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _remember(self, records: Sequence[Record], end: int) -> None:
        self.records += records
        self.streams.setdefault(records[0].stream, []).extend(records)
        self.end = end


def _message(position: int, stream: str, number: int, event: Proposed) -> bytes:
    """EventStoreDB v24.10 source: Streams.Read, ConvertToReadEvent and ConvertToRecordedEvent."""
    response = ReadResp()
    response.event.commit_position = position
    recorded = response.event.event
    recorded.id.string = event.id
    recorded.stream_identifier.stream_name = stream.encode()
    recorded.stream_revision = number
    recorded.commit_position = recorded.prepare_position = position
    metadata = recorded.metadata
    metadata["type"] = event.type
    metadata["created"] = str(time.time_ns() * _TICKS // 1_000_000_000)
    metadata["content-type"] = "application/json" if event.is_json else "application/octet-stream"
    recorded.custom_metadata = event.metadata
    recorded.data = event.data
    message: bytes = response.SerializeToString()
    return message


def _record(message: bytes) -> Record:
    recorded = ReadResp.FromString(message).event.event
    stream = recorded.stream_identifier.stream_name.decode()
    number, id = recorded.stream_revision, recorded.id.string
    return Record(recorded.commit_position, stream, number, id, recorded.metadata["type"], message)
