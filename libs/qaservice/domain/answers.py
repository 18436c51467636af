"""An answer's facts, its state, and the decisions about it: read it top to bottom.

The decider pattern (Jérémie Chassaing, "Functional Event Sourcing Decider"): a decision takes the state and returns the
one event that follows, or raises the rule that forbids it; `evolve` folds an event into the state and never refuses.
Every event carries the whole value, so the last event alone gives the state.
"""

from dataclasses import dataclass

from qaservice.domain.errors import KeyExists, KeyNotFound

# Facts


@dataclass(frozen=True, slots=True)
class AnswerCreated:
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class AnswerUpdated:
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class AnswerDeleted:
    key: str


Event = AnswerCreated | AnswerUpdated | AnswerDeleted

# State: an answer, or None while there is none


@dataclass(frozen=True, slots=True)
class Answer:
    key: str
    value: str


def evolve(state: Answer | None, event: Event) -> Answer | None:
    """The state after `event`. Total: no rules, no errors; the rules are in the decisions."""
    if isinstance(event, AnswerDeleted):
        return None
    return Answer(event.key, event.value)


# Decisions


def create(state: Answer | None, key: str, value: str) -> AnswerCreated:
    """Give `key` its first value, or a new first one after a delete. Raises KeyExists."""
    if state is not None:
        raise KeyExists
    return AnswerCreated(key, value)


def update(state: Answer | None, key: str, value: str) -> AnswerUpdated:
    """Replace the value; the same value again is a fact too. Raises KeyNotFound."""
    if state is None:
        raise KeyNotFound
    return AnswerUpdated(key, value)


def delete(state: Answer | None, key: str) -> AnswerDeleted:
    """End the answer; its history stays. Raises KeyNotFound."""
    if state is None:
        raise KeyNotFound
    return AnswerDeleted(key)
