"""What a log hands out, and what a read model makes of it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from qaservice.domain.answers import Answer, AnswerCreated, AnswerDeleted, AnswerUpdated, Event, evolve
from qaservice.domain.idempotency import Idempotency
from qaservice.domain.readmodel import document_of
from qaservice.domain.recent import Recent
from qaservice.domain.recorded import Recorded

EVENTS = [AnswerCreated("name", "john"), AnswerUpdated("name", "john"), AnswerDeleted("name")]


def recorded(event: Event) -> Recorded:
    return Recorded(event, revision=3, position=7, id=UUID(int=1), time=datetime(2025, 1, 1, tzinfo=UTC), metadata={})


def test_without_events_there_is_no_answer() -> None:
    assert Recent(None).answer is None


def test_without_events_no_command_came_before() -> None:
    assert Recent(None).find(Idempotency.of("retry", "john"), AnswerCreated) is None


@pytest.mark.parametrize("event", EVENTS)
def test_the_last_event_says_the_present_answer(event: Event) -> None:
    assert Recent(recorded(event)).answer == evolve(None, event)


@pytest.mark.parametrize("event", EVENTS)
def test_a_document_is_the_fold_of_the_events(event: Event) -> None:
    document = document_of(recorded(event))
    state = None if document.value is None else Answer(document.key, document.value)
    assert state == evolve(None, event)
    assert (document.key, document.revision, document.position) == ("name", 3, 7)
