"""Numbers with their 95 % intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
from scipy import stats

from abm.study.compare import RESAMPLES, RESAMPLING_SEED, bootstrap_interval

type Interval = Callable[[float], tuple[float, float]]  # limits at a level of confidence, 0 to 1

USUAL: Final = 0.95
_NO = (math.nan, math.nan)


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval over seeds, and how many seeds it is from. NaN: not defined with so few.

    interval: the same at other levels of confidence.
    """

    text: str
    unit: str
    value: float
    low: float
    high: float
    seeds: int
    interval: Interval = field(default=lambda level: _NO, compare=False, repr=False)

    def above(self, level: float = 0.0) -> bool:
        """Whether the whole interval is above a level."""
        return bool(self.low > level)

    def below(self, level: float = 0.0) -> bool:
        """Whether the whole interval is below a level."""
        return bool(self.high < level)

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def exactly(self, value: float) -> "Estimate":
        """As if it were known to be that value."""
        return replace(self, value=value, low=value, high=value)

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: getattr(self, name) for name in ("text", "unit", "value", "low", "high", "seeds")}


def estimate(text: str, unit: str, value: float, seeds: int, interval: Interval) -> Estimate:
    """A number whose intervals a function gives."""
    return Estimate(text, unit, value, *interval(USUAL), seeds, interval)


def mean(text: str, unit: str, x: np.ndarray) -> Estimate:
    """Mean of one number per seed, (seeds,), with its studentised bootstrap interval."""
    x = np.asarray(x, dtype=float)
    x = x[np.isfinite(x)]
    return estimate(text, unit, float(x.mean()) if x.size else math.nan, int(x.size), partial(bootstrap_interval, x))


def share(text: str, happened: np.ndarray) -> Estimate:
    """Per cent of seeds in which something happened, (seeds,) of booleans, with Wilson's interval."""
    n, k = int(np.size(happened)), int(np.sum(happened))
    value = 100.0 * k / n if n else math.nan
    return estimate(text, "% of seeds", value, n, partial(_wilson_pct, k, n))


def _wilson_pct(k: int, n: int, level: float) -> tuple[float, float]:
    if n == 0:
        return _NO
    found = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    return 100.0 * found.low, 100.0 * found.high


def ratio(text: str, x: np.ndarray, y: np.ndarray, unit: str = "ratio") -> Estimate:
    """Mean of x over mean of y, both (seeds,) and paired, with the percentile bootstrap interval.

    NaN where a mean of resampled y is zero.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    if x.size < 4:
        return Estimate(text, unit, float(x.mean() / y.mean()) if x.size and y.mean() else math.nan, *_NO, int(x.size))
    value = float(x.mean() / y.mean()) if y.mean() else math.nan
    found = estimate(text, unit, value, int(x.size), partial(_ratio_interval, x, y))
    return found if found.known else replace(found, value=math.nan)


def _ratio_interval(x: np.ndarray, y: np.ndarray, level: float) -> tuple[float, float]:
    rows = np.random.default_rng(RESAMPLING_SEED).integers(0, x.size, (RESAMPLES, x.size))
    above, below = x[rows].mean(axis=1), y[rows].mean(axis=1)
    drawn = np.divide(above, below, out=np.full(RESAMPLES, np.nan), where=below != 0.0)
    if not np.isfinite(drawn).all():
        return _NO
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(drawn, (tail, 1.0 - tail))
    return float(low), float(high)
