"""An answer as it is and as it was: at a revision, or at a moment. Few reads, however long the history is."""

from datetime import datetime

from qaservice.domain.errors import KeyNotFound, LogUnavailable
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import Recorded
from services.eventstore.ports import AnswerLog


async def current(log: AnswerLog, key: str) -> Recorded:
    """The event that holds the answer's present value. Raises KeyNotFound."""
    return _existing(await log.last(key))


async def at_revision(log: AnswerLog, key: str, revision: int) -> Recorded:
    """The event that gave the answer its value at this revision. Raises KeyNotFound: it was deleted then, or has no
    such revision yet."""
    return _existing(await log.at(key, revision))


async def at_moment(log: AnswerLog, key: str, moment: datetime) -> Recorded:
    """The event that gave the answer the value that it had at this moment. An event recorded at exactly this moment
    counts; a moment in the future is as now. Raises KeyNotFound.

    A binary search, one read a step. It relies on times that do not decrease from one revision to the next. The
    embedded log takes care of that; where the clock of EventStoreDB was set back, a moment that came twice may mean
    either time.
    """
    last = await log.last(key)
    if last is None:
        raise KeyNotFound
    if last.time <= moment:
        return _existing(last)
    found: Recorded | None = None
    low, high = 0, last.revision
    while low < high:
        middle = (low + high) // 2
        event = await log.at(key, middle)
        if event is None:
            raise LogUnavailable(f"the log holds no revision {middle} of {key!r} any more")
        if event.time <= moment:
            found, low = event, middle + 1
        else:
            high = middle
    return _existing(found)


def _existing(recorded: Recorded | None) -> Recorded:
    """An event after which there is an answer. Raises KeyNotFound."""
    if recorded is None or Recent(recorded).answer is None:
        raise KeyNotFound
    return recorded
