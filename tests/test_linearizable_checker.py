"""The check of concurrent runs: it finds what is wrong in runs made by hand, and nothing in right ones."""

import pytest

from tests.e2e.linearizable import CREATED, DELETED, UPDATED, Event, Seen, Write, faults

HISTORY = [(CREATED, "a"), (UPDATED, "b"), (DELETED, ""), (CREATED, "c"), (UPDATED, "d")]
WRITES = [
    Write(HISTORY[0], 10, 20, 0),
    Write(HISTORY[1], 30, 40, 1, expected=0),
    Write(HISTORY[2], 50, 60, 2),
    Write(HISTORY[3], 70, 80, 3),
    Write(HISTORY[4], 90, 100, 4),
]


def but(revision: int, write: Write) -> list[Write]:
    """The writes, with another one in the place of one of them."""
    return [write if each.revision == revision else each for each in WRITES]


RIGHT: dict[str, tuple[list[Event], list[Write], list[Seen]]] = {
    "nothing": ([], [], [Seen(1, 2, None)]),
    "one after the other": (HISTORY, WRITES, []),
    "a read of what is there": (HISTORY, WRITES, [Seen(41, 49, 1, "b"), Seen(101, 102, 4, "d")]),
    "a read that began before the next write ended": (HISTORY, WRITES, [Seen(39, 45, 0, "a"), Seen(39, 45, 1, "b")]),
    "refusals": (HISTORY, WRITES, [Seen(1, 9, None), Seen(55, 57, None), Seen(41, 49, 1), Seen(41, 49, 1, None, 0)]),
    "writes at the same time": ([*HISTORY, (UPDATED, "e")], [*WRITES, Write((UPDATED, "e"), 85, 95, 5)], []),
    "an unknown write that happened": (HISTORY, but(1, Write(HISTORY[1], 30)), [Seen(41, 49, 1, "b")]),
    "an unknown write that happened late": ([*HISTORY, (UPDATED, "e")], [*WRITES, Write((UPDATED, "e"), 5)], []),
    "an unknown write that did not happen": (HISTORY, [*WRITES, Write((UPDATED, "e"), 5)], []),
    "the unknown delete that fits": (HISTORY, [*but(2, Write((DELETED, ""), 65)), Write((DELETED, ""), 45)], []),
    "the unknown delete that may": (
        HISTORY,
        [*but(2, Write((DELETED, ""), 45, expected=0)), Write((DELETED, ""), 46, expected=1)],
        [],
    ),
    "two unknown deletes that fit in one way": (
        [*HISTORY, (DELETED, "")],
        [*but(2, Write((DELETED, ""), 81)), Write((DELETED, ""), 45)],
        [],
    ),
}

WRONG: dict[str, tuple[list[Event], list[Write], list[Seen], str]] = {
    "two acknowledged writes at one revision": (HISTORY, [*WRITES, Write((UPDATED, "e"), 91, 99, 4)], [], "two ackn"),
    "an acknowledged write that is lost": (HISTORY[:4], WRITES, [], "acknowledged and lost"),
    "an acknowledged write that another replaced": (HISTORY, but(1, Write((UPDATED, "e"), 30, 40, 1)), [], "and lost"),
    "an acknowledged write of another type": (HISTORY, but(1, Write((CREATED, "b"), 30, 40, 1)), [], "and lost"),
    "a write recorded twice": ([*HISTORY, HISTORY[4]], WRITES, [], "recorded twice"),
    "an unknown write recorded twice": ([*HISTORY, HISTORY[4]], but(4, Write(HISTORY[4], 90)), [], "recorded twice"),
    "a refused write that is recorded": ([*HISTORY, (UPDATED, "e")], WRITES, [], "refused and recorded"),
    "a stale read": (HISTORY, WRITES, [Seen(41, 49, 0, "a")], "revision 1 was there at 40 and a lower one still later"),
    "a stale read after a read": (
        HISTORY,
        but(1, Write(HISTORY[1], 30, 49, 1)),
        [Seen(31, 35, 1, "b"), Seen(36, 38, 0, "a")],
        "revision 1 was there at 35 and a lower one still later, at 36",
    ),
    "a read from the future": (HISTORY, WRITES, [Seen(21, 29, 1, "b")], "revision 1 was there at 29"),
    "a read of another value": (HISTORY, WRITES, [Seen(41, 49, 1, "a")], "never so"),
    "a read of a deleted answer": (HISTORY, WRITES, [Seen(61, 69, 2, "")], "never so"),
    "a read of what was never there": (HISTORY, WRITES, [Seen(101, 102, 5, "e")], "never so"),
    "an order that is not the revisions'": (
        [HISTORY[0], (UPDATED, "x"), (UPDATED, "y")],
        [WRITES[0], Write((UPDATED, "x"), 50, 60, 1), Write((UPDATED, "y"), 30, 40, 2)],
        [],
        "revision 1 was there at 40 and a lower one still later",
    ),
    "an unknown write before its call": (
        HISTORY,
        but(1, Write(HISTORY[1], 65)),
        [],
        "recorded at revision 1, too early",
    ),
    "an unknown write at another revision than it expected": (
        HISTORY,
        but(4, Write(HISTORY[4], 90, expected=1)),
        [],
        "recorded at revision 4, too early or against",
    ),
    "more unknown deletes than were sent": (
        [*HISTORY, HISTORY[2]],
        but(2, Write(HISTORY[2], 50)),
        [],
        "recorded twice",
    ),
    "not found while it existed": (HISTORY, WRITES, [Seen(41, 49, None)], "there was an answer"),
    "exists while it did not": (HISTORY, WRITES, [Seen(61, 69, 1)], "revision 2 was there at 60"),
    "refused though it matched": (HISTORY, WRITES, [Seen(41, 49, 1, None, 1)], "refused though it matched"),
    "accepted though it did not match": (
        HISTORY,
        but(4, Write(HISTORY[4], 90, 100, 4, expected=1)),
        [],
        "not after the revision that it expected",
    ),
    "created twice": ([HISTORY[0], (CREATED, "b")], [WRITES[0]], [], "AnswerCreatedEvent can't be at revision 1"),
    "updated before it was created": ([HISTORY[1]], [], [], "AnswerUpdatedEvent can't be at revision 0"),
}


@pytest.mark.parametrize("run", RIGHT)
def test_a_run_that_one_order_explains_is_right(run: str) -> None:
    assert faults(*RIGHT[run]) == []


@pytest.mark.parametrize("run", WRONG)
def test_a_run_that_no_order_explains_is_found(run: str) -> None:
    history, writes, seen, fault = WRONG[run]

    assert any(fault in found for found in faults(history, writes, seen)), faults(history, writes, seen)
