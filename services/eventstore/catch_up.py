"""What a watcher that resumes has missed, where only the log still has it."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from qaservice.domain.cursor import NO_REVISION, Cursor
from qaservice.domain.errors import LogUnavailable
from qaservice.domain.recorded import Position
from services.eventstore.changes import Change, Page, Wanted, change_of
from services.eventstore.ports import AnswerLog, EventFeed
from services.eventstore.tail import Tail, pauses

_MOST_READERS = 8
_MOST_BATCHES = 50  # read for a page: then the position moves on, however few of their changes are wanted


class CatchUpReaders:
    """What reads the log for all watchers that resume: for a few of them at a time, a page in a turn. The others wait,
    and nobody keeps a turn while it sends what it got."""

    def __init__(self, log: AnswerLog, feed: EventFeed) -> None:
        self.log = log
        self.feed = feed
        self.turns = asyncio.Semaphore(_MOST_READERS)


class CatchUp:
    """The changes that a watcher has missed. All that are wanted up to `position` have been handed out."""

    def __init__(self, readers: CatchUpReaders, tail: Tail, wanted: Wanted, since: Cursor) -> None:
        self._readers = readers
        self._tail = tail
        self._wanted = wanted
        self._known = since  # the last change of the one answer, as far as known
        self.position: Position = since.position

    async def page(self) -> Sequence[Change]:
        """The next of them; moves `position`, also where it found none. Waits while the log can't be read. Raises
        LogReplaced, UndecodableEvent."""
        waits = pauses()
        while True:
            try:
                async with self._readers.turns:
                    return await (self._of_all() if self._wanted.is_prefix else self._of_one())
            except LogUnavailable:
                await asyncio.sleep(next(waits))

    async def _of_one(self) -> Sequence[Change]:
        """From the answer's own history, beginning at the cursor's revision if the cursor is of this answer."""
        end = self._tail.position  # a read that begins now finds everything up to here
        known, key = self._known, self._wanted.text
        last = await self._readers.log.last(key)
        if last is None or last.position <= self.position:
            self.position = max(end, self.position)
            return ()
        first = max(known.revision, 0)
        async with aclosing(self._readers.log.history(key, range(first, last.revision + 1))) as pages:
            page = await anext(pages, None) or ()
        if known.revision != NO_REVISION and not (page and page[0].position == known.position):
            self._known = Cursor(known.store, known.position)  # of another answer: look from the start
            return ()
        if not page:
            raise LogUnavailable(f"revision {first} of {key!r} is gone")
        changes = [change_of(recorded) for recorded in page if recorded.position > self.position]
        self._known = Cursor(known.store, page[-1].position, page[-1].revision)
        if changes:
            self.position = changes[-1].position
        return changes

    async def _of_all(self) -> Sequence[Change]:
        """From the whole log, beginning at `position`."""
        end = self._tail.position
        page, position = Page(), self.position
        async with aclosing(self._readers.feed.follow(position)) as batches:
            for _ in range(_MOST_BATCHES):
                if (batch := await anext(batches, None)) is None:
                    break
                for change in map(change_of, batch.events):
                    if self._wanted.has(change.key):
                        page.add(change)
                position = max(batch.end, end) if batch.at_end else batch.end
                if page.is_full or position >= self._tail.ring.after:
                    break
                await asyncio.sleep(0)  # others take their turn
        self.position = max(position, self.position)
        return page.changes
