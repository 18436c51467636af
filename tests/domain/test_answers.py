"""Facts, state, decisions."""

from itertools import product

import pytest

from qaservice.domain.answers import (
    Answer,
    AnswerCreated,
    AnswerDeleted,
    AnswerUpdated,
    Event,
    create,
    delete,
    evolve,
    update,
)
from qaservice.domain.errors import KeyExists, KeyNotFound, Refused

JOHN = Answer("name", "john")

SEQUENCES = [sequence for length in range(1, 7) for sequence in product(("create", "update", "delete"), repeat=length)]


def decide(command: str, state: Answer | None, value: str) -> Event:
    if command == "delete":
        return delete(state, "name")
    return (create if command == "create" else update)(state, "name", value)


def test_creating_gives_a_key_its_value() -> None:
    assert create(None, "name", "john") == AnswerCreated("name", "john")


def test_creating_an_existing_key_is_refused() -> None:
    with pytest.raises(KeyExists):
        create(JOHN, "name", "jane")


def test_updating_replaces_the_value() -> None:
    assert update(JOHN, "name", "jane") == AnswerUpdated("name", "jane")


def test_the_same_value_again_is_a_fact_too() -> None:
    assert update(JOHN, "name", "john") == AnswerUpdated("name", "john")


def test_updating_nothing_is_refused() -> None:
    with pytest.raises(KeyNotFound):
        update(None, "name", "jane")


def test_deleting_ends_the_answer() -> None:
    assert evolve(JOHN, delete(JOHN, "name")) is None


def test_deleting_nothing_is_refused() -> None:
    with pytest.raises(KeyNotFound):
        delete(None, "name")


def test_every_sequence_of_commands_does_what_a_key_with_a_value_would() -> None:
    for sequence in SEQUENCES:
        state: Answer | None = None
        model: str | None = None
        for number, command in enumerate(sequence):
            allowed = (model is None) == (command == "create")
            model = model if not allowed else None if command == "delete" else str(number)
            try:
                state = evolve(state, decide(command, state, str(number)))
                assert allowed, sequence
            except Refused:
                assert not allowed, sequence
            assert (state and state.value) == model, sequence


@pytest.mark.parametrize("event", [AnswerCreated("name", "jane"), AnswerUpdated("name", "jane"), AnswerDeleted("name")])
def test_the_last_event_alone_gives_the_state(event: Event) -> None:
    assert evolve(JOHN, event) == evolve(None, event)
