"""The commands: each turns a request into a decision that the log takes together with the append."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from qaservice.domain import answers
from qaservice.domain.answers import Answer, AnswerCreated, AnswerDeleted, AnswerUpdated, Event
from qaservice.domain.errors import KeyExists, MustNotExist, Refused, RevisionDiffers
from qaservice.domain.idempotency import MEMBER, Idempotency
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import Appended, Recorded
from services.eventstore.ports import AnswerLog


@dataclass(frozen=True, slots=True)
class Terms:
    """What a client makes a command depend on. `revisions`: the answer must be at one of them; `must_not_exist`: it
    knows that there is no answer; `retry`: if this was recorded before, the command is answered by that."""

    revisions: frozenset[int] | None = None
    must_not_exist: bool = False
    retry: Idempotency | None = None


NO_TERMS = Terms()


class Commands:
    """Create, update and delete answers. Every method raises what AnswerLog.append raises, and IdempotencyKeyReused."""

    def __init__(self, log: AnswerLog, new_id: Callable[[], UUID]) -> None:
        self._log = log
        self._new_id = new_id

    async def create(self, key: str, value: str, terms: Terms = NO_TERMS) -> Appended:
        """Raises KeyExists, MustNotExist."""
        return await self._append(key, AnswerCreated, lambda answer: answers.create(answer, key, value), terms)

    async def update(self, key: str, value: str, terms: Terms = NO_TERMS) -> Appended:
        """Raises KeyNotFound, RevisionDiffers."""
        return await self._append(key, AnswerUpdated, lambda answer: answers.update(answer, key, value), terms)

    async def delete(self, key: str, terms: Terms = NO_TERMS) -> Appended:
        """Raises KeyNotFound, RevisionDiffers."""
        return await self._append(key, AnswerDeleted, lambda answer: answers.delete(answer, key), terms)

    async def _append(
        self, key: str, kind: type[Event], decision: Callable[[Answer | None], Event], terms: Terms
    ) -> Appended:
        def decide(recent: Recent) -> Event | Recorded:
            if terms.retry is not None and (first := recent.find(terms.retry, kind)) is not None:
                return first
            revision = None if recent.last is None else recent.last.revision
            try:
                event = decision(recent.answer)
                if terms.revisions is not None and revision not in terms.revisions:
                    raise RevisionDiffers
            except Refused as refusal:
                if terms.must_not_exist and isinstance(refusal, KeyExists):
                    refusal = MustNotExist()
                refusal.revision = revision
                raise refusal from None
            return event

        metadata = {} if terms.retry is None else {MEMBER: terms.retry.metadata()}
        return await self._log.append(key, decide, id=self._new_id(), metadata=metadata)
