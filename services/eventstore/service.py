"""The commands: each turns a request into a decision that the log takes together with the append."""

from collections.abc import Callable
from uuid import UUID

from qaservice.domain import answers
from qaservice.domain.answers import Answer, Event
from qaservice.domain.errors import KeyNotFound, Refused
from qaservice.domain.recorded import Recent, Recorded
from services.eventstore.ports import AnswerLog


class Commands:
    """Create, update and delete answers. Every method raises what AnswerLog.append raises."""

    def __init__(self, log: AnswerLog, new_id: Callable[[], UUID]) -> None:
        self._log = log
        self._new_id = new_id

    async def create(self, key: str, value: str) -> Recorded:
        """Raises KeyExists."""
        return await self._append(key, lambda answer: answers.create(answer, key, value))

    async def update(self, key: str, value: str) -> Recorded:
        """Raises KeyNotFound."""
        return await self._append(key, lambda answer: answers.update(answer, key, value))

    async def delete(self, key: str) -> Recorded:
        """Raises KeyNotFound."""
        return await self._append(key, lambda answer: answers.delete(answer, key))

    async def _append(self, key: str, decision: Callable[[Answer | None], Event]) -> Recorded:
        def decide(recent: Recent) -> Event:
            try:
                return decision(recent.answer)
            except Refused as refusal:
                refusal.revision = None if recent.last is None else recent.last.revision
                raise

        return await self._log.append(key, decide, id=self._new_id(), metadata={})


async def current(log: AnswerLog, key: str) -> Recorded:
    """The event that holds the answer's present value. Raises KeyNotFound."""
    last = await log.last(key)
    if last is None or Recent(last).answer is None:
        raise KeyNotFound
    return last
