"""The stand-in's catch-up subscriptions: history in pages, caught up, then live; filtered ones with checkpoints.

EventStoreDB v24.10 source: Enumerator.AllSubscription, AllSubscriptionFiltered, StreamSubscription and
SubscriptionsService. The generators here end only with an exception, and yield None where they woke without news.
"""

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple
from uuid import uuid4

from esdbclient.protos.Grpc.streams_pb2 import ReadReq, ReadResp

from tests.standins.eventstoredb_log import TOMBSTONE, Log, Record
from tests.standins.eventstoredb_reads import InvalidPosition, Position, StreamIsDeleted, filter_of

_PAGE = 32  # Enumerator.ReadBatchSize
_LIVE = 32  # Enumerator.LiveChannelOptions: what may wait for a slow consumer before the log is read again
_UNLIMITED = 2**31 - 1
_NOTHING: Position = (-1, -1)


class _Page(NamedTuple):
    records: list[Record]
    considered: int
    at_end: bool


def confirmation() -> ReadResp:
    """The first message of a subscription."""
    return ReadResp(confirmation=ReadResp.SubscriptionConfirmation(subscription_id=str(uuid4())))


class AllSubscription:
    """One subscription to $all."""

    def __init__(self, log: Log, options: ReadReq.Options) -> None:
        self._log = log
        self._accepts = filter_of(options)
        self._is_filtered = options.WhichOneof("filter_option") == "filter"
        self._window = _UNLIMITED
        if self._is_filtered:
            self._window = options.filter.max if options.filter.WhichOneof("window") == "max" else _PAGE
        self._interval = max(1, self._window * options.filter.checkpointIntervalMultiplier)
        self._live_from = self._next = len(log.records)
        self._end = _position(log.records[-1]) if log.records else _NOTHING
        self._sent = _start(options, self._end)  # the event or checkpoint that was sent last
        self._checkpoint = _NOTHING

    async def messages(self) -> AsyncIterator[ReadResp | None]:
        """All messages after the confirmation. Raises InvalidPosition.

        A start at or beyond the end is taken as it is: what may come to stand up to there will not be sent.
        """
        is_behind = self._sent < self._end
        while True:
            if is_behind:
                for message in self._catch_up():
                    yield message
            yield ReadResp(caught_up=ReadResp.CaughtUp())
            async for news in self._live():
                yield news
            is_behind = True

    def _catch_up(self) -> Iterator[ReadResp]:
        """Read pages until one meets the end of the log.

        A checkpoint of this part is where the last page began, with a prepare position of 0: at the end of the log
        that can be the very place of the next event.
        """
        start = max(self._sent, (0, 0))
        if not self._log.is_boundary(start[0]):
            raise InvalidPosition(start)
        index, considered = self._log.index_at(start[0]), 0
        while True:
            page = self._page(index)
            for record in page.records:
                if _position(record) > self._sent:
                    self._sent = _position(record)
                    yield ReadResp.FromString(record.message)
            index += page.considered
            considered += page.considered
            if self._is_filtered and (page.at_end or considered >= self._interval):
                considered %= self._interval
                self._sent = max(self._sent, start)
                yield from self._checkpoint_here()
            if page.at_end:
                self._next = index
                return
            start = (self._log.starts_at(index), 0)

    def _page(self, index: int) -> _Page:
        """EventStoreDB v24.10 source: AllReader. A page ends after so many accepted or so many considered events."""
        records = self._log.records
        accepted: list[Record] = []
        considered = 0
        while len(accepted) < _PAGE and considered < self._window:
            if index + considered >= len(records):
                return _Page(accepted, considered, at_end=True)
            record = records[index + considered]
            considered += 1
            if self._accepts(record):
                accepted.append(record)
        return _Page(accepted, considered, at_end=False)

    async def _live(self) -> AsyncIterator[ReadResp | None]:
        """Send what is appended, until more of it waits than there is room for."""
        while True:
            waiting = self._log.records[self._next :]
            if not waiting:
                await self._log.grown()
                yield None
            if sum(_position(record) > self._sent and self._accepts(record) for record in waiting) > _LIVE:
                yield ReadResp(fell_behind=ReadResp.FellBehind())
                for message in self._checkpoint_here() if self._is_filtered else ():
                    yield message
                return
            for record in waiting:
                for message in self._live_messages(record):
                    yield message

    def _live_messages(self, record: Record) -> Iterator[ReadResp]:
        """The event, where it is wanted, and a checkpoint after every so many events, wanted or not."""
        self._next += 1
        position = _position(record)
        if position > self._sent and self._accepts(record):
            self._sent = position
            yield ReadResp.FromString(record.message)
        is_due = self._is_filtered and (self._next - self._live_from) % self._interval == 0
        if is_due and position >= self._sent:
            self._sent = position
            yield from self._checkpoint_here()

    def _checkpoint_here(self) -> Iterator[ReadResp]:
        if self._sent > self._checkpoint:
            self._checkpoint = self._sent
            commit, prepare = self._sent
            yield ReadResp(checkpoint=ReadResp.Checkpoint(commit_position=commit, prepare_position=prepare))


async def stream_messages(log: Log, options: ReadReq.Options) -> AsyncIterator[ReadResp | None]:
    """All messages of a subscription to one stream after the confirmation. Raises StreamIsDeleted."""
    stream = options.stream.stream_identifier.stream_name.decode()
    start = options.stream.WhichOneof("revision_option")
    last = log.last_number(stream)
    sent = options.stream.revision if start == "revision" else last if start == "end" else -1
    is_caught_up = False
    while True:
        if log.last_number(stream) == TOMBSTONE:
            raise StreamIsDeleted(stream)
        for record in log.streams.get(stream, [])[max(sent + 1, log.truncated_before(stream)) :]:
            sent = record.number
            yield ReadResp.FromString(record.message)
        if not is_caught_up:
            is_caught_up = True
            yield ReadResp(caught_up=ReadResp.CaughtUp())
        if sent >= log.last_number(stream):
            await log.grown()
            yield None


def _position(record: Record) -> Position:
    return record.position, record.position


def _start(options: ReadReq.Options, end: Position) -> Position:
    given = options.all.WhichOneof("all_option")
    if given == "position":
        return options.all.position.commit_position, options.all.position.prepare_position
    return _NOTHING if given == "start" else end
