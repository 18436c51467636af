"""An answer as it was at a revision or at a moment."""

from datetime import datetime

from qaservice.domain.answers import AnswerDeleted
from qaservice.domain.errors import KeyNotFound
from qaservice.domain.recorded import Recorded
from services.eventstore.ports import AnswerLog


async def at_revision(log: AnswerLog, key: str, revision: int) -> Recorded:
    """The event that held the value at `revision`. Raises KeyNotFound where there was none: before the creation, at a
    delete, and beyond the last revision."""
    last = await log.last(key)
    if last is None or revision > last.revision:
        raise KeyNotFound
    return _existing(last if revision == last.revision else await log.at(key, revision))


async def at_moment(log: AnswerLog, key: str, moment: datetime) -> Recorded:
    """The event that held the value at `moment`, found by bisection: recorded times never decrease within an answer.
    Raises KeyNotFound."""
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
        if event.time <= moment:
            found, low = event, middle + 1
        else:
            high = middle
    if found is None:
        raise KeyNotFound
    return _existing(found)


def _existing(recorded: Recorded) -> Recorded:
    if isinstance(recorded.event, AnswerDeleted):
        raise KeyNotFound
    return recorded
