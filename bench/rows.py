"""What is measured, and the rules that make a figure of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

_CLOSE_RACE = 0.85


@dataclass(frozen=True)
class Sample:
    """One round: how much was done each second, and the CPU time of the server for one unit of it."""

    per_second: float
    cpu_us: float


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


def compared(
    figure: str, ours: Sequence[Sample], reference: Sequence[Sample], target: float, *, unit: str = "request"
) -> list[Row]:
    """The same work done by us and by a reference in interleaved rounds: by the clock, as the median of the paired
    ratios, and by CPU time, the best round of each. Both as ratios of speeds.

    The clock decides; but where the target is close to 1 or above, it is too noisy and CPU time does.
    """
    speeds, others = [s.per_second for s in ours], [s.per_second for s in reference]
    ratio = median(a / b for a, b in zip(speeds, others, strict=True))
    clock = Row(figure, f"{unit}s/s", median(speeds), median(others), ratio, target)
    cost, other = min(s.cpu_us for s in ours), min(s.cpu_us for s in reference)
    cpu = Row(figure, f"CPU µs/{unit}", cost, other, other / cost, target)
    if target >= _CLOSE_RACE:
        return [cpu, replace(clock, target=None)]
    return [clock, replace(cpu, target=None)]


def by_cpu(rows: Sequence[Row]) -> list[Row]:
    """The same, where CPU time decides however far the target is: the clock measures the servers behind."""
    clock, cpu = sorted(rows, key=_is_cpu)
    return [replace(cpu, target=cpu.target or clock.target), replace(clock, target=None)]


def by_clock(rows: Sequence[Row]) -> list[Row]:
    """The same, where throughput decides however close the target is."""
    clock, cpu = sorted(rows, key=_is_cpu)
    return [replace(clock, target=cpu.target or clock.target), replace(cpu, target=None)]


def _is_cpu(row: Row) -> bool:
    return row.unit.startswith("CPU")
