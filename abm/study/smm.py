"""Simulated method of moments: what a parameter vector is scored by, and what can be said about the fitted one.

Parameters are in unit coordinates u in [0, 1] between their bounds. A target is a range; its centre is read as the
observed figure and its half width as 1.96 standard errors of it. Targets of one family (all correlations, all
standard deviations, the lines of one experiment) count together as one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize
from scipy.stats import truncnorm

Z_95: Final = 1.959964
HUBER: Final = 3.0  # half widths outside the range from which a miss counts linearly, so that one cannot rule the fit
NO_RESULT: Final = 10.0  # half widths by which a target counts as missed that has no number
PRIOR_PRECISION: Final = 12.0  # of a parameter that may be anywhere between its bounds: 1 / variance of a uniform draw


@dataclass(frozen=True)
class Target:
    """A range to be met. family: targets that count together. low, high: inclusive, infinite where open."""

    id: str
    family: str
    text: str
    unit: str
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the range; of an open one half its bound, at least a quarter."""
        if np.isfinite(self.low) and np.isfinite(self.high):
            return (self.high - self.low) / 2.0
        return max(abs(self.low if np.isfinite(self.low) else self.high), 0.5) / 2.0

    @property
    def two_sided(self) -> bool:
        """Whether there is a centre to aim at."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


@dataclass(frozen=True)
class Targets:
    """Targets as arrays, (targets,), in order."""

    rows: tuple[Target, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def array(self, name: str) -> np.ndarray:
        """One attribute of all targets."""
        if name not in self._arrays:
            self._arrays[name] = np.array([getattr(row, name) for row in self.rows])
            self._arrays[name].flags.writeable = False
        return self._arrays[name]

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {}

    @cached_property
    def weight(self) -> np.ndarray:
        """One over the number of members of a target's family, (targets,)."""
        counted = Counter(row.family for row in self.rows)
        return np.array([1.0 / counted[row.family] for row in self.rows])

    def vector(self, results: Mapping[str, float]) -> np.ndarray:
        """Results in the order of the targets, NaN where there is none."""
        return np.array([float(results.get(row.id, np.nan)) for row in self.rows])


def misses(targets: Targets, results: np.ndarray) -> np.ndarray:
    """Half widths by which results lie outside their ranges, signed, 0 inside; NO_RESULT for what is no number."""
    low, high = targets.array("low"), targets.array("high")
    outside = np.maximum(results - high, 0.0) - np.maximum(low - results, 0.0)
    return np.where(np.isfinite(results), outside / np.maximum(targets.array("half_width"), 1e-12), NO_RESULT)


def loss(targets: Targets, results: np.ndarray) -> float:
    """Sum over families of the mean of rho(z), rho = z^2 up to HUBER half widths and linear beyond."""
    return float((targets.weight * _rho(misses(targets, results))).sum())


def loss_by_family(targets: Targets, results: np.ndarray) -> dict[str, float]:
    """The parts of the loss, by family in the order of the targets."""
    part = targets.weight * _rho(misses(targets, results))
    families = targets.array("family")
    return {str(name): float(part[families == name].sum()) for name in dict.fromkeys(families)}


def _rho(z: np.ndarray) -> np.ndarray:
    size = np.abs(z)
    return np.where(size <= HUBER, size**2, 2.0 * HUBER * size - HUBER**2)


def errors(targets: Targets) -> np.ndarray:
    """Standard errors of the observed figures, (targets,): half widths over 1.96."""
    return targets.array("half_width") / Z_95


def slopes(below: np.ndarray, above: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Central differences d target / d u, (targets, parameters), 0 where a side is no number.

    below, above: results with one parameter moved, (parameters, targets). step: their distance, (parameters,).
    """
    return np.asarray(np.nan_to_num((above - below) / step[:, None]).T)


def standardised(targets: Targets, jacobian: np.ndarray, simulation_variance: np.ndarray) -> np.ndarray:
    """Slopes in standard errors of the target per whole range of the parameter, (targets, parameters)."""
    return np.asarray(jacobian / np.sqrt(errors(targets) ** 2 + simulation_variance)[:, None])


def precision(targets: Targets, sensitivity: np.ndarray) -> np.ndarray:
    """What the targets say about each parameter when the others are free, 1 / variance in unit coordinates.

    Gauss-Newton with A = G' W G, G the standardised slopes, W one observation per family; for parameter i
    A_ii - A_io (A_oo + 12 I)^-1 A_oi, o being the others, of which nothing but their bounds is known (a flat prior has
    variance 1/12). Open ranges have no centre and tell nothing.
    """
    weight = targets.weight * targets.array("two_sided")
    a = sensitivity.T @ (weight[:, None] * sensitivity)
    out = np.diag(a).copy()
    for i in range(len(a)):
        others = np.arange(len(a)) != i
        if others.any():
            known = a[np.ix_(others, others)] + PRIOR_PRECISION * np.eye(len(a) - 1)
            out[i] -= a[i, others] @ np.linalg.solve(known, a[others, i])
    return np.maximum(out, 0.0)


def intervals(u: np.ndarray, precision_u: np.ndarray) -> np.ndarray:
    """95 % intervals, (2, parameters): normal around the fit, cut off at the bounds; flat between them if unknown.

    They contain the fit, also where it lies on a bound.
    """
    sd = 1.0 / np.sqrt(np.maximum(precision_u, 1e-6))
    cut = truncnorm((0.0 - u) / sd, (1.0 - u) / sd, loc=u, scale=sd)
    return np.array([np.minimum(cut.ppf(0.025), u), np.maximum(cut.ppf(0.975), u)])


def informed(interval: np.ndarray) -> np.ndarray:
    """Share of a parameter's range that the targets rule out, 0 none to 1 all, (parameters,)."""
    return np.asarray(np.maximum(1.0 - (interval[1] - interval[0]) / 0.95, 0.0))


def profile(
    targets: Targets, at: np.ndarray, results: np.ndarray, jacobian: np.ndarray, parameter: int, grid: np.ndarray
) -> np.ndarray:
    """Least loss for every value of one parameter, the others free, targets taken as linear around the fit, (grid,)."""
    others = [i for i in range(len(at)) if i != parameter]
    out, start = np.empty(len(grid)), at[others].copy()

    def of(free: np.ndarray, value: float) -> float:
        u = at.copy()
        u[others], u[parameter] = free, value
        return loss(targets, results + jacobian @ (u - at))

    for i in np.argsort(np.abs(grid - at[parameter])):
        if others:
            found: Any = minimize(of, start, (grid[i],), method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(others))
            out[i] = min(float(found.fun), of(at[others], float(grid[i])))
        else:
            out[i] = of(start, float(grid[i]))
    return out


def told_by(targets: Targets, sensitivity: np.ndarray, parameter: int) -> Sequence[str]:
    """Ids of the four targets that say most about a parameter, by standardised slope, if at least half an error."""
    size = np.abs(sensitivity[:, parameter]) * targets.array("two_sided")
    return [targets.rows[i].id for i in np.argsort(-size, kind="stable")[:4] if size[i] >= 0.5]
