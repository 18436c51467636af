"""The stand-in's rules for reads: of a stream, of $all, filtered or not, forwards and backwards."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from esdbclient.protos.Grpc.shared_pb2 import StreamIdentifier
from esdbclient.protos.Grpc.streams_pb2 import ReadReq, ReadResp

from tests.standins.eventstoredb_log import TOMBSTONE, Log, Record

Filter = Callable[[Record], bool]
Position = tuple[int, int]  # commit and prepare, compared in this order; those of an event are equal


class InvalidPosition(Exception):
    """No record starts at the position that was asked for."""


class StreamIsDeleted(Exception):
    """The stream has a tombstone."""


def read_stream(log: Log, options: ReadReq.Options) -> Sequence[ReadResp]:
    """The answer to a read of one stream. Raises StreamIsDeleted.

    EventStoreDB v24.10 source: Enumerator.ReadStreamForwards, ReadStreamBackwards, IndexReader. A soft-deleted stream
    is not found like one that never was; a position beyond the end gives nothing forwards, and backwards the end.
    """
    name = options.stream.stream_identifier.stream_name
    stream = name.decode()
    records = log.streams.get(stream, [])
    if records and records[-1].number == TOMBSTONE:
        raise StreamIsDeleted(stream)
    first = log.truncated_before(stream)
    if not records or first == TOMBSTONE:
        return [
            ReadResp(stream_not_found=ReadResp.StreamNotFound(stream_identifier=StreamIdentifier(stream_name=name)))
        ]
    revision = options.stream.WhichOneof("revision_option")
    if options.read_direction == ReadReq.Options.Forwards:
        start = len(records) if revision == "end" else max(first, options.stream.revision)
        chosen = records[start : start + options.count]
    else:
        start = 0 if revision == "start" else len(records) - 1
        start = min(start, options.stream.revision) if revision == "revision" else start
        stop = max(first, start + 1 - options.count)
        chosen = records[stop : start + 1][::-1]
    return [ReadResp.FromString(record.message) for record in chosen]


def read_all(log: Log, options: ReadReq.Options) -> Iterator[ReadResp]:
    """The answer to a read of $all. Raises InvalidPosition.

    EventStoreDB v24.10 source: AllReader. Forwards a position is where the first record starts (inclusive), backwards
    where the last one ends (exclusive). A position behind the start of the last record gives nothing forwards.
    """
    forwards = options.read_direction == ReadReq.Options.Forwards
    given = options.all.WhichOneof("all_option")
    if given == "position":
        position = options.all.position.commit_position
        index = log.index_at(position)
        is_beyond = forwards and index == len(log.records)
        if not is_beyond and not log.is_boundary(position):
            raise InvalidPosition(position)
    else:
        index = 0 if given == "start" else len(log.records)
    chosen = log.records[index:] if forwards else log.records[:index][::-1]
    accepted = filter(filter_of(options), chosen)
    return (ReadResp.FromString(record.message) for record in islice(accepted, min(options.count, len(chosen))))


def filter_of(options: ReadReq.Options) -> Filter:
    """EventStoreDB v24.10 source: EventFilter. A regex may match anywhere in the text; without one, prefixes."""
    kind = options.filter.WhichOneof("filter") if options.WhichOneof("filter_option") == "filter" else None
    if kind is None:
        return lambda record: True
    expression = options.filter.event_type if kind == "event_type" else options.filter.stream_identifier
    accepts = _text_filter(expression)
    if kind == "event_type":
        return lambda record: accepts(record.type)
    return lambda record: accepts(record.stream)


def _text_filter(expression: ReadReq.Options.FilterOptions.Expression) -> Callable[[str], bool]:
    if expression.regex:
        search = re.compile(expression.regex).search
        return lambda text: search(text) is not None
    prefixes = tuple(expression.prefix)
    return lambda text: text.startswith(prefixes)
