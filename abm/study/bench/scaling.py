"""How cost grows: exponents of days and seeds, measured; of members, from the worlds. All in processor time."""

from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any, Final

import numpy as np
from scipy import stats

from abm.model import MarketModel
from abm.scenarios import load_scenario
from abm.study.bench.effort import Effort
from abm.study.bench.rows import Measured
from abm.study.bench.timing import timed
from abm.study.bench.worlds import DEFAULT
from abm.study.ensemble import Job, run_jobs

MARKETS_NOTE: Final = (
    "cannot be varied: which markets there are is part of the code (abm/world/instruments.py), and sectors are written "
    "for them; a world with fewer would be another model"
)


def exponent(id_: str, sizes: Sequence[float], costs: Sequence[float], what: str) -> Measured:
    """Slope of log cost on log size by least squares, with its 95 % interval (Student's t)."""
    fit = stats.linregress(np.log(sizes), np.log(costs))
    half = float(stats.t.ppf(0.975, len(sizes) - 2) * fit.stderr)
    last = float(np.log(costs[-1] / costs[-2]) / np.log(sizes[-1] / sizes[-2]))
    note = f"{what} {sizes[0]:,} to {sizes[-1]:,}; between the last two {last:.2f}"
    return Measured(id_, [float(fit.slope)], interval=(fit.slope - half, fit.slope + half), note=note)


def cost_in_members(worlds: Sequence[dict[str, Any]]) -> Measured:
    """From the median day of every world."""
    days = [median(world["day_cpu_ms"]) for world in worlds]
    return exponent("cost_members", [world["members"] for world in worlds], days, "members")


def cost_in_days(effort: Effort) -> Measured:
    """Runs of different lengths, building left out."""
    costs = []
    for days in effort.day_counts:
        model = MarketModel(load_scenario(DEFAULT, days=days))
        costs.append(timed(partial(model.run_for, days))[1].cpu_s)
    return exponent("cost_days", effort.day_counts, costs, "days")


def cost_in_seeds(effort: Effort) -> Measured:
    """Ensembles of different sizes in one process, from building to tables and measures."""
    scenario = load_scenario(DEFAULT, days=effort.seed_days)
    costs = []
    for seeds in effort.seed_counts:
        jobs = [Job(0, seed) for seed in range(1, seeds + 1)]
        ensemble = run_jobs([scenario], jobs, workers=1, progress=False)
        costs.append(timed(partial(list, ensemble))[1].cpu_s)
    return exponent("cost_seeds", effort.seed_counts, costs, "seeds")


def cost_in_markets() -> Measured:
    """Not measured, and why."""
    return Measured("cost_markets", note=MARKETS_NOTE)
