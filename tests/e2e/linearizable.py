"""Whether what clients saw of one answer can be explained by one order of events, without trying orders.

In general that question is exponential (Wing and Gong, "Testing and Verifying Concurrent Objects", 1993). Here each
reply names a revision, so the order is given and only the moments are open: event n happened at some moment p(n), and
p(0) < p(1) < …. Everything that was seen is a bound of one of them:

- the write that is event n: called < p(n) < answered;
- who saw revision n between called and answered: p(n) < answered and called < p(n + 1).

There are such moments exactly where the greatest lower bound of the events up to n is below the upper bound of event n,
for every n: one pass. Only "there is no answer" names no revision; it is held against each revision without an answer
on its own, so a fault that takes two such replies to prove is not found.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

CREATED, UPDATED, DELETED = "AnswerCreatedEvent", "AnswerUpdatedEvent", "AnswerDeletedEvent"

Event = tuple[str, str]
"""Type and value; a delete's value is empty. No two writes have one value."""


@dataclass(frozen=True, slots=True)
class Write:
    """A command that was or may have been recorded. Times in nanoseconds; `revision` None: its outcome is unknown, it
    may happen long after its call. `expected`: it was to follow exactly this revision."""

    event: Event
    called: int
    answered: float = math.inf
    revision: int | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a read or a refusal says. `revision` None: there is no answer; `value` None: it does not say which;
    `differs`: the revision that the answer, as it says, was not at."""

    called: int
    answered: int
    revision: int | None
    value: str | None = None
    differs: int | None = None


def faults(history: Sequence[Event], writes: Iterable[Write], seen: Iterable[Seen]) -> list[str]:
    """What can't be explained; nothing where all is well."""
    writes, seen = list(writes), list(seen)
    unknown = [write for write in writes if write.revision is None]
    acknowledged = [write for write in writes if write.revision is not None]
    placed: dict[int, Write] = {}
    found = [*_out_of_rules(history), *_placed(history, acknowledged, placed), *_wrong(history, seen)]
    moments = Moments(history, placed, seen)
    found += _unknown(history, unknown, placed, moments)
    moments = Moments(history, placed, seen)  # with the bounds of those of unknown outcome
    return [*found, *moments.impossible(), *moments.never_absent(seen)]


def exists(history: Sequence[Event], revision: int) -> bool:
    """Whether there is an answer at a revision, -1 being the time before the first."""
    return 0 <= revision < len(history) and history[revision][0] != DELETED


def _out_of_rules(history: Sequence[Event]) -> Iterator[str]:
    for revision, (type_, _) in enumerate(history):
        if exists(history, revision - 1) == (type_ == CREATED):
            yield f"{type_} can't be at revision {revision}"


def _placed(history: Sequence[Event], acknowledged: Iterable[Write], placed: dict[int, Write]) -> Iterator[str]:
    """Put each acknowledged write at its revision."""
    for write in acknowledged:
        revision = write.revision
        assert revision is not None
        if revision in placed:
            yield f"two acknowledged writes at revision {revision}: {placed[revision]} and {write}"
        elif not 0 <= revision < len(history) or history[revision] != write.event:
            yield f"acknowledged and lost: {write}"
        elif write.expected not in (None, revision - 1):
            yield f"not after the revision that it expected: {write}"
        placed.setdefault(revision, write)


def _wrong(history: Sequence[Event], seen: Iterable[Seen]) -> Iterator[str]:
    for one in seen:
        if one.revision is None:
            continue
        if not exists(history, one.revision) or one.value not in (None, history[one.revision][1]):
            yield f"never so: {one}"
        elif one.revision == one.differs:
            yield f"refused though it matched: {one}"


def _unknown(
    history: Sequence[Event], unknown: Iterable[Write], placed: dict[int, Write], moments: "Moments"
) -> Iterator[str]:
    """Put writes of unknown outcome at the revisions that are left. Deletes have no value to know them by: one that can
    be at this revision alone comes first, then the one that was called first. Who fits here fits later too, as the
    upper bounds grow, so that finds places wherever there are some."""
    by_event: dict[Event, list[Write]] = {}
    for write in sorted(unknown, key=lambda write: (write.expected is None, write.called)):
        by_event.setdefault(write.event, []).append(write)
    for revision, event in enumerate(history):
        if revision in placed:
            continue
        candidates = by_event.get(event, [])
        before, expected = moments.before[revision], (None, revision - 1)
        fitting = (write for write in candidates if write.called < before and write.expected in expected)
        if (chosen := next(fitting, None)) is not None:
            candidates.remove(chosen)
            placed[revision] = chosen
        elif candidates:
            yield f"recorded at revision {revision}, too early or against the revision it expected: {candidates}"
        else:
            yield f"recorded twice, or refused and recorded: {event} at revision {revision}"


class Moments:
    """Between which two moments each event happened: `after[n]` < p(n) < `before[n]`."""

    def __init__(self, history: Sequence[Event], placed: dict[int, Write], seen: Iterable[Seen]) -> None:
        called, answered = [-math.inf] * (len(history) + 1), [math.inf] * (len(history) + 1)
        for revision, write in placed.items():
            if 0 <= revision < len(history):
                called[revision], answered[revision] = write.called, write.answered
        for one in seen:
            if one.revision is not None and 0 <= one.revision < len(history):
                answered[one.revision] = min(answered[one.revision], one.answered)
                called[one.revision + 1] = max(called[one.revision + 1], one.called)
        self._history = history
        self.after = list(accumulate(called, max))
        self.before = list(accumulate(answered[::-1], min))[::-1]

    def impossible(self) -> Iterator[str]:
        """The revisions that were seen or acknowledged in an order that is not theirs."""
        for revision, (after, before) in enumerate(zip(self.after, self.before, strict=True)):
            if after >= before:
                yield f"revision {revision} was there at {before} and a lower one still later, at {after}"

    def never_absent(self, seen: Iterable[Seen]) -> Iterator[str]:
        """The replies that there is no answer, at a time when there always was one."""
        absent = [n for n in range(-1, len(self._history)) if not exists(self._history, n)]
        for one in seen:
            if one.revision is None and not any(self._current(n, one) for n in absent):
                yield f"there was an answer: {one}"

    def _current(self, revision: int, one: Seen) -> bool:
        """Whether a revision may have been the last one between call and reply."""
        begun = revision < 0 or self.after[revision] < one.answered
        return begun and one.called < self.before[revision + 1]
