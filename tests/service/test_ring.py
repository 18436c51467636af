"""The last changes in memory."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from qaservice.domain.answers import AnswerCreated
from qaservice.domain.recorded import START, Recorded
from services.eventstore import changes
from services.eventstore.changes import Ring, Wanted, change_of


@pytest.mark.parametrize("end", ["", "\N{GRINNING FACE}"])
def test_the_ring_takes_no_more_memory_than_it_may_whatever_the_text_is(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(changes, "_RING_BYTES", 100_000)
    ring = Ring(START)
    for number in range(1, 51):
        event = AnswerCreated(f"{number}", "x" * 5_000 + end)
        ring.add(change_of(Recorded(event, 0, number, uuid4(), datetime.now(UTC), {})))

    held = ring.page(ring.after, Wanted("", is_prefix=True))
    values = [each.event.event.value for each in held if isinstance(each.event, Recorded)]  # type: ignore[union-attr]
    assert held[-1].position == 50
    assert 0 < sum(value.__sizeof__() for value in values) < 100_000
