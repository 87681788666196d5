"""Numbers that change from epoch to epoch, and the checks that they share with a `Regimen`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check(fine: bool, name: str, value: object, wanted: str) -> None:
    if not fine:
        raise ValueError(f"{name} must be {wanted}; got {value!r}")


@dataclass(frozen=True)
class Schedule:
    """A number that changes from epoch to epoch: `start` up to epoch `first`, then on to `end` at epoch `last`.

    Between the two it moves geometrically, or linearly where `end` is 0. Epochs count from 1.
    """

    start: float
    end: float
    first: int
    last: int

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value = getattr(self, name)
            check(is_number(value) and 0 <= value < float("inf"), f"a schedule's {name}", value, "finite, ≥ 0")
        check(self.start > 0 or self.end == 0, "a schedule's start", self.start, "positive, unless its end is 0 too")
        epochs = (self.first, self.last)
        fine = all(map(is_whole, epochs)) and 1 <= self.first < self.last
        check(fine, "a schedule's first and last", epochs, "epochs, 1 ≤ first < last")

    def at(self, epoch: int) -> float:
        """The value in an epoch. Computed in decimal arithmetic: libm's pow differs between machines."""
        if epoch <= self.first:
            return self.start
        if epoch >= self.last:
            return self.end
        with localcontext() as context:
            context.prec = 30
            start, end = Decimal(self.start), Decimal(self.end)
            share = Decimal(epoch - self.first) / Decimal(self.last - self.first)
            value = start * (end / start) ** share if self.end > 0 else start * (1 - share)
        return float(value)


def value_at(value: float | Schedule, epoch: int) -> float:
    """A constant, or a schedule's value in an epoch."""
    return value.at(epoch) if isinstance(value, Schedule) else value
