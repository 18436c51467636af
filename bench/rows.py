"""A figure's result and the rules that make it of measurements."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.load import Sample

_CLOSE_RACE = 0.85


@dataclass(frozen=True)
class Row:
    """A line of the table. `target` bounds the ratio from below where there is one, else `ours` from above; without a
    target the row only informs."""

    figure: str
    unit: str
    ours: float
    reference: float | None = None
    ratio: float | None = None
    target: float | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.ours <= self.target if self.ratio is None else self.ratio >= self.target


def compared(figure: str, ours: Sequence[Sample], reference: Sequence[Sample], target: float | None) -> list[Row]:
    """A load on us and the same load on a reference, in interleaved rounds: in requests per second and in CPU time.

    Requests per second decide, but where the target is close to 1 or above they are too noisy: there CPU time does.
    """
    speeds = faster(figure, [s.per_second for s in ours], [s.per_second for s in reference], target, "requests/s")
    cost, other = min(s.cpu_us for s in ours), min(s.cpu_us for s in reference)
    costs = Row(figure, "CPU µs/request", cost, other, other / cost, target)
    if target is not None and target >= _CLOSE_RACE:
        return [costs, replace(speeds, target=None)]
    return [speeds, replace(costs, target=None)]


def faster(figure: str, ours: Sequence[float], reference: Sequence[float], target: float | None, unit: str) -> Row:
    """Two speeds in interleaved rounds: the median of the paired ratios."""
    ratio = median(a / b for a, b in zip(ours, reference, strict=True))
    return Row(figure, unit, median(ours), median(reference), ratio, target)
