"""Scenario discovery: the region of parameters in which crises lie, found by PRIM and said in words."""

import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

FEWEST_IN_CRISIS: Final = 5
SMALLEST_MASS: Final = 0.05
SIGNIFICANT: Final = 0.05  # quasi p-value up to which a restriction is kept (Bryant and Lempert 2010)


@dataclass(frozen=True)
class Region:
    """A box of parameters. limits: parameter to (low, high), or to the list of its values; coverage: share of all
    crises that lie in it; density: share of its points that are crises; base: share of all points that are; mass:
    share of all points that lie in it.
    """

    limits: dict[str, Any]
    coverage: float
    density: float
    base: float
    mass: float

    @property
    def words(self) -> str:
        """In one sentence."""
        where = " and ".join(_limit(name, limit) for name, limit in self.limits.items())
        return (
            f"Crises lie where {where}: there {100 * self.density:.0f} % of the points are crises, "
            f"against {100 * self.base:.0f} % of all; {100 * self.coverage:.0f} % of all crises lie there, "
            f"in {100 * self.mass:.0f} % of the points."
        )


def _limit(name: str, limit: Any) -> str:
    if isinstance(limit, list):
        return f"{name} is {' or '.join(str(value).lower() for value in limit)}"
    low, high = limit
    if low is None:
        return f"{name} is at most {high:.3g}"
    return f"{name} is at least {low:.3g}" if high is None else f"{name} is from {low:.3g} to {high:.3g}"


def find_region(parameters: pd.DataFrame, y: np.ndarray, holds: Callable[[np.ndarray], np.ndarray]) -> Region | None:
    """The region of PRIM's peeling (Friedman and Fisher 1999) with the best balance of coverage and density.

    parameters: a column per parameter; y: outcome of every point, NaN left out; holds: which outcomes are crises.
    The balance is their harmonic mean. Restrictions that could be luck are dropped. None if nothing stands out.
    """
    known = np.isfinite(y)
    x = parameters[known].reset_index(drop=True)
    crisis = holds(y[known])
    if not FEWEST_IN_CRISIS <= crisis.sum() < crisis.size:
        return None
    for name in x.select_dtypes(bool).columns:
        x[name] = x[name].map({True: "true", False: "false"})
    box = _peeled(x, crisis)
    steps = box.peeling_trajectory
    balance = 2.0 * steps["coverage"] * steps["density"] / (steps["coverage"] + steps["density"]).clip(lower=1e-12)
    chosen = int(np.argmax(balance.to_numpy()))
    limits = _limits(x, box.box_lims[chosen], box.p_values[chosen])
    if not limits:
        return None
    inside = _inside(x, limits)
    hits = float((inside & crisis).sum())
    return Region(limits, hits / crisis.sum(), hits / inside.sum(), float(crisis.mean()), float(inside.mean()))


def _peeled(x: pd.DataFrame, crisis: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the workbench about optional parts of its own
        from ema_workbench.analysis import prim

        logging.getLogger("EMA").setLevel(logging.ERROR)
        return prim.Prim(x, crisis, mass_min=max(SMALLEST_MASS, FEWEST_IN_CRISIS / crisis.size)).find_box()


def _limits(x: pd.DataFrame, box: pd.DataFrame, p_values: dict[str, list[float]]) -> dict[str, Any]:
    """Limits that are narrower than the parameter's range and not luck."""
    limits: dict[str, Any] = {}
    for name, ends in p_values.items():
        low_p, high_p = (p if p >= 0.0 and math.isfinite(p) else 1.0 for p in ends)
        if pd.api.types.is_numeric_dtype(x[name]):
            low = float(box[name].iloc[0]) if low_p < SIGNIFICANT else None
            high = float(box[name].iloc[1]) if high_p < SIGNIFICANT else None
            if low is not None or high is not None:
                limits[name] = (low, high)
        elif min(low_p, high_p) < SIGNIFICANT:
            limits[name] = sorted(map(str, box[name].iloc[0]))
    return limits


def _inside(x: pd.DataFrame, limits: dict[str, Any]) -> np.ndarray:
    inside = np.ones(len(x), dtype=bool)
    for name, limit in limits.items():
        if isinstance(limit, list):
            inside &= x[name].astype(str).isin(limit).to_numpy()
        else:
            low, high = limit
            inside &= (x[name].to_numpy() >= (-np.inf if low is None else low)) & (
                x[name].to_numpy() <= (np.inf if high is None else high)
            )
    return inside
