"""Where something tips: between two sizes of which one does and one does not, halved as runs come in."""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bracket:
    """Between which sizes something tips: 0 or infinity beyond the range. wanted: the size to run next.

    seeds: of each size.
    """

    low: float
    high: float
    seeds: int
    wanted: float | None = None

    @property
    def within(self) -> bool:
        """Whether it tips within the range searched."""
        return self.low > 0.0 and math.isfinite(self.high)

    @property
    def value(self) -> float:
        """Best guess, NaN beyond the range."""
        return math.sqrt(self.low * self.high) if self.within else math.nan


def bisected(
    low: float, high: float, seeds: int, steps: int, decimals: int, tips: Callable[[float], bool | None]
) -> Bracket:
    """Bisection in logarithms as far as it has been run. tips: whether a size does, None if it has not been run."""
    for _ in range(steps):
        middle = round(math.sqrt(low * high), decimals)
        tipped = tips(middle)
        if tipped is None:
            return Bracket(low, high, seeds, middle)
        low, high = (low, middle) if tipped else (middle, high)
    return Bracket(low, high, seeds)
