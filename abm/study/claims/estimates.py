"""Numbers with their 95 % intervals."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from abm.study.compare import RESAMPLES, RESAMPLING_SEED, bootstrap_interval


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval over seeds, and how many seeds it is from. NaN: not defined with so few."""

    text: str
    unit: str
    value: float
    low: float
    high: float
    seeds: int

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

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def mean(text: str, unit: str, x: np.ndarray) -> Estimate:
    """Mean of one number per seed, (seeds,), with its studentised bootstrap interval."""
    x = np.asarray(x, dtype=float)
    x = x[np.isfinite(x)]
    return Estimate(text, unit, float(x.mean()) if x.size else math.nan, *bootstrap_interval(x), int(x.size))


def share(text: str, happened: np.ndarray) -> Estimate:
    """Per cent of seeds in which something happened, (seeds,) of booleans, with Wilson's interval."""
    n, k = int(np.size(happened)), int(np.sum(happened))
    if n == 0:
        return Estimate(text, "% of seeds", math.nan, math.nan, math.nan, 0)
    interval = stats.binomtest(k, n).proportion_ci(method="wilson")
    return Estimate(text, "% of seeds", 100.0 * k / n, 100.0 * interval.low, 100.0 * interval.high, n)


def ratio(text: str, x: np.ndarray, y: np.ndarray, unit: str = "ratio") -> Estimate:
    """Mean of x over mean of y, both (seeds,) and paired, with the percentile bootstrap interval."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    if x.size < 4:
        return Estimate(text, unit, float(x.mean() / y.mean()) if x.size and y.mean() else math.nan, *_NO, int(x.size))
    rows = np.random.default_rng(RESAMPLING_SEED).integers(0, x.size, (RESAMPLES, x.size))
    above, below = x[rows].mean(axis=1), y[rows].mean(axis=1)
    drawn = np.divide(above, below, out=np.full(RESAMPLES, np.nan), where=below != 0.0)
    if not np.isfinite(drawn).all() or y.mean() == 0.0:
        return Estimate(text, unit, math.nan, *_NO, int(x.size))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(text, unit, float(x.mean() / y.mean()), float(low), float(high), int(x.size))


_NO = (math.nan, math.nan)
