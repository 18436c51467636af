"""What a process remembers of the answers that it wrote: no more than there is room for, and what was used last."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from qaservice.domain.answers import AnswerUpdated
from qaservice.domain.recorded import Recorded
from qaservice.stores.eventstoredb.hints import Hints


def event(key: str, value: str = "john") -> Recorded:
    return Recorded(AnswerUpdated(key, value), 0, 0, uuid4(), datetime.now(UTC), {})


@pytest.mark.parametrize("hints", [Hints(most=3), Hints(size=2_500)], ids=["number", "size"])
def test_where_there_is_no_room_what_was_used_longest_ago_is_forgotten(hints: Hints) -> None:
    events = {key: event(key, "v" * 100) for key in "abcd"}
    for key in "abc":
        hints.put(key, events[key])
    hints.get("a")
    hints.put("d", events["d"])
    assert [hints.get(key) for key in "abcd"] == [events["a"], None, events["c"], events["d"]]


def test_an_answer_takes_its_room_once_however_often_it_changes() -> None:
    hints = Hints(size=3_000)
    hints.put("other", other := event("other"))
    for _ in range(100):
        hints.put("name", last := event("name"))
    assert (hints.get("other"), hints.get("name")) == (other, last)
    hints.clear()
    assert hints.get("name") is None
